//! Two services, identity and messaging, on a database and a bus of one test's own; each [`Side`] is a process of both.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus::stream::Stream;
use bus::{Bus, BusConfig, ConsumerSpec, Handled, Handler, Incoming, Trouble};
use chassis::postgres::{Database, MigrationText, PostgresConfig, TenantTx, migrate};
use chassis::{Host, HostConfig};
use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{CustomerReplica, IdentityEvent};
use kernel::{EventId, TenantId, Timestamp};
use sqlx::{Connection, PgConnection};
use testkit::eventually;
use tokio::sync::Notify;
use uuid::Uuid;

/// How long a state may take.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// What handlers change in these tests: one row for each event they handled.
const EFFECTS: &[MigrationText] = &[MigrationText {
    version: 1000,
    name: "effect",
    sql: "CREATE TABLE {schema}.effect (tenant_id uuid NOT NULL, effect_id bigint GENERATED ALWAYS AS IDENTITY,
              event_id text NOT NULL, about text NOT NULL, word text NOT NULL, PRIMARY KEY (tenant_id, effect_id));
          SELECT {schema}.isolate('{schema}.effect')",
}];

/// A database with both schemas, and a place on a NATS server.
pub(crate) struct World {
    pub(crate) database: testkit::postgres::Database,
    pub(crate) nats: String,
    pub(crate) prefix: String,
}

impl World {
    /// On the servers that all tests share.
    pub(crate) async fn new(hint: &str) -> Self {
        Self::on(hint, testkit::nats::url()).await
    }

    /// On a NATS server of the test's own.
    pub(crate) async fn on(hint: &str, nats: String) -> Self {
        Self::made_on(testkit::postgres::Cluster::shared().fresh_database(hint).await.unwrap(), nats).await
    }

    /// On a database that is there.
    pub(crate) async fn made_on(database: testkit::postgres::Database, nats: String) -> Self {
        for schema in ["identity", "messaging"] {
            let texts = [chassis::PLUMBING, bus::PLUMBING, EFFECTS];
            migrate(&database.admin_url(), schema, &texts).await.unwrap();
        }
        Self { database, nats, prefix: testkit::nats::prefix() }
    }

    /// A process with both services.
    pub(crate) async fn side(&self) -> Side {
        let host = Host::start("bus-test", HostConfig::loopback()).unwrap();
        Side::start(host, &self.database.url("nobody"), &self.nats, &self.prefix).await
    }

    pub(crate) async fn admin(&self) -> PgConnection {
        PgConnection::connect(&self.database.admin_url()).await.unwrap()
    }

    /// One number out of the database, seen by its superuser.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&mut self.admin().await).await.unwrap()
    }

    /// Waits until `sql` answers `wanted`.
    pub(crate) async fn until(&self, sql: &'static str, wanted: i64) {
        let mut admin = self.admin().await;
        let seen = Arc::new(tokio::sync::Mutex::new(&mut admin));
        eventually(SOON, || {
            let seen = Arc::clone(&seen);
            async move {
                let number: i64 = sqlx::query_scalar(sql).fetch_one(&mut **seen.lock().await).await.unwrap();
                if number == wanted { Ok(()) } else { Err(number) }
            }
        })
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// What was handled, in its order: what it was about and the word it said.
    pub(crate) async fn effects(&self) -> Vec<(String, String)> {
        let sql = "SELECT about, word FROM messaging.effect ORDER BY effect_id";
        sqlx::query_as(sql).fetch_all(&mut self.admin().await).await.unwrap()
    }

    pub(crate) async fn until_effects(&self, count: i64) {
        self.until(EFFECT_COUNT, count).await;
    }

    /// As an operator would who thinks nothing of it.
    pub(crate) async fn delete_every_stream(&self) {
        let deleted = testkit::nats::delete_streams(&self.nats, &self.prefix).await.unwrap();
        assert!(deleted > 0, "there were streams");
    }
}

pub(crate) const EFFECT_COUNT: &str = "SELECT count(*) FROM messaging.effect";

/// One process.
pub(crate) struct Side {
    pub(crate) host: Host,
    pub(crate) bus: Bus,
    pub(crate) identity: Database,
    pub(crate) messaging: Database,
}

impl Side {
    pub(crate) async fn start(host: Host, database: &str, nats: &str, prefix: &str) -> Self {
        let config = BusConfig { prefix: Some(prefix.to_owned()), ..BusConfig::at(nats) };
        let bus = Bus::connect(&config, &host).await.unwrap();
        let mut url = chassis::config::Settings::from_map([("X".to_owned(), database.to_owned())].into());
        let mut postgres = PostgresConfig::at(url.required("X", "the database"));
        postgres.url.set_username("").unwrap();
        let identity = Database::connect("identity", &postgres).await.unwrap();
        let messaging = Database::connect("messaging", &postgres).await.unwrap();
        Self { host, bus, identity, messaging }
    }

    /// Relays what identity says.
    pub(crate) fn relay(&self) {
        bus::relay::spawn(&self.host, &self.bus, &self.identity);
    }

    /// Has messaging hear it.
    pub(crate) fn consume(&self, spec: ConsumerSpec<IdentityEvent>, recorder: Recorder) {
        bus::consumer::spawn(&self.host, &self.bus, &self.messaging, spec, recorder);
    }

