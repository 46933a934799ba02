//! The service's settings.

use std::num::NonZeroUsize;
use std::time::Duration;

use bus::BusConfig;
use chassis::config::Settings;
use chassis::egress::EgressConfig;
use chassis::envelope::MasterKeys;
use chassis::grpc::{ClientConfig, GrpcConfig};
use chassis::postgres::PostgresConfig;
use chassis::seal::PrivateKey;
use messaging_outbox_core::lane::LaneTimes;
use messaging_outbox_core::quota::QuotaWaits;
use url::Url;

use crate::content::ContentConfig;
use crate::notice::MailConfig;
use crate::sender::SenderConfig;

const CONTENTS_AT_ONCE: NonZeroUsize = NonZeroUsize::new(4).unwrap();
const CALLS_OF_LANE: NonZeroUsize = NonZeroUsize::new(64).unwrap();
const CALLS: NonZeroUsize = NonZeroUsize::new(256).unwrap();
const LANES: NonZeroUsize = NonZeroUsize::new(2_000).unwrap();
const INBOUND_TRANSACTIONS: NonZeroUsize = NonZeroUsize::new(8).unwrap();

/// Everything the service needs to know.
#[derive(Debug)]
pub struct Config {
    /// Where its gRPC methods are served.
    pub grpc: GrpcConfig,
    /// Its database.
    pub postgres: PostgresConfig,
    /// NATS.
    pub bus: BusConfig,
    /// identity-linking, for the first reading of replicas; none: they are filled by events alone.
    pub identity: Option<ClientConfig>,
    /// The key that credentials are sealed to.
    pub seal_key: PrivateKey,
    /// The keys that wrap data keys.
    pub master_keys: MasterKeys,
    /// LINE's API host.
    pub line_api_url: Url,
    /// LINE's data host.
    pub line_data_url: Url,
    /// How the sender works.
    pub sender: SenderConfig,
    /// How contents are fetched.
    pub content: ContentConfig,
    /// The staff's web page, which their rich menu opens; none: a tap on it writes a text.
    pub staff_page: Option<Url>,
    /// Transactions at once for LINE's events.
    pub inbound_transactions: NonZeroUsize,
    /// The mail server that notices go through; none: no e-mail is sent.
    pub mail: Option<MailConfig>,
    /// How addresses that tenants entered are called.
    pub egress: EgressConfig,
}

impl Config {
    /// Reads the settings.
    pub fn read(settings: &mut Settings) -> Self {
        Self {
            grpc: GrpcConfig::read(settings, "messaging"),
            postgres: PostgresConfig::read(settings, "messaging"),
            bus: BusConfig::read(settings),
            identity: Some(ClientConfig::read(settings, "messaging", "identity")),
            seal_key: settings.required(
                "TSUNAGI_MESSAGING_SEAL_KEY",
                "The private key, 32 bytes in base64, that identity-linking seals channel credentials to.",
            ),
            master_keys: MasterKeys::read(settings),
            line_api_url: settings.or("TSUNAGI_LINE_API_URL", line("https://api.line.me"), "LINE's API host."),
            line_data_url: settings.or("TSUNAGI_LINE_DATA_URL", line("https://api-data.line.me"), "LINE's data host."),
            sender: sender(settings),
            content: ContentConfig {
                at_once: settings.or(
                    "TSUNAGI_MESSAGING_CONTENTS_AT_ONCE",
                    CONTENTS_AT_ONCE,
                    "Contents of media messages fetched at once, three quarters of them of one tenant at most.",
                ),
                most_bytes: settings.or(
                    "TSUNAGI_MESSAGING_CONTENT_MOST_BYTES",
                    200 * 1024 * 1024,
                    "The largest content of a media message that is kept.",
                ),
            },
            staff_page: staff_page(settings),
            inbound_transactions: settings.or(
                "TSUNAGI_MESSAGING_INBOUND_TRANSACTIONS",
                INBOUND_TRANSACTIONS,
                "Database transactions at once for LINE's events.",
            ),
            mail: MailConfig::read(settings),
            egress: EgressConfig::read(settings),
        }
    }
}

