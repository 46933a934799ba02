//! `tsunagi keys`: the keys a deployment needs, and the change to a new master key.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chassis::config::Settings;
use chassis::envelope::{Envelope, MasterKeys};
use chassis::postgres::{Database, PostgresConfig};
use chassis::seal::PrivateKey;
use clap::{ArgMatches, Command};

pub(super) fn command() -> Command {
    Command::new("keys")
        .about("Keys of a deployment")
        .subcommand_required(true)
        .subcommand(
            Command::new("generate").about("Print a new master key and new seal keys, to be kept in a secret store"),
        )
        .subcommand(
            Command::new("rewrap").about("Wrap every data key with the first of TSUNAGI_MASTER_KEYS").after_help(
                "Works on the database (TSUNAGI_DATABASE_URL) as identity-linking and messaging-outbox \
                 (TSUNAGI_IDENTITY_DATABASE_PASSWORD, TSUNAGI_MESSAGING_DATABASE_PASSWORD). May be repeated.",
            ),
        )
}

pub(super) async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    match matches.subcommand() {
        Some(("generate", _)) => super::print(&generate()),
        Some(("rewrap", _)) => super::print(&rewrap().await?),
        _ => anyhow::bail!("unknown command; --help lists them"),
    }
}

/// Wraps the data keys of both services that have some, and tells how many were wrapped with an older master key.
async fn rewrap() -> anyhow::Result<serde_json::Value> {
    let mut settings = Settings::from_env();
    let masters = MasterKeys::read(&mut settings);
    let configs = ["identity", "messaging"].map(|schema| (schema, PostgresConfig::read(&mut settings, schema)));
    settings.finish()?;
    let mut rewrapped = serde_json::Map::new();
    for (schema, config) in configs {
        let database = Database::connect(schema, &config).await?;
        let count = Envelope::new(masters.clone()).rewrap(&database).await;
        let count = count.with_context(|| format!("the data keys of the schema {schema}"))?;
        rewrapped.insert(schema.to_owned(), count.into());
    }
    Ok(serde_json::json!({ "rewrapped": rewrapped }))
}

/// The settings by their names: a master key called after a random number, and both services' seal keys.
fn generate() -> serde_json::Value {
    let (ingest, messaging) = (PrivateKey::generate(), PrivateKey::generate());
    let master: [u8; 32] = rand::random();
    let name: [u8; 4] = rand::random();
    serde_json::json!({
        "TSUNAGI_MASTER_KEYS": format!("{}:{}", hex::encode(name), STANDARD.encode(master)),
        "TSUNAGI_INGEST_SEAL_KEY": ingest.reveal().expose(),
        "TSUNAGI_INGEST_SEAL_PUBLIC_KEY": ingest.public().text(),
        "TSUNAGI_MESSAGING_SEAL_KEY": messaging.reveal().expose(),
        "TSUNAGI_MESSAGING_SEAL_PUBLIC_KEY": messaging.public().text(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chassis::seal::PublicKey;

    #[test]
    fn generated_keys_are_read_by_the_services_and_are_new_each_time() {
        let keys = generate();
        let text = |name: &str| keys[name].as_str().unwrap().to_owned();
        assert!(MasterKeys::parse(&text("TSUNAGI_MASTER_KEYS")).is_some());
        for service in ["INGEST", "MESSAGING"] {
            let private = PrivateKey::parse(&text(&format!("TSUNAGI_{service}_SEAL_KEY"))).unwrap();
            let public = PublicKey::parse(&text(&format!("TSUNAGI_{service}_SEAL_PUBLIC_KEY"))).unwrap();
            assert_eq!(private.public(), public);
        }
        assert_ne!(generate(), keys);
    }
}
