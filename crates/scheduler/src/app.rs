//! The service, put together.

use std::net::SocketAddr;

use anyhow::Context as _;
use bus::Bus;
use chassis::Host;
use chassis::auth::Directory;
use chassis::grpc::{Client, Server};
use chassis::postgres::Database;

use crate::config::Config;

/// The running service.
#[derive(Debug)]
pub struct App {
    grpc_addr: SocketAddr,
}

impl App {
    /// Binds, connects and spawns everything under `host`.
    pub async fn build(config: Config, host: &Host) -> anyhow::Result<Self> {
        let database = Database::connect("scheduler", &config.postgres).await.context("the database address")?;
        database.tend(host);
        let bus = Bus::connect(&config.bus, host).await.context("the bus")?;
        bus::relay::spawn(host, &bus, &database);
        let identity = Client::following(&config.identity, host).context("the way to identity-linking")?;
        bus::replica::spawn_directory(host, &bus, &database, Some(&identity));
        let grpc_addr = Server::new(host, config.grpc, Directory::follow(host, &database))
            .add(bus::dead_letter::service(&database))
            .spawn(host)
            .context("the gRPC listener")?;
        Ok(Self { grpc_addr })
    }

    /// Where the gRPC methods are served.
    #[must_use]
    pub fn grpc_addr(&self) -> SocketAddr {
        self.grpc_addr
    }
}
