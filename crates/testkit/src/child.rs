//! Child processes that cannot outlive the test program.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use anyhow::{Context, anyhow};
use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::eventually;

/// The user servers run as when the test program is root, whom PostgreSQL refuses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Owner {
    /// `postgres`, else `nobody`, for root; nothing for an ordinary user, who runs servers as itself.
    pub(crate) fn of_servers() -> anyhow::Result<Option<Self>> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        let owner = ["postgres", "nobody"].into_iter().find_map(|name| {
            let number = |flag| {
                let told = Command::new("id").args([flag, name]).output().ok().filter(|told| told.status.success())?;
                String::from_utf8(told.stdout).ok()?.trim().parse().ok()
            };
            Some(Self { uid: number("-u")?, gid: number("-g")? })
        });
        owner.map(Some).ok_or_else(|| anyhow!("this machine has neither a user `postgres` nor a user `nobody`"))
    }
}

/// A command that runs `program` under `owner` and is killed by the kernel once this program is gone.
pub(crate) fn command(program: impl AsRef<OsStr>, owner: Option<Owner>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Some(Owner { uid, gid }) = owner {
        command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()]);
    }
    command.arg("--").arg(program).stdin(Stdio::null());
    command
}

/// Starts the command from a thread that lives as long as this program: the kernel ties a child to the *thread* that made it,
/// and the threads of a runtime come and go.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::SyncSender<io::Result<Child>>);
    static SPAWNER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in inbox {
                // Whoever ordered has gone if nobody takes the answer; the child is then dropped, and ends with the program.
                drop(answer.send(command.spawn()));
            }
        });
        orders
    });
    let (answer, answered) = mpsc::sync_channel(1);
    let gone = || io::Error::other("the spawning thread has ended");
    spawner.send((command, answer)).map_err(|_| gone())?;
    answered.recv().map_err(|_| gone())?
}

/// Sends a signal to a process; one that has gone already is no error.
pub(crate) fn signal(pid: u32, signal: Signal) -> anyhow::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(|| anyhow!("{pid} is no process ID"))?;
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot send {signal:?} to process {pid:?}")),
    }
}

/// Waits until the child has ended.
pub(crate) async fn ended(child: &mut Child, within: Duration) -> anyhow::Result<std::process::ExitStatus> {
    let pid = child.id();
    eventually(within, || std::future::ready(child.try_wait().transpose()))
        .await
        .with_context(|| format!("process {pid} has not ended"))?
        .context("cannot wait for the process")
}

/// Process IDs of the live children of `parent`.
pub(crate) fn children_of(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|&pid| stat(pid).is_some_and(|(state, of)| of == parent && state != 'Z')).collect()
}

/// Whether the process is there and has not ended.
pub(crate) fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z')
}

/// State and parent of a process, from `/proc/PID/stat`; the name before them may hold anything, but ends at the last `)`.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
