//! `tsunagi keys`: the keys a deployment needs.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chassis::config::Settings;
use chassis::envelope::{Envelope, MasterKeys};
use chassis::postgres::{Database, PostgresConfig};
use chassis::seal::PrivateKey;
use clap::{ArgMatches, Command};

use super::PROGRAMS;

/// How a master key gives way to the next.
const ROTATION: &str = "\
To change the master key:
  1. put the new key first in TSUNAGI_MASTER_KEYS, keep the old one behind it, and restart identity-linking,
     webhook-ingest and messaging-outbox
  2. run this command with the same TSUNAGI_MASTER_KEYS; it may be run again at any time
  3. once it tells 0 for every service, take the old key away and restart them again

Needs TSUNAGI_DATABASE_URL and TSUNAGI_MASTER_KEYS. Exits with 1 when a data key could not be read; what was done stays done.";

pub(super) fn command() -> Command {
    Command::new("keys")
        .about("Keys of a deployment")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("generate").about("Print a new master key and new seal keys, to be kept in a secret store"),
        )
        .subcommand(
            Command::new("rewrap")
                .about("Wrap every tenant's data key with the current master key, on the database; services go on meanwhile")
                .after_help(ROTATION),
        )
}

pub(super) async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    match matches.subcommand() {
        Some(("generate", _)) => super::print(&generate()),
        Some(("rewrap", _)) => rewrap().await,
        _ => anyhow::bail!("unknown command; --help lists them"),
    }
}

/// Wraps what an older master key wraps, in every schema; tells for each how many data keys that were.
async fn rewrap() -> anyhow::Result<()> {
    let mut settings = Settings::from_env();
    let masters = MasterKeys::read(&mut settings);
    let configs = PROGRAMS.map(|program| (program.service, PostgresConfig::read(&mut settings, program.service)));
    settings.finish()?;
    let envelope = Envelope::new(masters);
    let mut rewrapped = serde_json::Map::new();
    for (service, config) in configs {
        let database = Database::connect(service, &config).await?;
        let keys = envelope.rewrap(&database).await.with_context(|| format!("the data keys of {service}"))?;
        rewrapped.insert(service.to_owned(), keys.into());
    }
    super::print(&serde_json::json!({ "rewrapped": rewrapped }))
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
