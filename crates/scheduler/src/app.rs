//! The service, put together.

use std::net::SocketAddr;

use anyhow::Context as _;
use bus::Bus;
use chassis::Host;
use chassis::auth::Directory;
use chassis::grpc::{Client, Server};
use chassis::postgres::Database;
use contracts::scheduler::v1::digest_schedule_service_server::DigestScheduleServiceServer;
use contracts::scheduler::v1::reminder_rule_service_server::ReminderRuleServiceServer;
use contracts::scheduler::v1::timer_service_server::TimerServiceServer;

use crate::config::Config;
use crate::desk::Desk;
use crate::grpc::{Digests, Reminders, Timers};
use crate::scheduled_message::{self, ScheduledMessages};
use crate::{digest, figures, firer, replanning, replica, retention};

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
        let identity = config
            .identity
            .as_ref()
            .map(|config| Client::following(config, host))
            .transpose()
            .context("the way to identity-linking")?;
        bus::replica::spawn_directory(host, &bus, &database, identity.as_ref());
        bus::consumer::spawn(host, &bus, &database, scheduled_message::spec(), ScheduledMessages);
        firer::spawn(host, &bus, &database, config.firers);
        let desk = Desk { database: database.clone(), turn: host.clock_turn() };
        let kept = replica::Kept(desk.clone());
        bus::replica::spawn(host, &bus, &database, "identity", replica::KINDS, identity.as_ref(), kept);
        digest::spawn(host, desk.clone());
        replanning::spawn(host, desk.clone());
        retention::spawn(host, &database);
        figures::spawn(host, &database);
        let grpc_addr = Server::new(host, config.grpc, Directory::follow(host, &database))
            .add(TimerServiceServer::new(Timers(database.clone())))
            .add(DigestScheduleServiceServer::new(Digests(desk.clone())))
            .add(ReminderRuleServiceServer::new(Reminders(desk)))
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