    /// Says `words` in one transaction of identity, each about its own thing unless `about` names one.
    pub(crate) async fn say(&self, tenant: TenantId, about: &str, words: &[&str]) {
        let mut tx = self.identity.tenant(tenant).await.unwrap();
        for word in words {
            append(&mut tx, about, word).await;
        }
        tx.commit().await.unwrap();
    }

    pub(crate) async fn stop(self) {
        self.host.stop();
        self.host.wait().await.unwrap();
    }
}

pub(crate) async fn append(tx: &mut TenantTx, about: &str, word: &str) -> EventId {
    let id = EventId::from(Uuid::new_v4());
    let body = event(about, word);
    let outgoing =
        bus::outbox::Outgoing { id, aggregate: about, time: Timestamp::UNIX_EPOCH, body: &body, trace: None };
    bus::outbox::append(tx, outgoing).await.unwrap();
    id
}

/// A body that carries a word.
pub(crate) fn event(about: &str, word: &str) -> IdentityEvent {
    let customer =
        CustomerReplica { customer_id: about.to_owned(), family_name: word.to_owned(), ..Default::default() };
    IdentityEvent { body: Some(Body::Customer(customer)) }
}

pub(crate) fn said(event: &Incoming<IdentityEvent>) -> (&str, &str) {
    match &event.body.body {
        Some(Body::Customer(customer)) => (&customer.customer_id, &customer.family_name),
        _ => ("", ""),
    }
}

pub(crate) fn tenant(number: u128) -> TenantId {
    Uuid::from_u128(number).into()
}

/// The consumer of these tests: quick to try again, three attempts.
pub(crate) fn spec() -> ConsumerSpec<IdentityEvent> {
    let patience = bus::Patience {
        attempts: 3,
        age: Duration::ZERO,
        first_pause: Duration::from_millis(20),
        longest_pause: Duration::from_millis(50),
    };
    ConsumerSpec { patience, ..ConsumerSpec::new("words", Stream::Identity, |event| bus::consumer::key(said(event).0)) }
}

/// What the handler does with an event, by its word; any other word is written down.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Fail,
    Never,
    Away,
    Panic,
    /// Passes over an error of the database.
    Swallow,
    /// Waits until it is let go.
    Held,
}

impl FromStr for Manner {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Ok(match word {
            "fail" => Self::Fail,
            "never" => Self::Never,
            "away" => Self::Away,
            "panic" => Self::Panic,
            "swallow" => Self::Swallow,
            "held" => Self::Held,
            _ => return Err(()),
        })
    }
}

/// Writes down what it hears.
#[derive(Clone, Default)]
pub(crate) struct Recorder {
    /// Words that are only words now.
    cured: Arc<Mutex<HashMap<String, bool>>>,
    tries: Arc<Mutex<Vec<(String, u32)>>>,
    let_go: Arc<Notify>,
}

impl Recorder {
    /// From now on `word` is written down like any other.
    pub(crate) fn cure(&self, word: &str) {
        self.cured.lock().unwrap().insert(word.to_owned(), true);
        self.let_go.notify_waiters();
    }

    /// How often an event with this word was tried, and the attempts it was told.
    pub(crate) fn tries(&self, word: &str) -> Vec<u32> {
        let tries = self.tries.lock().unwrap();
        tries.iter().filter(|(tried, _)| tried == word).map(|(_, attempt)| *attempt).collect()
    }

    fn manner(&self, word: &str) -> Option<Manner> {
        if self.cured.lock().unwrap().contains_key(word) { None } else { word.parse().ok() }
    }
}

impl Handler for Recorder {
    type Body = IdentityEvent;

    async fn handle(&self, tx: &mut TenantTx, event: &Incoming<IdentityEvent>) -> Result<Handled, Trouble> {
        let (about, word) = said(event);
        self.tries.lock().unwrap().push((word.to_owned(), event.attempt));
        sqlx::query("INSERT INTO messaging.effect (tenant_id, event_id, about, word) VALUES ($1, $2, $3, $4)")
            .bind(tx.tenant().uuid())
            .bind(&event.header.id)
            .bind(about)
            .bind(word)
            .execute(&mut **tx)
            .await?;
        match self.manner(word) {
            None => Ok(Handled::Done),
            Some(Manner::Fail) => Err(Trouble::failed("the word is bad")),
            Some(Manner::Never) => Ok(Handled::Never("nobody says that")),
            Some(Manner::Away) => Err(Trouble::unavailable(Duration::from_millis(300), "the listener is away")),
            Some(Manner::Panic) => panic!("on purpose"),
            Some(Manner::Swallow) => {
                drop(sqlx::query("SELECT 1 / 0").execute(&mut **tx).await);
                Ok(Handled::Done)
            }
            Some(Manner::Held) => {
                let let_go = self.let_go.notified();
                if self.manner(word).is_some() {
                    let_go.await;
                }
                Ok(Handled::Done)
            }
        }
    }
}

/// Every message of a stream as it lies there, by subject and ID.
pub(crate) async fn lying_in(world: &World, stream: &str) -> Vec<(String, String)> {
    let client = async_nats::connect(&world.nats).await.unwrap();
    let stream = async_nats::jetstream::new(client).get_stream(format!("{}_{stream}", world.prefix)).await.unwrap();
    let state = stream.cached_info().state.clone();
    let mut lying = Vec::new();
    for sequence in state.first_sequence..=state.last_sequence {
        let Ok(message) = stream.get_raw_message(sequence).await else { continue };
        let id = message.headers.get("ce-id").map(ToString::to_string).unwrap_or_default();
        lying.push((message.subject.to_string(), id));
    }
    lying
}
