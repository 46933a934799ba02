//! The project's own binaries as child processes: to start, watch, ask to end, and kill.

mod output;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use rustix::process::Signal;

use crate::child;
use output::Output;
pub use output::Position;

/// How long the last lines of a process that has ended may take.
const OUTPUT_ENDS_WITHIN: Duration = Duration::from_secs(2);

/// The path of one of the workspace's binaries: in `TSUNAGI_BIN_DIR`, else beside the running test program.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let found = match std::env::var_os("TSUNAGI_BIN_DIR") {
        Some(folder) => Some(PathBuf::from(folder).join(name)),
        None => std::env::current_exe().ok().and_then(|test| {
            test.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file())
        }),
    };
    found
        .filter(|path| path.is_file())
        .unwrap_or_else(|| panic!("the binary {name} is not built: run `make test`, or `cargo build -p {name}` first"))
}

/// A process about to be started.
#[derive(Debug)]
pub struct Launch {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    log: Option<PathBuf>,
}

impl Launch {
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets a variable. Of this program's own environment, the process gets all but the `TSUNAGI_*` variables.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Appends what the process writes to this file too.
    #[must_use]
    pub fn log_to(mut self, file: impl Into<PathBuf>) -> Self {
        self.log = Some(file.into());
        self
    }

    /// Starts the process.
    pub fn start(self) -> anyhow::Result<Process> {
        let mut command = child::command(&self.program, None);
        let inherited = std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("TSUNAGI_"));
        command.args(self.arguments).env_clear().envs(inherited).envs(self.environment);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child::spawn(command).with_context(|| format!("cannot start {}", self.program.display()))?;
        let output = Output::new(self.log.as_deref())?;
        let streams = child.stdout.take().zip(child.stderr.take());
        let (stdout, stderr) = streams.ok_or_else(|| anyhow!("the process has no output to read"))?;
        Output::follow(&output, stdout);
        Output::follow(&output, stderr);
        Ok(Process { program: self.program, child, output, status: None })
    }
}

/// A running process and what it wrote, standard output and standard error together, by lines. Killed when dropped; if the test
/// is failing then, the last lines are printed. Whether a test is about to fail with an error cannot be told: under nextest, which
/// shows what failing tests print and nothing of the others, the last lines and the last warnings are printed always.
#[derive(Debug)]
pub struct Process {
    program: PathBuf,
    child: Child,
    output: Arc<Output>,
    status: Option<ExitStatus>,
}

impl Process {
    /// Prepares the start of a program; [`binary`] finds the workspace's own ones.
    #[must_use]
    pub fn of(program: impl AsRef<Path>) -> Launch {
        Launch { program: program.as_ref().to_owned(), arguments: Vec::new(), environment: Vec::new(), log: None }
    }

    /// The process ID.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where the output has got to: a point to look for later lines from.
    #[must_use]
    pub fn position(&self) -> Position {
        self.output.position()
    }

    /// The lines kept so far; of a long output, the latest ones.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.output.lines()
    }

    /// Waits for a line, among those written already too.
    pub async fn line(&self, within: Duration, wanted: impl Fn(&str) -> bool) -> anyhow::Result<String> {
        self.line_after(Position::default(), within, wanted).await
    }

    /// Waits for a line written after `position`.
    pub async fn line_after(
        &self,
        position: Position,
        within: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> anyhow::Result<String> {
        self.output.line(position, within, wanted).await.map_err(|last| {
            anyhow!("{} did not write the line within {within:?}; its output ends:\n{last}", self.program.display())
        })
    }

    /// Waits for a line that is a JSON object, a log record, of which `wanted` holds.
    pub async fn record(
        &self,
        within: Duration,
        wanted: impl Fn(&serde_json::Value) -> bool,
    ) -> anyhow::Result<serde_json::Value> {
        let line = self.line(within, |line| serde_json::from_str(line).is_ok_and(|record| wanted(&record))).await?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Asks the process to end (SIGTERM).
    pub fn sigterm(&self) -> anyhow::Result<()> {
        self.send(Signal::TERM)
    }

    /// As Ctrl-C would (SIGINT).
    pub fn sigint(&self) -> anyhow::Result<()> {
        self.send(Signal::INT)
    }

    /// Kills the process (SIGKILL): it gets no chance to tidy up.
    pub fn sigkill(&self) -> anyhow::Result<()> {
        self.send(Signal::KILL)
    }

    /// Waits until the process has ended and its last lines are read, and tells how.
    pub async fn exit(&mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        let status = child::ended(&mut self.child, within).await.with_context(|| {
            format!("{} is still running; its output ends:\n{}", self.program.display(), self.output.tail())
        })?;
        self.output.complete(OUTPUT_ENDS_WITHIN).await;
        self.status = Some(status);
        Ok(status)
    }

    /// Whether the process has not ended yet.
    pub fn is_running(&mut self) -> bool {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status.is_none()
    }

    /// A process that has ended and been waited for is not signalled: its ID may be another's by now.
    fn send(&self, signal: Signal) -> anyhow::Result<()> {
        if self.status.is_some() { Ok(()) } else { child::signal(self.pid(), signal) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() || std::env::var_os("NEXTEST").is_some() {
            let program = self.program.display();
            eprintln!("{program} warned at last:\n{}", self.output.warnings());
            eprintln!("{program} wrote at last:\n{}", self.output.tail());
        }
    }
}
