//! Three NATS servers that hold streams together.

use std::fs::File;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use anyhow::Context as _;

use super::private::program;
use crate::scratch::Scratch;
use crate::{child, eventually, port};

const READY_WITHIN: Duration = Duration::from_mins(1);
const SERVERS: usize = 3;

/// A cluster with JetStream. Killed when dropped.
pub struct Cluster {
    servers: Vec<Child>,
    ports: Vec<u16>,
    folder: Scratch,
}

impl Cluster {
    /// Starts the servers with empty stores and waits until they have agreed on who leads.
    pub async fn start() -> anyhow::Result<Self> {
        let (ports, routes): (Vec<u16>, Vec<u16>) = (0..SERVERS).map(|_| (port::free(), port::free())).unzip();
        let mut cluster = Self { servers: Vec::new(), ports, folder: Scratch::new("nats_cluster", None)? };
        for number in 0..SERVERS {
            let file = cluster.write_configuration(number, &routes)?;
            let mut command = child::command(program(), None);
            let log = File::create(cluster.folder.path().join(format!("log{number}")))?;
            command.stdout(log.try_clone()?).stderr(log).arg("-c").arg(file);
            cluster.servers.push(child::spawn(command).context("cannot run nats-server; run `make test`")?);
        }
        eventually(READY_WITHIN, async || {
            for port in &cluster.ports {
                let client = async_nats::connect(address(*port)).await?;
                async_nats::jetstream::new(client).query_account().await?;
            }
            anyhow::Ok(())
        })
        .await
        .with_context(|| format!("the cluster does not answer; one log:\n{}", cluster.log(0)))?;
        Ok(cluster)
    }

    /// The address of its first server.
    #[must_use]
    pub fn url(&self) -> String {
        address(self.ports[0])
    }

    fn log(&self, number: usize) -> String {
        std::fs::read_to_string(self.folder.path().join(format!("log{number}"))).unwrap_or_default()
    }

    fn write_configuration(&self, number: usize, routes: &[u16]) -> anyhow::Result<PathBuf> {
        let file = self.folder.path().join(format!("{number}.conf"));
        let store = self.folder.path().join(format!("store{number}"));
        let others: Vec<String> = routes.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
        let text = format!(
            "server_name: s{number}\nlisten: \"127.0.0.1:{}\"\nmax_payload: 8MB\n\
             jetstream {{ store_dir: {}, max_memory_store: 1GB, max_file_store: 32GB }}\n\
             cluster {{ name: tests, listen: \"127.0.0.1:{}\", routes: [{}] }}\n",
            self.ports[number],
            serde_json::to_string(&store)?,
            routes[number],
            others.join(", "),
        );
        std::fs::write(&file, text).context("cannot write the server's configuration")?;
        Ok(file)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for server in &mut self.servers {
            server.kill().ok();
            server.wait().ok();
        }
    }
}

fn address(port: u16) -> String {
    format!("nats://127.0.0.1:{port}")
}
