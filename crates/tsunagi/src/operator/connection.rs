//! Whom the operator calls, and as whom.

use chassis::config::Settings;
use chassis::grpc::{Client, ClientConfig};
use clap::{Arg, ArgMatches};
use kernel::TenantId;

/// The flags every command that calls a service has.
pub(super) fn flags() -> [Arg; 1] {
    [Arg::new("tenant")
        .long("tenant")
        .env("TSUNAGI_TENANT")
        .help_heading("Connection")
        .help("The tenant to work in (UUID); not needed for a tenant's own token nor for commands over the platform")]
}

/// A client as the environment and the flags say.
pub(super) fn open(matches: &ArgMatches) -> anyhow::Result<Client> {
    let mut settings = Settings::from_env();
    let url = settings.required("TSUNAGI_IDENTITY_URL", "Where identity-linking answers gRPC.");
    let token = settings.secret("TSUNAGI_TOKEN", "The token to call with; TSUNAGI_TOKEN_FILE names a file instead.");
    let authority = settings.optional("TSUNAGI_TLS_AUTHORITY", "Whose certificates are trusted, PEM.");
    let allow_plaintext =
        settings.or("TSUNAGI_ALLOW_PLAINTEXT", false, "Whether the token may travel without TLS beyond loopback.");
    settings.finish()?;
    let client = Client::connect(&ClientConfig { url, token, authority, allow_plaintext })?;
    match matches.get_one::<String>("tenant") {
        None => Ok(client),
        Some(tenant) => {
            let tenant: TenantId = tenant.parse().map_err(|error| anyhow::anyhow!("--tenant is {error}"))?;
            Ok(client.for_tenant(tenant))
        }
    }
}