/// An address that LINE takes in a rich menu.
fn staff_page(settings: &mut Settings) -> Option<Url> {
    const NAME: &str = "TSUNAGI_STAFF_URL";
    let page: Option<Url> =
        settings.optional(NAME, "The staff's web page, which the rich menu of the staff account opens.");
    let fits = |page: &&Url| matches!(page.scheme(), "http" | "https") && page.as_str().len() <= 1_000;
    if page.as_ref().is_some_and(|page| !fits(&page)) {
        settings.mistake(NAME, "is not an http or https address of at most 1,000 characters");
    }
    page
}

fn line(url: &str) -> Url {
    #[expect(clippy::expect_used, reason = "two constants that are URLs")]
    Url::parse(url).expect("a URL")
}

fn sender(settings: &mut Settings) -> SenderConfig {
    let mut milliseconds =
        |name: &str, default: u64, about: &str| Duration::from_millis(settings.or(name, default, about));
    let call =
        milliseconds("TSUNAGI_MESSAGING_CALL_MILLISECONDS", 3_000, "How long one sending call to LINE may take.");
    let lease = milliseconds(
        "TSUNAGI_MESSAGING_LEASE_MILLISECONDS",
        5_000,
        "How long a replica that died keeps its accounts' lanes. Longer than a call and two renewals.",
    );
    let renew = milliseconds("TSUNAGI_MESSAGING_RENEW_MILLISECONDS", 1_000, "How often lanes are renewed.");
    let times = LaneTimes::new(lease, renew, call);
    if let Err(error) = &times {
        settings.mistake("TSUNAGI_MESSAGING_LEASE_MILLISECONDS", &format!("does not fit: {error}"));
    }
    SenderConfig {
        times: times.unwrap_or_default(),
        calls_of_lane: settings.or(
            "TSUNAGI_MESSAGING_CALLS_OF_LANE",
            CALLS_OF_LANE,
            "Sending calls of one account at once.",
        ),
        calls: settings.or("TSUNAGI_MESSAGING_CALLS", CALLS, "Sending calls of all accounts at once, in this replica."),
        lanes: settings.or("TSUNAGI_MESSAGING_LANES", LANES, "Accounts this replica sends for at once."),
        quota_waits: quota_waits(settings),
    }
}

fn quota_waits(settings: &mut Settings) -> QuotaWaits {
    let mut seconds = |name: &str, default: Duration, about: &str| {
        Duration::from_secs(settings.or(name, default.as_secs(), about).max(1))
    };
    let usual = QuotaWaits::default();
    QuotaWaits {
        used_up: seconds(
            "TSUNAGI_MESSAGING_QUOTA_USED_UP_SECONDS",
            usual.used_up,
            "How long pushes of an account wait before the next is tried once LINE said that the month's quota is used up.",
        ),
        reserved: seconds(
            "TSUNAGI_MESSAGING_QUOTA_RESERVED_SECONDS",
            usual.reserved,
            "The same while what is left of the quota is reserved by a bulk delivery.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_number_of_which_zero_would_stop_everything_is_refused_by_its_name() {
        for name in [
            "TSUNAGI_MESSAGING_CALLS",
            "TSUNAGI_MESSAGING_CALLS_OF_LANE",
            "TSUNAGI_MESSAGING_LANES",
            "TSUNAGI_MESSAGING_INBOUND_TRANSACTIONS",
            "TSUNAGI_MESSAGING_CONTENTS_AT_ONCE",
        ] {
            let mut settings = Settings::from_map(BTreeMap::from([(name.to_owned(), "0".to_owned())]));
            Config::read(&mut settings);
            let told = settings.finish().unwrap_err().mistakes;
            assert!(told.iter().any(|mistake| mistake.starts_with(&format!("{name} is not"))), "{told:?}");
        }
    }
}
