//! The connection to NATS: starts while NATS is away, comes back by itself for ever, and tells who asks.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream;
use async_nats::{Client, ConnectOptions, Event, Subject};
use chassis::Host;
use chassis::config::{Secret, Setting, Settings};
use tokio::sync::watch;

use crate::stream::Stream;

/// The longest pause between two attempts to connect.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// A request that is not answered this long is asked again.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How often the streams are looked at, so that deleted ones come back.
const STREAMS_EVERY: Duration = Duration::from_secs(2);

/// Where NATS is and how streams are made.
#[derive(Clone, Debug)]
pub struct BusConfig {
    /// `nats://host:port`, or `tls://host:port`; several servers separated by commas.
    pub url: String,
    /// Put before every subject and stream name, so that several systems can share a server.
    pub prefix: Option<String>,
    /// The service's NATS user, by name and password.
    pub user: Option<(String, Secret)>,
    /// The service's NATS user, by a credentials file instead.
    pub credentials_file: Option<PathBuf>,
    /// Certificates that sign the server's, in PEM; the machine's own ones otherwise.
    pub ca_file: Option<PathBuf>,
    /// How many servers hold each stream: 1, or 3 in a cluster.
    pub replicas: usize,
    /// How large a stream may grow; a full one refuses what is new. None: as large as the server allows.
    pub stream_max_bytes: Option<u64>,
}

impl BusConfig {
    /// Reads `TSUNAGI_NATS_*`.
    pub fn read(settings: &mut Settings) -> Self {
        let Servers(url) = settings.required(
            "TSUNAGI_NATS_URL",
            "The NATS servers with JetStream, nats://host:port or tls://host:port, several separated by commas.",
        );
        let prefix: Option<String> = settings.optional(
            "TSUNAGI_NATS_PREFIX",
            "Letters and digits put before every stream and subject, for several systems on one server.",
        );
        if prefix.as_ref().is_some_and(|prefix| !prefix.bytes().all(|b| b.is_ascii_alphanumeric())) {
            settings.mistake("TSUNAGI_NATS_PREFIX", "must be letters and digits");
        }
        let replicas =
            settings.or("TSUNAGI_NATS_REPLICAS", 1, "How many servers hold each stream: 1, or 3 in a cluster.");
        if !matches!(replicas, 1 | 3 | 5) {
            settings.mistake("TSUNAGI_NATS_REPLICAS", "must be 1, 3 or 5");
        }
        let name: Option<String> =
            settings.optional("TSUNAGI_NATS_USER", "The service's NATS user; its replies come to _INBOX.{user}.");
        let password: Option<Secret> = settings.optional("TSUNAGI_NATS_PASSWORD", "The password of that user.");
        if name.is_some() != password.is_some() {
            settings.mistake("TSUNAGI_NATS_PASSWORD", "and TSUNAGI_NATS_USER belong together");
        }
        if name.as_ref().is_some_and(|name| !name.bytes().all(|b| b.is_ascii_alphanumeric())) {
            settings.mistake("TSUNAGI_NATS_USER", "must be letters and digits");
        }
        Self {
            prefix,
            replicas,
            user: name.zip(password),
            credentials_file: settings
                .optional("TSUNAGI_NATS_CREDENTIALS_FILE", "The credentials file of the service's NATS user."),
            ca_file: settings.optional(
                "TSUNAGI_NATS_CA_FILE",
                "Certificates (PEM) that sign the server's, instead of the machine's.",
            ),
            stream_max_bytes: settings.optional(
                "TSUNAGI_NATS_STREAM_MAX_BYTES",
                "How large each stream may grow. A full stream refuses new events, which wait in Postgres.",
            ),
            ..Self::at(url)
        }
    }

    /// The server at `url`, with the defaults of everything else.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: None,
            user: None,
            credentials_file: None,
            ca_file: None,
            replicas: 1,
            stream_max_bytes: None,
        }
    }
}

/// Addresses of servers, as one text.
struct Servers(String);

impl Setting for Servers {
    const FORM: &'static str = "a list of nats:// or tls:// addresses";

    fn parse(text: &str) -> Result<Self, String> {
        servers(text).map_err(|error| error.kind().to_string())?;
        Ok(Self(text.to_owned()))
    }

    fn placeholder() -> Self {
        Self(String::new())
    }
}

fn servers(url: &str) -> Result<Vec<async_nats::ServerAddr>, std::io::Error> {
    url.split(',').map(|server| server.trim().parse()).collect()
}

