//! Where the database is and how patiently it is used.

use std::net::IpAddr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

use crate::config::{Secret, Setting, Settings};

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

struct DatabaseUrl(Url);

impl Setting for DatabaseUrl {
    const FORM: &'static str = "an address such as postgres://host:5432/database, without a user";

    fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| error.to_string())?;
        match (url.scheme(), url.username(), url.password()) {
            ("postgres" | "postgresql", "", None) => Ok(Self(url)),
            ("postgres" | "postgresql", ..) => Err("it names a user".to_owned()),
            _ => Err("it begins with another scheme".to_owned()),
        }
    }

    fn placeholder() -> Self {
        #[expect(clippy::expect_used, reason = "a constant that is a URL")]
        Self(Url::parse("postgres://localhost/placeholder").expect("a URL"))
    }
}

impl PostgresConfig {
    /// Reads `TSUNAGI_DATABASE_URL` and the settings of `service` (`ingest`, `identity`, `messaging`, `scheduler`).
    pub fn read(settings: &mut Settings, service: &str) -> Self {
        let service = service.to_ascii_uppercase();
        let DatabaseUrl(url) = settings.required(
            "TSUNAGI_DATABASE_URL",
            "The database of the platform. Each service logs in as its own roles. Add ?sslmode=verify-full and \
             &sslrootcert=… beyond loopback.",
        );
        let allow_plaintext = settings.or(
            "TSUNAGI_DATABASE_ALLOW_PLAINTEXT",
            false,
            "Whether the database may be reached without TLS beyond loopback, because something else encrypts.",
        );
        if !allow_plaintext && !is_safe(&url) {
            settings.mistake("TSUNAGI_DATABASE_URL", "is not on loopback and does not ask for TLS (sslmode)");
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

/// Whether neither password nor rows can travel in the clear: the server is on this machine, or TLS is insisted on.
fn is_safe(url: &Url) -> bool {
    let Ok(options) = url.as_str().parse::<PgConnectOptions>() else { return false };
    let host = options.get_host();
    let is_here = options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|host| host.is_loopback());
    is_here || matches!(options.get_ssl_mode(), PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<(), Vec<String>> {
        read_with(url, "")
    }

    fn read_with(url: &str, allow_plaintext: &str) -> Result<(), Vec<String>> {
        let given = [("TSUNAGI_DATABASE_URL", url), ("TSUNAGI_DATABASE_ALLOW_PLAINTEXT", allow_plaintext)];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let mut settings = Settings::from_map(given);
        let _: u32 = settings.required("TSUNAGI_OTHER", "another mistake hides none");
        PostgresConfig::read(&mut settings, "messaging");
        let mut mistakes = settings.finish().unwrap_err().mistakes;
        mistakes.retain(|mistake| mistake.starts_with("TSUNAGI_DATABASE_URL"));
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }

    #[test]
    fn the_address_names_a_database_and_no_user() {
        read("postgres://127.0.0.1:5432/tsunagi?sslmode=verify-full").unwrap();
        for wrong in ["postgres://me@127.0.0.1/tsunagi", "postgres://:p@127.0.0.1/tsunagi", "http://127.0.0.1/", "x"] {
            assert_eq!(read(wrong).unwrap_err().len(), 1, "{wrong}");
        }
    }

    #[test]
    fn beyond_loopback_it_is_encrypted_unless_that_is_waived() {
        for here in ["127.0.0.1:5432", "localhost", "[::1]:5432", "localhost:5432", "%2Frun%2Fpostgresql"] {
            read(&format!("postgres://{here}/tsunagi")).unwrap();
        }
        for mode in ["require", "verify-ca", "verify-full"] {
            read(&format!("postgres://db.example.com/tsunagi?sslmode={mode}")).unwrap();
        }
        for open in ["", "?sslmode=prefer", "?sslmode=allow", "?sslmode=disable"] {
            for host in ["db.example.com", "10.0.0.1", "127.0.0.1.example.com"] {
                let url = format!("postgres://{host}/tsunagi{open}");
                assert_eq!(read(&url).unwrap_err().len(), 1, "{url}");
                read_with(&url, "true").unwrap();
            }
        }
        read("postgres://127.0.0.1/tsunagi?host=db.example.com").unwrap_err();
    }
}
