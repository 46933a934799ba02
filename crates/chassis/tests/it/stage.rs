//! What the tests stand on: a migrated database of their own, and the two ways to look at it.

use std::time::Duration;

use chassis::postgres::{Database, MigrationText, PostgresConfig};
use chassis::{Host, HostConfig, PLUMBING};
use kernel::TenantId;
use sqlx::{Connection, PgConnection};
use testkit::postgres::{self, Cluster};
use uuid::Uuid;

pub(crate) const SCHEMA: &str = "messaging";

/// How long a state may take to be reached.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A table as services have them: one for its tenant, one queue.
pub(crate) const NOTES: &[MigrationText] = &[MigrationText {
    version: 1000,
    name: "notes",
    sql: "CREATE TABLE {schema}.note (
              tenant_id uuid NOT NULL, note_id uuid NOT NULL, text text NOT NULL, PRIMARY KEY (tenant_id, note_id));
          SELECT {schema}.isolate('{schema}.note');
          CREATE TABLE {schema}.job (
              tenant_id uuid NOT NULL, job_id uuid NOT NULL, account_id uuid NOT NULL DEFAULT gen_random_uuid(),
              due_at timestamptz NOT NULL, attempts smallint NOT NULL DEFAULT 0,
              claim uuid,
              create_time timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (tenant_id, job_id));
          CREATE INDEX job_turn ON {schema}.job (tenant_id, due_at) WHERE due_at < 'infinity';
          SELECT {schema}.isolate('{schema}.job');
          SELECT {schema}.isolate_queue('{schema}.job', 'SELECT, INSERT, UPDATE');",
}];

/// A database of one test, migrated for one service.
pub(crate) struct Stage {
    pub(crate) server: postgres::Database,
    pub(crate) database: Database,
}

impl Stage {
    pub(crate) async fn new(hint: &str) -> Self {
        let server = Cluster::shared().fresh_database(hint).await.unwrap();
        chassis::postgres::migrate(&server.admin_url(), SCHEMA, &[PLUMBING, NOTES]).await.unwrap();
        let database = connect(&server, SCHEMA).await;
        Self { server, database }
    }

    pub(crate) async fn admin(&self) -> PgConnection {
        PgConnection::connect(&self.server.admin_url()).await.unwrap()
    }
}

/// The database as the service that owns `schema` sees it.
pub(crate) async fn connect(server: &postgres::Database, schema: &'static str) -> Database {
    let mut url: url::Url = server.admin_url().parse().unwrap();
    url.set_username("").unwrap();
    url.set_password(None).unwrap();
    Database::connect(schema, &PostgresConfig { connections: 4, ..PostgresConfig::at(url) }).await.unwrap()
}

pub(crate) fn host() -> Host {
    Host::start("test", HostConfig::loopback()).unwrap()
}

pub(crate) fn tenant(number: u128) -> TenantId {
    Uuid::from_u128(number).into()
}
