//! What runs beside the way of a webhook: holding, forwarding, erasing, keeping; and the methods over all that.

use std::net::SocketAddr;
use std::sync::Arc;

use bus::Bus;
use chassis::Host;
use chassis::auth::Directory;
use chassis::egress::Egress;
use chassis::grpc::{GrpcConfig, Server};
use chassis::postgres::Database;
use contracts::ingest::v1::archive_service_server::ArchiveServiceServer;
use contracts::ingest::v1::erasure_service_server::ErasureServiceServer;
use contracts::ingest::v1::forwarding_service_server::ForwardingServiceServer;
use contracts::ingest::v1::quarantine_service_server::QuarantineServiceServer;
use contracts::ingest::v1::replay_service_server::ReplayServiceServer;
use contracts::ingest::v1::retention_service_server::RetentionServiceServer;
use kernel::Clock;
use webhook_ingest_core::Window;

use super::{spawn, until_stopped};
use crate::accounts::Known;
use crate::archive::Archive;
use crate::erasure::{Erasures, Sweeper};
use crate::findings::Findings;
use crate::forwarding::{Forwarded, Forwarder, Forwarding, Spilled, Tending};
use crate::held::{Held, Keeper, Prover};
use crate::partitions::{self, Kept};
use crate::quarantine::Quarantine;
use crate::replay::Replays;
use crate::retention::Retentions;
use crate::spill::Kept as SpillKept;
use crate::vault::Vault;

/// What the parts of the service share.
pub(super) struct Shared {
    pub(super) database: Database,
    pub(super) vault: Vault,
    pub(super) bus: Bus,
    pub(super) known: Known,
    pub(super) forwarded: Forwarded,
    pub(super) findings: Findings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) window: Window,
    /// For how long event IDs are kept, and bodies of tenants that say nothing else.
    pub(super) kept: Kept,
}

impl Shared {
    /// Keeps what is counted of findings.
    pub(super) fn keep_findings(&self, host: &Host) {
        spawn(host, "ingest.findings", self.findings.clone().keep(self.database.clone(), host.stopping()));
    }

    /// Holds what nothing proves yet, and proves it when an account's secrets have changed.
    pub(super) fn hold(&self, host: &Host) -> Held {
        let held = Held::default();
        let keeper = Keeper {
            held: held.clone(),
            database: self.database.clone(),
            vault: self.vault.clone(),
            findings: self.findings.clone(),
            clock: Arc::clone(&self.clock),
        };
        spawn(host, "ingest.held.keeper", keeper.run(host.stopping()));
        let prover = Prover {
            database: self.database.clone(),
            vault: self.vault.clone(),
            known: self.known.clone(),
            window: self.window,
            clock: Arc::clone(&self.clock),
            forwarded: self.forwarded.clone(),
        };
        until_stopped(host, "ingest.held.prover", prover.run());
        held
    }

    /// Forwards to the targets of accounts.
    pub(super) fn forward(&self, host: &Host, egress: Egress, kept: SpillKept) {
        until_stopped(host, "ingest.forwarding.targets", self.forwarded.clone().follow(self.database.clone()));
        let forwarder = Forwarder {
            database: self.database.clone(),
            egress,
            forwarded: self.forwarded.clone(),
            vault: self.vault.clone(),
            spill: Spilled::new(&self.bus, kept),
            clock: Arc::clone(&self.clock),
        };
        until_stopped(host, "ingest.forwarding", forwarder.run());
        let tending = Tending { database: self.database.clone(), clock: Arc::clone(&self.clock) };
        until_stopped(host, "ingest.forwarding.tend", tending.run());
    }

    /// Makes and drops partitions, and erases what is to be erased.
    pub(super) fn tend_archive(&self, host: &Host) {
        let keeping = partitions::keep(self.database.clone(), self.kept, Arc::clone(&self.clock));
        until_stopped(host, "ingest.partitions", keeping);
        let sweeper = Sweeper {
            database: self.database.clone(),
            vault: self.vault.clone(),
            bus: self.bus.clone(),
            clock: Arc::clone(&self.clock),
            seen_days: self.kept.seen_days,
        };
        sweeper.spawn(host);
        until_stopped(host, "ingest.erasure.measure", Sweeper::measure(self.database.clone()));
    }

    /// Serves the methods; tells where.
    pub(super) fn serve(
        &self,
        host: &Host,
        grpc: GrpcConfig,
        directory: Directory,
        egress: Egress,
    ) -> anyhow::Result<SocketAddr> {
        let (database, vault) = (&self.database, &self.vault);
        let address = Server::new(host, grpc, directory)
            .add(ArchiveServiceServer::new(Archive { database: database.clone(), vault: vault.clone() }))
            .add(ErasureServiceServer::new(Erasures { database: database.clone(), vault: vault.clone() }))
            .add(RetentionServiceServer::new(Retentions {
                database: database.clone(),
                platform_days: self.kept.body_days,
            }))
            .add(ReplayServiceServer::new(Replays { database: database.clone(), clock: Arc::clone(&self.clock) }))
            .add(QuarantineServiceServer::new(Quarantine {
                database: database.clone(),
                vault: vault.clone(),
                known: self.known.clone(),
                window: self.window,
                clock: Arc::clone(&self.clock),
            }))
            .add(ForwardingServiceServer::new(Forwarding { database: database.clone(), vault: vault.clone(), egress }))
            .add(bus::dead_letter::service(database))
            .spawn(host)?;
        Ok(address)
    }
}
