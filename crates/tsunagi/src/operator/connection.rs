//! Whom the operator calls, and as whom.

use chassis::config::{Secret, Settings};
use chassis::grpc::{Client, ClientConfig, TlsAuthority};
use clap::{Arg, ArgMatches};
use kernel::TenantId;

use super::service::Service;

/// What every command that calls a service says at the end of its help.
pub(super) const HELP: &str = "\
Environment:
  TSUNAGI_TOKEN or TSUNAGI_TOKEN_FILE   the token to call with
  TSUNAGI_IDENTITY_URL, TSUNAGI_INGEST_URL, TSUNAGI_MESSAGING_URL, TSUNAGI_SCHEDULER_URL
                                        where the service answers gRPC; only the one that is asked
  TSUNAGI_TLS_AUTHORITY                 whose certificates are trusted, PEM, for https:// addresses
  TSUNAGI_STAFF_ASSERTION[_FILE]        on behalf of which staff member: a signed assertion, where one acts

The answer is printed as JSON, a streamed one as a line each. Exits with 0, with 1 when the call was refused or failed
(code, message, reason and wrong fields are told), with 2 when the command line itself is wrong.";

/// The flags every command that calls a service has.
pub(super) fn flags() -> [Arg; 1] {
    [Arg::new("tenant")
        .long("tenant")
        .env("TSUNAGI_TENANT")
        .help_heading("Connection")
        .help("The tenant to work in (UUID); not needed for a tenant's own token nor for commands over the platform")]
}

/// A service, called by somebody.
pub(super) struct Connection {
    /// The way there.
    pub(super) client: Client,
    /// A signed assertion of the staff member who acts.
    pub(super) assertion: Option<Secret>,
}

/// The way to `service`, as the environment and the flags say.
pub(super) fn open(matches: &ArgMatches, service: Service) -> anyhow::Result<Connection> {
    let mut settings = Settings::from_env();
    let url = settings.required(&service.setting(), "Where the service answers gRPC.");
    let token = settings.secret("TSUNAGI_TOKEN", "The token to call with; TSUNAGI_TOKEN_FILE names a file instead.");
    let authority = TlsAuthority::read(&mut settings);
    let allow_plaintext =
        settings.or("TSUNAGI_ALLOW_PLAINTEXT", false, "Whether the token may travel without TLS beyond loopback.");
    let assertion = settings.optional("TSUNAGI_STAFF_ASSERTION", "A signed assertion of the staff member who acts.");
    settings.finish()?;
    let client = Client::new(&ClientConfig { url, token, authority, allow_plaintext })?;
    let client = match matches.get_one::<String>("tenant") {
        None => client,
        Some(tenant) => {
            let tenant: TenantId = tenant.parse().map_err(|error| anyhow::anyhow!("--tenant is {error}"))?;
            client.for_tenant(tenant)
        }
    };
    Ok(Connection { client, assertion })
}
