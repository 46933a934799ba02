//! The first principals: made on the database itself, by whoever may reach it, as nobody can be called to make them.

use chassis::audit::Actor;
use chassis::auth::{Token, TokenError};
use chassis::config::Secret;
use chassis::postgres::Database;
use contracts::events::v1::identity_event::Body;
use identity_linking_core::principal::{Owner, Principal};
use identity_linking_core::{Line, Rights, SERVICE_PRINCIPALS, ServicePrincipal, Unfit, operator_rights};
use kernel::{Clock, PrincipalId};

use crate::change::{self, ChangeError, Subject};
use crate::postgres::Stored;
use crate::postgres::principal::{self, StoredPrincipal};
use crate::replica;

/// Why a principal of the platform could not be made or revoked.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The name does not fit.
    #[error("the name {0}")]
    Name(#[source] Unfit),
    /// No service is called so.
    #[error("no service is called {0}")]
    NoSuchService(String),
    /// The platform has no such principal.
    #[error("the platform has no such principal")]
    NoSuchPrincipal,
    /// No token could be made.
    #[error("no token could be made")]
    Token(#[from] TokenError),
    /// The database is away or refused.
    #[error("it could not be written")]
    NotWritten(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<ChangeError> for BootstrapError {
    fn from(error: ChangeError) -> Self {
        Self::NotWritten(error.into())
    }
}

impl From<sqlx::Error> for BootstrapError {
    fn from(error: sqlx::Error) -> Self {
        Self::NotWritten(error.into())
    }
}

/// Makes a principal of the platform for a person or a program that runs the platform: every right but those of the services.
/// The token is shown this once.
///
/// # Errors
/// See [`BootstrapError`].
pub async fn create_operator(
    database: &Database,
    clock: &dyn Clock,
    name: &str,
) -> Result<(PrincipalId, Secret), BootstrapError> {
    create(database, clock, name, operator_rights().collect(), Vec::new()).await
}

/// Makes the principal of one of Tsunagi's services (`webhook-ingest`, `identity-linking`, `messaging-outbox`, `scheduler`): it may
/// call the listed methods of the others and nothing more. The token is shown this once.
///
/// # Errors
/// See [`BootstrapError`].
pub async fn create_service(
    database: &Database,
    clock: &dyn Clock,
    service: &str,
) -> Result<(PrincipalId, Secret), BootstrapError> {
    let known = SERVICE_PRINCIPALS.iter().find(|known| known.name == service);
    let ServicePrincipal { name, rights, methods } =
        known.ok_or_else(|| BootstrapError::NoSuchService(service.to_owned()))?;
    let methods = methods.iter().map(|method| (*method).to_owned()).collect();
    create(database, clock, name, rights.iter().copied().collect(), methods).await
}

/// The services that [`create_service`] knows.
pub fn services() -> impl Iterator<Item = &'static str> {
    SERVICE_PRINCIPALS.iter().map(|service| service.name)
}

/// Revokes a principal of the platform. Services refuse it within five seconds.
///
/// # Errors
/// See [`BootstrapError`].
pub async fn revoke(database: &Database, clock: &dyn Clock, id: PrincipalId) -> Result<(), BootstrapError> {
    let now = clock.now();
    let mut tx = database.platform().await?;
    let kept = principal::lock(&mut tx, id).await?.ok_or(BootstrapError::NoSuchPrincipal)?;
    let value = kept.stored.value.clone().revoked(now);
    if value != kept.stored.value {
        let kept = StoredPrincipal { stored: kept.stored.changed(value), ..kept };
        principal::update(&mut tx, &kept).await?;
        let body = Body::Principal(replica::principal(&kept));
        let subject = Subject { kind: "principal", id: id.uuid(), version: kept.stored.version };
        change::record(&mut tx, &Actor::Operator, "principal.revoke", subject, now, body).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn create(
    database: &Database,
    clock: &dyn Clock,
    name: &str,
    rights: Rights,
    methods: Vec<String>,
) -> Result<(PrincipalId, Secret), BootstrapError> {
    let now = clock.now();
    let value = Principal {
        owner: Owner::Platform,
        display_name: Line::parse(name).map_err(BootstrapError::Name)?,
        rights,
        methods,
        expire_time: None,
        revoke_time: None,
        assertion_keys: Vec::new(),
    };
    let id = PrincipalId::new(now);
    let token = Token::generate(None, id)?;
    let stored = Stored { id, version: 1, create_time: now, value };
    let kept = StoredPrincipal { stored, token_hash: token.hash() };
    let mut tx = database.platform().await?;
    principal::insert(&mut tx, &kept).await?;
    let subject = Subject { kind: "principal", id: id.uuid(), version: 1 };
    let body = Body::Principal(replica::principal(&kept));
    change::record(&mut tx, &Actor::Operator, "principal.create", subject, now, body).await?;
    tx.commit().await?;
    Ok((id, token.reveal()))
}
