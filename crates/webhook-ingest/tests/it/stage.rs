//! A database, a prefix on NATS, accounts, and as many replicas of the service as a test wants.

mod account;
mod body;
mod kept;
mod process;
mod replica;

use std::num::NonZeroU32;
use std::time::Duration;

use bus::BusConfig;
use chassis::egress::EgressConfig;
use chassis::envelope::MasterKeys;
use chassis::postgres::{Database, PostgresConfig, migrate};
use chassis::seal::PrivateKey;
use chassis::{Host, HostConfig};
use sqlx::Connection;
use testkit::postgres::Cluster;
use webhook_ingest::{App, Config, PROGRAM};

pub(crate) use account::{BOT, OLD_SECRET, SECRET, TestAccount};
pub(crate) use body::{body, body_for, event, id_at, new_id, now, one, signature};
pub(crate) use replica::Replica;

/// Commits whose events the stream does not have yet.
pub(crate) const UNPUBLISHED: &str = "SELECT count(*) FROM ingest.publication";
/// The master key of every test.
pub(crate) const MASTER: &str = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(crate) const SOON: Duration = Duration::from_mins(1);

/// What a test plays on.
pub(crate) struct Stage {
    pub(crate) database: testkit::postgres::Database,
    pub(crate) nats_url: String,
    pub(crate) prefix: String,
    pub(crate) seal_key: PrivateKey,
    pub(crate) account: TestAccount,
}

impl Stage {
    /// On the shared servers.
    pub(crate) async fn new(hint: &str) -> Self {
        Self::on(&Cluster::shared(), testkit::nats::url(), hint).await
    }

    /// On the given servers, with one account.
    pub(crate) async fn on(cluster: &Cluster, nats_url: String, hint: &str) -> Self {
        let database = cluster.fresh_database(hint).await.unwrap();
        migrate(&database.admin_url(), "ingest", PROGRAM.migrations).await.unwrap();
        let (seal_key, prefix) = (PrivateKey::generate(), testkit::nats::prefix());
        let account = TestAccount::new();
        let stage = Self { database, nats_url, prefix, seal_key, account: account.clone() };
        stage.put(&account, stage.replica_of(&account, 1)).await;
        stage
    }

    /// The service's own view of the database.
    pub(crate) async fn ingest(&self) -> Database {
        Database::connect("ingest", &self.postgres()).await.unwrap()
    }

    /// A connection of the superuser.
    pub(crate) async fn admin(&self) -> sqlx::PgConnection {
        sqlx::PgConnection::connect(&self.database.admin_url()).await.unwrap()
    }

    /// One number from the database.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&mut self.admin().await).await.unwrap()
    }

    /// The settings of a replica.
    pub(crate) fn config(&self) -> Config {
        Config {
            http_addr: ([127, 0, 0, 1], 0).into(),
            http_tls: None,
            grpc: std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into(),
            postgres: self.postgres(),
            bus: BusConfig { prefix: Some(self.prefix.clone()), ..BusConfig::at(self.nats_url.clone()) },
            identity: None,
            seal_key: self.seal_key.clone(),
            master_keys: masters(),
            body_limit: 64 * 1024,
            memory_kib: NonZeroU32::new(65_536).unwrap(),
            connections: NonZeroU32::new(2_000).unwrap(),
            read_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(30),
            flushers: 2,
            seen_days: 90,
            body_days: 90,
            replayed_per_second: NonZeroU32::new(2_000).unwrap(),
            egress: EgressConfig::default(),
        }
    }

    fn postgres(&self) -> PostgresConfig {
        let mut url: url::Url = self.database.admin_url().parse().unwrap();
        url.set_username("").unwrap();
        PostgresConfig::at(url)
    }

    /// A replica that is ready.
    pub(crate) async fn start(&self) -> Replica {
        let replica = self.start_with(self.config(), HostConfig::loopback()).await;
        replica.ready().await;
        replica
    }

    /// A replica, perhaps not ready yet.
    pub(crate) async fn start_with(&self, config: Config, life: HostConfig) -> Replica {
        let host = Host::start("webhook-ingest", life).unwrap();
        let app = App::build(config, &host).await.unwrap();
        Replica { app, host, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }
}

fn masters() -> MasterKeys {
    MasterKeys::parse(MASTER).unwrap()
}