/// The bus could not be set up. That NATS is away is no reason.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// An address is none.
    #[error("the address of NATS is none")]
    Address(#[source] std::io::Error),
    /// The credentials cannot be read.
    #[error("the NATS credentials cannot be read")]
    Credentials(#[source] std::io::Error),
    /// The connection was refused for good.
    #[error("the connection to NATS cannot be set up")]
    Connect(#[from] async_nats::ConnectError),
}

/// The connection to NATS and what is agreed on it. Clones share it.
#[derive(Clone)]
pub struct Bus(Arc<Shared>);

struct Shared {
    client: Client,
    jetstream: jetstream::Context,
    config: BusConfig,
    /// Rises whenever the connection is lost: an acknowledgement asked for before will not come.
    losses: watch::Sender<u64>,
    /// Settings of streams that were made otherwise and that this process has tried to change.
    attempts: Attempts,
}

/// Settings, each of a stream and by name.
pub(crate) type Attempts = Mutex<BTreeSet<(Stream, &'static str)>>;

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus").field("state", &self.0.client.connection_state()).finish_non_exhaustive()
    }
}

impl Bus {
    /// Sets the connection up under `host`. NATS may be away: the gate `nats` of readiness opens when it was reached once
    /// and every stream was there or was made. Missing streams are made again as long as the process lives.
    ///
    /// # Errors
    /// When the address is none or the credentials cannot be read.
    pub async fn connect(config: &BusConfig, host: &Host) -> Result<Self, BusError> {
        let servers = servers(&config.url).map_err(BusError::Address)?;
        metrics::gauge!("tsunagi_bus_connected").set(0.0);
        let losses = watch::Sender::new(0);
        let mut options = ConnectOptions::new()
            .name(host.name())
            .retry_on_initial_connect()
            // A process's own signals tell it nothing.
            .no_echo()
            .max_reconnects(None)
            .connection_timeout(ANSWER_WITHIN)
            .request_timeout(Some(ANSWER_WITHIN))
            .ping_interval(Duration::from_secs(5))
            .reconnect_delay_callback(|attempt| {
                LONGEST_PAUSE.min(Duration::from_millis(20) * 2u32.pow(u32::try_from(attempt).unwrap_or(6).min(6)))
            })
            .event_callback({
                let losses = losses.clone();
                move |event| {
                    note(&event, &losses);
                    std::future::ready(())
                }
            });
        if let Some((name, password)) = &config.user {
            options = options
                .user_and_password(name.clone(), password.expose().to_owned())
                .custom_inbox_prefix(format!("_INBOX.{name}"));
        }
        if let Some(file) = &config.credentials_file {
            options = options.credentials_file(file).await.map_err(BusError::Credentials)?;
        }
        if let Some(file) = &config.ca_file {
            options = options.add_root_certificates(file.clone());
        }
        let client = options.connect(servers).await?;
        let jetstream =
            jetstream::ContextBuilder::new().timeout(ANSWER_WITHIN).max_ack_inflight(8192).build(client.clone());
        let bus =
            Self(Arc::new(Shared { client, jetstream, config: config.clone(), losses, attempts: Attempts::default() }));
        let (keeper, stopping, gate) = (bus.clone(), host.stopping(), host.readiness().gate("nats"));
        host.spawn("bus.streams", async move {
            stopping.run_until_cancelled(keeper.keep_streams(&gate)).await;
            Ok(())
        });
        Ok(bus)
    }

    async fn keep_streams(&self, gate: &chassis::Gate) {
        let mut complete_once = false;
        let mut losses = self.losses();
        loop {
            let mut complete = true;
            for stream in Stream::ALL {
                if let Err(error) = self.stream(stream).await {
                    tracing::debug!(stream = stream.name(), error = %error, "the stream cannot be looked at");
                    complete = false;
                }
            }
            complete_once |= complete;
            gate.set(complete_once);
            let pause = if complete { STREAMS_EVERY } else { LONGEST_PAUSE };
            // A loss of the connection is a reason to look at once: the server may come back empty.
            let _ = tokio::time::timeout(pause, losses.changed()).await;
        }
    }

    /// Whether NATS is connected now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.0.client.connection_state() == State::Connected
    }

    pub(crate) fn client(&self) -> &Client {
        &self.0.client
    }

    pub(crate) fn jetstream(&self) -> &jetstream::Context {
        &self.0.jetstream
    }

    pub(crate) fn config(&self) -> &BusConfig {
        &self.0.config
    }

    pub(crate) fn attempts(&self) -> &Attempts {
        &self.0.attempts
    }

    pub(crate) fn losses(&self) -> watch::Receiver<u64> {
        self.0.losses.subscribe()
    }

    /// The subject as the server sees it.
    pub(crate) fn prefixed(&self, subject: &str) -> String {
        match &self.0.config.prefix {
            Some(prefix) => format!("{prefix}.{subject}"),
            None => subject.to_owned(),
        }
    }

    /// What the server calls a consumer: names are the service's own, streams are everybody's.
    pub(crate) fn durable_name(&self, schema: &str, name: &str) -> String {
        match &self.0.config.prefix {
            Some(prefix) => format!("{prefix}_{schema}_{name}"),
            None => format!("{schema}_{name}"),
        }
    }

    /// The subject as we speak of it; none when it is not one of ours.
    pub(crate) fn unprefixed<'a>(&self, subject: &'a Subject) -> Option<&'a str> {
        match &self.0.config.prefix {
            Some(prefix) => subject.as_str().strip_prefix(prefix.as_str())?.strip_prefix('.'),
            None => Some(subject.as_str()),
        }
    }
}

fn note(event: &Event, losses: &watch::Sender<u64>) {
    match event {
        Event::Connected => {
            metrics::gauge!("tsunagi_bus_connected").set(1.0);
            tracing::info!("connected to NATS");
        }
        Event::Disconnected => {
            metrics::gauge!("tsunagi_bus_connected").set(0.0);
            losses.send_modify(|count| *count += 1);
            tracing::warn!("the connection to NATS is lost");
        }
        other => tracing::warn!(event = %other, "NATS"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_address_is_told_beside_every_other_mistake_and_a_missing_one_once() {
        let mistakes = |url: &str| {
            let given = [("TSUNAGI_NATS_URL", url), ("TSUNAGI_NATS_REPLICAS", "2"), ("TSUNAGI_NATS_USER", "me")];
            let mut settings =
                Settings::from_map(given.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
            let _: u32 = settings.required("TSUNAGI_ABSENT", "another mistake, told before");
            BusConfig::read(&mut settings);
            let told = settings.finish().unwrap_err().mistakes;
            (told.len(), told.iter().filter(|mistake| mistake.starts_with("TSUNAGI_NATS_URL")).count())
        };
        assert_eq!(mistakes("nats://127.0.0.1:4222,tls://nats.example:4222"), (3, 0));
        assert_eq!(mistakes("http://127.0.0.1"), (4, 1));
        assert_eq!(mistakes(""), (4, 1));
    }
}
