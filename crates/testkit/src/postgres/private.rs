//! A PostgreSQL server of one test's own, to kill and start again.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::Signal;
use sqlx::{Connection, PgConnection};

use super::Cluster;
use crate::child::{self, Owner};
use crate::scratch::Scratch;
use crate::{eventually, port};

const READY_WITHIN: Duration = Duration::from_mins(1);
const GONE_WITHIN: Duration = Duration::from_secs(30);

/// A private server with fsync on, superuser `postgres`, on a port that stays its own over restarts. Killed when dropped.
pub struct Private {
    binaries: PathBuf,
    owner: Option<Owner>,
    port: u16,
    settings: Vec<(String, String)>,
    postmaster: Option<Child>,
    folder: Scratch,
}

impl Private {
    /// Makes a new cluster and starts it.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(&[]).await
    }

    /// The same with further settings, as `postgresql.conf` names them.
    pub async fn start_with(settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let owner = Owner::of_servers()?;
        let folder = Scratch::new("postgres", owner)?;
        let binaries = binaries()?;
        let mut initdb = child::command(binaries.join("initdb"), owner);
        initdb.arg("-D").arg(folder.path().join("cluster")).args(["-U", "postgres", "-A", "trust", "-E", "UTF8"]);
        initdb.args(["--locale=C.UTF-8", "--no-sync"]).current_dir(folder.path());
        initdb.stdout(File::create(folder.path().join("initdb.log"))?);
        let made = child::ended(&mut child::spawn(initdb).context("cannot run initdb")?, READY_WITHIN).await?;
        if !made.success() {
            bail!("initdb failed: {made}");
        }
        let settings = settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut server = Self { binaries, owner, port: port::free(), settings, postmaster: None, folder };
        let mut tried = 0;
        while let Err(error) = server.start_again().await {
            tried += 1;
            if tried == 3 {
                return Err(error);
            }
            server.port = port::free();
        }
        Ok(server)
    }

    /// The superuser's address of the server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// The server as a place for databases.
    pub fn cluster(&self) -> anyhow::Result<Cluster> {
        Cluster::at(&self.url())
    }

    /// Starts the stopped or killed server on its old port and waits until it answers, crash recovery included.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        if self.postmaster.is_some() {
            bail!("the server is running");
        }
        let mut command = child::command(self.binaries.join("postgres"), self.owner);
        command.arg("-D").arg(self.folder.path().join("cluster"));
        let port = self.port.to_string();
        let always = [
            ("port", port.as_str()),
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", ""),
            ("max_connections", "200"),
            ("timezone", "UTC"),
        ];
        let own = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in always.into_iter().chain(own) {
            command.args(["-c", &format!("{name}={value}")]);
        }
        let log = File::options().create(true).append(true).open(self.folder.path().join("log"))?;
        command.current_dir(self.folder.path()).stdout(log.try_clone()?).stderr(log);
        let mut postmaster = child::spawn(command).context("cannot run postgres")?;
        let url = self.url();
        let ready = eventually(READY_WITHIN, || {
            let ended = postmaster.try_wait();
            let url = &url;
            async move {
                match ended {
                    // The outer result ends the wait: a server that has ended will not answer any more.
                    Ok(Some(status)) => Ok(Err(status)),
                    _ => PgConnection::connect(url).await.map(Ok),
                }
            }
        });
        match ready.await {
            Ok(Ok(connection)) => {
                connection.close().await.ok();
                self.postmaster = Some(postmaster);
                Ok(())
            }
            Ok(Err(status)) => bail!("postgres ended ({status}); its log ends:\n{}", self.log_tail()),
            Err(error) => {
                postmaster.kill().ok();
                postmaster.wait().ok();
                Err(error).with_context(|| format!("postgres does not answer; its log ends:\n{}", self.log_tail()))
            }
        }
    }

    /// Fast shutdown: sessions are cut, everything is written.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut postmaster) = self.postmaster.take() else { return Ok(()) };
        child::signal(postmaster.id(), Signal::INT)?;
        child::ended(&mut postmaster, GONE_WITHIN).await?;
        Ok(())
    }

    /// SIGKILL to the postmaster and every one of its processes at once, as if the power went: nothing is flushed.
    pub async fn kill9(&mut self) -> anyhow::Result<()> {
        let Some(mut postmaster) = self.postmaster.take() else { return Ok(()) };
        let backends = kill_all(&mut postmaster);
        eventually(GONE_WITHIN, || {
            let left = backends.iter().filter(|&&pid| child::is_alive(pid)).count();
            std::future::ready(if left == 0 { Ok(()) } else { Err(format!("{left} processes left")) })
        })
        .await
        .context("killed PostgreSQL processes have not ended")
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        if let Some(mut postmaster) = self.postmaster.take() {
            kill_all(&mut postmaster);
        }
    }
}

/// The postmaster first, so that it starts no more, then its children, which lead sessions of their own.
fn kill_all(postmaster: &mut Child) -> Vec<u32> {
    let backends = child::children_of(postmaster.id());
    postmaster.kill().ok();
    postmaster.wait().ok();
    for &backend in &backends {
        child::signal(backend, Signal::KILL).ok();
    }
    backends
}

/// The folder of the server's programs: the one the run names, else the newest the machine has.
pub(super) fn binaries() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("TSUNAGI_PG_BIN") {
        return Ok(PathBuf::from(named));
    }
    let majors = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = majors.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
    let newest = newest.context("TSUNAGI_PG_BIN is not set and there is no /usr/lib/postgresql: run `make test`")?;
    Ok(Path::new("/usr/lib/postgresql").join(newest.to_string()).join("bin"))
}
