//! The service, put together.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use bus::Bus;
use bus::consumer::{self, ConsumerSpec};
use bus::stream::Stream;
use chassis::Host;
use chassis::auth::Directory;
use chassis::grpc::{Client, Server};
use chassis::postgres::Database;
use contracts::identity::v1::account_service_server::AccountServiceServer;
use contracts::identity::v1::customer_service_server::CustomerServiceServer;
use contracts::identity::v1::duplicate_service_server::DuplicateServiceServer;
use contracts::identity::v1::friend_service_server::FriendServiceServer;
use contracts::identity::v1::link_attempt_service_server::LinkAttemptServiceServer;
use contracts::identity::v1::link_policy_service_server::LinkPolicyServiceServer;
use contracts::identity::v1::link_service_server::LinkServiceServer;
use contracts::identity::v1::merge_service_server::MergeServiceServer;
use contracts::identity::v1::principal_service_server::PrincipalServiceServer;
use contracts::identity::v1::rebuild_service_server::RebuildServiceServer;
use contracts::identity::v1::replica_service_server::ReplicaServiceServer;
use contracts::identity::v1::staff_account_service_server::StaffAccountServiceServer;
use contracts::identity::v1::staff_service_server::StaffServiceServer;
use contracts::identity::v1::takeover_service_server::TakeoverServiceServer;
use contracts::identity::v1::tenant_service_server::TenantServiceServer;

use crate::config::Config;
use crate::consumer::{CONSUMER, Reception, order};
use crate::gateway::Gateway;
use crate::grpc::{
    Accounts, Customers, Duplicates, Friends, LinkAttempts, LinkPolicies, Links, Merges, Principals, Rebuilds,
    Replicas, StaffAccounts, StaffAndOrganizations, Takeovers, Tenants,
};
use crate::linking::address::AddressKeys;
use crate::linking::{Desk, sweep};
use crate::pages::{Pages, Proofs};
use crate::registry::Registry;
use crate::staffing::stranger;
use crate::vault::Vault;
use crate::{account_check, expiry, profiles};

/// Transactions of the consumer at once.
const CONCURRENCY: usize = 4;
/// Events of one tenant that may share a transaction.
const BATCH: usize = 32;

/// The running service.
#[derive(Debug)]
pub struct App {
    grpc_addr: SocketAddr,
    pages_addr: SocketAddr,
}

impl App {
    /// Binds, connects and spawns everything under `host`.
    pub async fn build(config: Config, host: &Host) -> anyhow::Result<Self> {
        let database = Database::connect("identity", &config.postgres).await.context("the database address")?;
        database.tend(host);
        let proofs = Proofs::new(&config.master_keys);
        let address_keys = AddressKeys::new(&config.master_keys);
        let vault = Vault::new(config.master_keys, config.ingest_seal_key, config.messaging_seal_key);
        let registry = Registry::new(database.clone(), vault, host.clock());
        let gateway =
            Arc::new(Gateway::new(Client::following(&config.messaging, host).context("the way to messaging-outbox")?));

        let desk = Arc::new(Desk {
            registry: registry.clone(),
            gateway: Arc::clone(&gateway),
            pages_url: config.pages.url.clone(),
            line_login_url: config.pages.line_login_url.clone(),
            address_keys,
        });

        let bus = Bus::connect(&config.bus, host).await.context("the bus")?;
        bus::relay::spawn(host, &bus, &database);
        let spec = ConsumerSpec {
            concurrency: CONCURRENCY,
            batch: BATCH,
            ..ConsumerSpec::new(CONSUMER, Stream::LineWebhook, order)
        };
        consumer::spawn(host, &bus, &database, spec, Reception(Arc::clone(&desk)));
        profiles::spawn(host, registry.clone(), Arc::clone(&gateway));
        account_check::spawn(host, registry.clone(), Arc::clone(&gateway));
        expiry::spawn(host, registry.clone());
        sweep::spawn(host, registry.clone());
        stranger::spawn(host, registry.clone());

        let pages_addr = Pages::new(Arc::clone(&desk), proofs, &config.pages).spawn(host, &config.pages)?;

        let grpc_addr = Server::new(host, config.grpc, Directory::follow(host, &database))
            .add(TenantServiceServer::new(Tenants(registry.clone())))
            .add(PrincipalServiceServer::new(Principals(registry.clone())))
            .add(StaffServiceServer::new(StaffAndOrganizations(registry.clone())))
            .add(StaffAccountServiceServer::new(StaffAccounts(registry.clone())))
            .add(AccountServiceServer::new(Accounts { registry: registry.clone(), gateway }))
            .add(FriendServiceServer::new(Friends(registry.clone())))
            .add(CustomerServiceServer::new(Customers(registry.clone())))
            .add(LinkAttemptServiceServer::new(LinkAttempts(desk)))
            .add(LinkServiceServer::new(Links(registry.clone())))
            .add(TakeoverServiceServer::new(Takeovers(registry.clone())))
            .add(LinkPolicyServiceServer::new(LinkPolicies(registry.clone())))
            .add(DuplicateServiceServer::new(Duplicates(registry.clone())))
            .add(MergeServiceServer::new(Merges(registry.clone())))
            .add(RebuildServiceServer::new(Rebuilds(registry.clone())))
            .add(ReplicaServiceServer::new(Replicas(registry)))
            .add(bus::dead_letter::service(&database))
            .spawn(host)
            .context("the gRPC listener")?;
        Ok(Self { grpc_addr, pages_addr })
    }

    /// Where the gRPC methods are served.
    #[must_use]
    pub fn grpc_addr(&self) -> SocketAddr {
        self.grpc_addr
    }

    /// Where the form pages are served.
    #[must_use]
    pub fn pages_addr(&self) -> SocketAddr {
        self.pages_addr
    }
}
