//! Where the database is and how patiently it is used.

use std::time::Duration;

use url::Url;

use crate::config::{Secret, Settings};

/// How a service reaches its database.
#[derive(Clone, Debug)]
pub struct PostgresConfig {
    /// `postgres://host:port/database`, without a user: the roles are the service's own.
    pub url: Url,
    /// The password of both roles; none where the server trusts or uses certificates.
    pub password: Option<Secret>,
    /// Connections of the service role at most.
    pub connections: u32,
    /// Connections of the worker role at most.
    pub worker_connections: u32,
    /// How long a caller waits for a connection before it hears that the database is away.
    pub acquire_timeout: Duration,
    /// How long one statement may run.
    pub statement_timeout: Duration,
}

impl PostgresConfig {
    /// Reads `TSUNAGI_DATABASE_URL` and the settings of `service` (`ingest`, `identity`, `messaging`, `scheduler`).
    pub fn read(settings: &mut Settings, service: &str) -> Self {
        let service = service.to_ascii_uppercase();
        let url: Url = settings.required(
            "TSUNAGI_DATABASE_URL",
            "The database of the platform, postgres://host:port/database without a user. Add ?sslmode=verify-full \
             and &sslrootcert=… beyond loopback.",
        );
        if settings.is_sound() && !(matches!(url.scheme(), "postgres" | "postgresql") && url.username().is_empty()) {
            settings.mistake("TSUNAGI_DATABASE_URL", "must be postgres://host:port/database, without a user");
        }
        let defaults = Self::at(url);
        Self {
            password: settings.optional(
                &format!("TSUNAGI_{service}_DATABASE_PASSWORD"),
                "The password of the service's two database roles; `migrate` sets it when it is given.",
            ),
            connections: settings.or(
                &format!("TSUNAGI_{service}_DATABASE_CONNECTIONS"),
                defaults.connections,
                "Database connections of the service role, at most.",
            ),
            worker_connections: settings.or(
                &format!("TSUNAGI_{service}_DATABASE_WORKER_CONNECTIONS"),
                defaults.worker_connections,
                "Database connections of the worker role, at most.",
            ),
            acquire_timeout: Duration::from_millis(settings.or(
                "TSUNAGI_DATABASE_ACQUIRE_MILLISECONDS",
                3_000,
                "How long work waits for a database connection before it is refused as unavailable.",
            )),
            statement_timeout: Duration::from_millis(settings.or(
                "TSUNAGI_DATABASE_STATEMENT_MILLISECONDS",
                15_000,
                "How long one database statement may run.",
            )),
            ..defaults
        }
    }

    /// The database at `url`, with the defaults of everything else.
    #[must_use]
    pub fn at(url: Url) -> Self {
        Self {
            url,
            password: None,
            connections: 16,
            worker_connections: 6,
            acquire_timeout: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(15),
        }
    }
}
