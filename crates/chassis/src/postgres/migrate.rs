//! The migration step of a service: roles, schema, the functions that isolate tenants, and the service's own texts.

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqlSafeStr};

use super::roles::{self, RoleError};

/// One migration. `{schema}` in `sql` stands for the service's schema.
#[derive(Clone, Copy, Debug)]
pub struct MigrationText {
    /// Orders the migrations of one schema: chassis 1.., bus 100.., services 1000.. Never reused.
    pub version: i64,
    /// What it does, in snake case.
    pub name: &'static str,
    /// Statements, separated by semicolons, run in one transaction.
    pub sql: &'static str,
}

/// The tables the chassis itself needs in every service's schema.
pub(crate) const PLUMBING: &[MigrationText] = &[
    MigrationText { version: 1, name: "isolation", sql: include_str!("isolation.sql") },
    MigrationText { version: 2, name: "plumbing", sql: include_str!("plumbing.sql") },
];

/// Why a schema could not be migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database is away or refused a statement.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
    /// A migration failed, or an applied one was changed afterwards.
    #[error("a migration failed")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A role has more power than a service may have.
    #[error(transparent)]
    Role(#[from] RoleError),
    /// Two of the given texts have the same version.
    #[error("two migrations have version {0}")]
    SameVersion(i64),
    /// Tables that a service role could read over all tenants.
    #[error("tables without forced row-level security, or without a policy: {}", .0.join(", "))]
    Unprotected(Vec<String>),
}

/// Brings `schema` to the state that `texts` describe: roles, schema, isolation functions, tables. Repeating it changes
/// nothing; several at once on one database wait for each other.
///
/// # Errors
/// See [`MigrateError`].
pub async fn migrate(admin_url: &str, schema: &'static str, texts: &[&[MigrationText]]) -> Result<(), MigrateError> {
    let mut admin = PgConnection::connect(admin_url).await?;
    lock(&mut admin).await?;
    let outcome = migrate_locked(&mut admin, schema, texts).await;
    // Closing the session gives the lock back whatever happened.
    admin.close().await?;
    outcome
}

async fn migrate_locked(
    admin: &mut PgConnection,
    schema: &'static str,
    texts: &[&[MigrationText]],
) -> Result<(), MigrateError> {
    roles::ensure(admin, schema).await?;
    let opening = include_str!("schema.sql").replace("{schema}", schema);
    admin.execute(AssertSqlSafe(opening)).await?;
    migrator(schema, texts)?.run_direct(None, admin, false).await?;
    let closing = format!("GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {schema}, {schema}_worker");
    admin.execute(AssertSqlSafe(closing)).await?;
    let unprotected: Vec<String> =
        sqlx::query_scalar(include_str!("unprotected.sql")).bind(schema).fetch_all(admin).await?;
    if unprotected.is_empty() { Ok(()) } else { Err(MigrateError::Unprotected(unprotected)) }
}

fn migrator(schema: &str, texts: &[&[MigrationText]]) -> Result<Migrator, MigrateError> {
    let mut migrations: Vec<Migration> = Vec::new();
    for text in texts.iter().copied().flatten() {
        if migrations.iter().any(|other| other.version == text.version) {
            return Err(MigrateError::SameVersion(text.version));
        }
        let sql = AssertSqlSafe(text.sql.replace("{schema}", schema)).into_sql_str();
        migrations.push(Migration::new(text.version, text.name.into(), MigrationType::Simple, sql, false));
    }
    let mut migrator = Migrator::with_migrations(migrations);
    migrator.dangerous_set_table_name(format!("{schema}._migrations"));
    // An older binary's migrate step must not fail on a newer ledger: expand first, contract later.
    migrator.set_ignore_missing(true).set_locking(false);
    Ok(migrator)
}

/// One lock for the whole database, so that the services' migrations do not meet in the shared catalogues.
async fn lock(admin: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_lock(hashtextextended('tsunagi.migrate', 0))").execute(admin).await?;
    Ok(())
}
