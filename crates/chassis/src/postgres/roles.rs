//! The two roles of a service. Roles belong to the whole server, so several databases' migrations may meet here.

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection, Executor, PgConnection};

use super::MigrateError;
use crate::config::Secret;

/// A role that already exists and must not be used as it is.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("role {role} is a superuser, bypasses row-level security or may make roles; a service role must not")]
pub struct RoleError {
    role: String,
}

/// Creates the roles `{schema}` and `{schema}_worker` where they are missing.
pub(super) async fn ensure(admin: &mut PgConnection, schema: &str) -> Result<(), MigrateError> {
    for role in [schema.to_owned(), format!("{schema}_worker")] {
        let create = include_str!("role.sql").replace("{role}", &role);
        admin.execute(AssertSqlSafe(create)).await?;
        let mighty: bool = sqlx::query_scalar(
            "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = $1",
        )
        .bind(&role)
        .fetch_one(&mut *admin)
        .await?;
        if mighty {
            return Err(RoleError { role }.into());
        }
    }
    Ok(())
}

/// Gives both roles of `schema` the password that the service will use.
///
/// # Errors
/// When the database is away or refuses.
pub async fn set_passwords(admin_url: &str, schema: &str, password: &Secret) -> Result<(), MigrateError> {
    // A statement that takes long is logged with its text, and this one holds the password.
    let options = admin_url.parse::<PgConnectOptions>()?.disable_statement_logging();
    let mut admin = PgConnection::connect_with(&options).await?;
    for role in [schema.to_owned(), format!("{schema}_worker")] {
        let statement: String = sqlx::query_scalar("SELECT format('ALTER ROLE %I PASSWORD %L', $1, $2)")
            .bind(role)
            .bind(password.expose())
            .fetch_one(&mut admin)
            .await?;
        admin.execute(AssertSqlSafe(statement)).await?;
    }
    admin.close().await?;
    Ok(())
}
