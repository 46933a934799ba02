//! A service's two pools.

use std::sync::Arc;
use std::time::Duration;

use kernel::TenantId;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection};
use uuid::Uuid;

use super::{PostgresConfig, TenantTx};

/// A connection that lay idle longer is asked whether it still lives before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// Plans for what is there now, in the words of PostgreSQL's `plan_cache_mode`: a queue table that was empty when a plan was made
/// is long when it is used again, and statistics follow a minute later.
const ANEW: &str = "force_custom_plan";

/// The database as one service sees it. Clones share the pools.
#[derive(Clone, Debug)]
pub struct Database(Arc<Pools>);

#[derive(Debug)]
struct Pools {
    schema: &'static str,
    service: PgPool,
    worker: PgPool,
}

impl Database {
    /// Makes the pools of the service that owns `schema`, as roles `{schema}` and `{schema}_worker`. The database need not
    /// be there yet: connections are made when they are needed (see [`Database::tend`] for readiness).
    ///
    /// # Errors
    /// When the address or its TLS options are wrong.
    #[expect(clippy::unused_async, reason = "pools can be made inside a runtime only, and there every caller awaits")]
    pub async fn connect(schema: &'static str, config: &PostgresConfig) -> Result<Self, sqlx::Error> {
        // A service repeats its statements over and over: making a plan anew for each run's values costs as much as the run.
        let service = pool(schema, config.connections, "force_generic_plan", config)?;
        let worker = pool(&format!("{schema}_worker"), config.worker_connections, ANEW, config)?;
        Ok(Self(Arc::new(Pools { schema, service, worker })))
    }

    /// Begins a transaction that sees the rows of `tenant` and no others. One round trip.
    ///
    /// # Errors
    /// When no connection is to be had within the acquire timeout. Connections that a restart of the server cut are
    /// passed over, so an error means that the database is away now.
    pub async fn tenant(&self, tenant: TenantId) -> Result<TenantTx, sqlx::Error> {
        self.begin(tenant, "").await
    }

    /// As [`Database::tenant`], with every statement planned for its values and for what is there now, as it always is for the
    /// worker role: for queue tables, which are empty one moment and long the next, and for lists with filters that may be
    /// left out.
    ///
    /// # Errors
    /// As [`Database::tenant`].
    pub async fn tenant_planning_anew(&self, tenant: TenantId) -> Result<TenantTx, sqlx::Error> {
        self.begin(tenant, &format!("; SET LOCAL plan_cache_mode = {ANEW}")).await
    }

    async fn begin(&self, tenant: TenantId, more: &str) -> Result<TenantTx, sqlx::Error> {
        // The ID is formatted from 128 bits, so the text can only be a UUID.
        let begin = format!("BEGIN; SET LOCAL tsunagi.tenant = '{tenant}'{more}");
        let mut dead_connections_left = self.0.service.options().get_max_connections();
        loop {
            match self.0.service.begin_with(AssertSqlSafe(begin.clone())).await {
                Ok(tx) => return Ok(TenantTx::new(tx, tenant, self.0.schema)),
                Err(error) if dead_connections_left > 0 && is_cut(&error) => dead_connections_left -= 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Begins a transaction over the rows that belong to the platform and to no tenant: those whose `tenant_id` is the
    /// nil UUID ([`Database::platform_tenant`]).
    ///
    /// # Errors
    /// As [`Database::tenant`].
    pub async fn platform(&self) -> Result<TenantTx, sqlx::Error> {
        self.tenant(Self::platform_tenant()).await
    }

    /// What stands in the place of a tenant for what belongs to the platform: the nil UUID.
    #[must_use]
    pub fn platform_tenant() -> TenantId {
        Uuid::nil().into()
    }

    /// The pool of the worker role: queue tables over all tenants, no tenant set.
    #[must_use]
    pub fn worker(&self) -> &PgPool {
        &self.0.worker
    }

    /// The service's schema, which is also the name of its role.
    #[must_use]
    pub fn schema(&self) -> &'static str {
        self.0.schema
    }

    pub(super) fn service(&self) -> &PgPool {
        &self.0.service
    }
}

/// Whether the server hung up on a connection that was made earlier.
fn is_cut(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() != std::io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => matches!(error.code().as_deref(), Some("57P01" | "57P02" | "25P03")),
        _ => false,
    }
}

fn pool(role: &str, connections: u32, plans: &str, config: &PostgresConfig) -> Result<PgPool, sqlx::Error> {
    let milliseconds = |timeout: Duration| timeout.as_millis().to_string();
    let mut options: PgConnectOptions = config.url.as_str().parse()?;
    options = options.username(role).application_name(role).options([
        // Every statement is short. One whose cost was overestimated would be compiled for longer than it runs.
        ("jit", "off".to_owned()),
        ("plan_cache_mode", plans.to_owned()),
        // Nor may a plan that was made while a table was empty read the whole of it an hour later: what is looked up has an
        // index. The few statements that count a whole table do it through one.
        ("enable_seqscan", "off".to_owned()),
        ("statement_timeout", milliseconds(config.statement_timeout)),
        ("idle_in_transaction_session_timeout", milliseconds(config.statement_timeout * 2)),
        ("lock_timeout", milliseconds(config.statement_timeout / 2)),
    ]);
    if let Some(password) = &config.password {
        options = options.password(password.expose());
    }
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(config.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection, idle| {
            Box::pin(async move {
                if idle.idle_for > TRUSTED_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options);
    Ok(pool)
}
