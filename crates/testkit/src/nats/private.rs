//! A NATS server of one test's own, to kill and start again.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::Signal;

use super::tls::Certificate;
use crate::child;
use crate::scratch::Scratch;
use crate::{eventually, port};

const READY_WITHIN: Duration = Duration::from_secs(30);
const GONE_WITHIN: Duration = Duration::from_secs(20);

/// A private server with JetStream, on a port that stays its own over restarts. Killed when dropped.
pub struct Private {
    program: PathBuf,
    port: u16,
    server: Option<Child>,
    folder: Scratch,
    given: Option<Given>,
}

/// A configuration that was not made here.
struct Given {
    file: PathBuf,
    environment: BTreeMap<String, String>,
    user: (String, String),
    certificate: Certificate,
}

impl Private {
    /// Starts a server with an empty store.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_new(None).await
    }

    /// Starts a server with an empty store as the configuration `file` says, which reads `environment`; its addresses, its
    /// store (`NATS_STORE_DIR`) and its certificate (`NATS_TLS_CERTIFICATE`, `NATS_TLS_KEY`) are the test's own. `user`, by name
    /// and password, must be among its users.
    pub async fn start_configured(
        file: &Path,
        environment: BTreeMap<String, String>,
        user: (String, String),
    ) -> anyhow::Result<Self> {
        let certificate = Certificate::issue()?;
        Self::start_new(Some(Given { file: file.to_owned(), environment, user, certificate })).await
    }

    async fn start_new(given: Option<Given>) -> anyhow::Result<Self> {
        let mut private =
            Self { program: program(), port: port::free(), server: None, folder: Scratch::new("nats", None)?, given };
        let mut tried = 0;
        while let Err(error) = private.start_again().await {
            tried += 1;
            if tried == 3 {
                return Err(error);
            }
            private.port = port::free();
        }
        Ok(private)
    }

    /// The server's address: `tls://` where its configuration was given.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", if self.given.is_some() { "tls" } else { "nats" }, self.port)
    }

    /// Who signs the server's certificate, a PEM file; none where it has none.
    #[must_use]
    pub fn authority(&self) -> Option<&Path> {
        self.given.as_ref().map(|given| given.certificate.authority())
    }

    /// Starts the stopped or killed server on its old port, with its old store, and waits until JetStream answers.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        if self.server.is_some() {
            bail!("the server is running");
        }
        let mut command = child::command(&self.program, None);
        let log = File::options().create(true).append(true).open(self.folder.path().join("log"))?;
        command.stdout(log.try_clone()?).stderr(log).arg("-c");
        let store = self.folder.path().join("store");
        if let Some(given) = &self.given {
            let monitor = port::free().to_string();
            command.arg(&given.file).args(["-a", "127.0.0.1", "-p", &self.port.to_string(), "-m", &monitor]);
            command.env("NATS_STORE_DIR", store).envs(&given.environment).envs(given.certificate.environment());
        } else {
            command.arg(self.write_configuration(&store)?);
        }
        let mut server =
            child::spawn(command).with_context(|| format!("cannot run {}; run `make test`", self.program.display()))?;
        let url = self.url();
        let given = self.given.as_ref();
        let ready = eventually(READY_WITHIN, || {
            let ended = server.try_wait();
            let url = &url;
            async move {
                match ended {
                    // The outer result ends the wait: a server that has ended will not answer any more.
                    Ok(Some(status)) => Ok(Err(status)),
                    _ => jetstream_answers(url, given).await.map(Ok),
                }
            }
        });
        match ready.await {
            Ok(Ok(())) => {
                self.server = Some(server);
                Ok(())
            }
            Ok(Err(status)) => bail!("nats-server ended ({status}); its log:\n{}", self.log()),
            Err(error) => {
                server.kill().ok();
                server.wait().ok();
                Err(error).with_context(|| format!("nats-server does not answer; its log:\n{}", self.log()))
            }
        }
    }

    fn write_configuration(&self, store: &Path) -> anyhow::Result<PathBuf> {
        let file = self.folder.path().join("nats.conf");
        let text = format!(
            "server_name: {}\nlisten: \"127.0.0.1:{}\"\nmax_payload: 8MB\n\
             jetstream {{ store_dir: {}, max_memory_store: 1GB, max_file_store: 32GB }}\n",
            crate::nats::prefix(),
            self.port,
            serde_json::to_string(store)?,
        );
        std::fs::write(&file, text).context("cannot write the server's configuration")?;
        Ok(file)
    }

    /// Asks the server to end and waits until it has: what it took is on disk.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        child::signal(server.id(), Signal::TERM)?;
        child::ended(&mut server, GONE_WITHIN).await?;
        Ok(())
    }

    /// SIGKILL.
    pub async fn kill9(&mut self) -> anyhow::Result<()> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        child::signal(server.id(), Signal::KILL)?;
        child::ended(&mut server, GONE_WITHIN).await?;
        Ok(())
    }

    /// Keeps a copy of the stopped server's store, for [`Private::forget_since_kept`].
    pub fn keep_store(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.server.is_none(), "the server is running");
        copy(&self.folder.path().join("store"), &self.folder.path().join("kept"))
    }

    /// Puts the streams' kept messages in the place of the killed server's: it has forgotten every message since, as after a power
    /// cut, but not how far the consumers were.
    pub fn forget_since_kept(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.server.is_none(), "the server is running");
        let streams = Path::new("jetstream/$G/streams");
        let (kept, store) =
            (self.folder.path().join("kept").join(streams), self.folder.path().join("store").join(streams));
        for stream in std::fs::read_dir(kept)? {
            let stream = stream?;
            let messages = store.join(stream.file_name()).join("msgs");
            std::fs::remove_dir_all(&messages)?;
            copy(&stream.path().join("msgs"), &messages)?;
        }
        Ok(())
    }

    /// What the server has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// The program of the server, where the run has put it.
pub(super) fn program() -> PathBuf {
    std::env::var_os("TSUNAGI_NATS_SERVER").map_or_else(|| "nats-server".into(), PathBuf::from)
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

impl Drop for Private {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().ok();
            server.wait().ok();
        }
    }
}

async fn jetstream_answers(url: &str, given: Option<&Given>) -> anyhow::Result<()> {
    let Some(Given { user: (name, password), certificate, .. }) = given else {
        let client = async_nats::connect(url).await?;
        async_nats::jetstream::new(client).query_account().await?;
        return Ok(());
    };
    let client = super::connect_as(url, name, password, Some(certificate.authority())).await?;
    // A stream nobody has: any answer is JetStream's, and a user may be allowed no more than to ask.
    client.request("$JS.API.STREAM.INFO.NONE", "".into()).await?;
    Ok(())
}
