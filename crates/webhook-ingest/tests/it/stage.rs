//! A database, a prefix on NATS, accounts, and as many replicas of the service as a test wants.

use std::num::NonZeroU32;
use std::time::Duration;

use async_nats::jetstream;
use bus::BusConfig;
use bytes::Bytes;
use chassis::postgres::{Database, PostgresConfig, migrate};
use chassis::seal::{PrivateKey, seal};
use chassis::{Host, HostConfig};
use contracts::events::v1::{AccountReplica, LineWebhookEvent, SealedSecret, WebhookKeyHash};
use kernel::{AccountId, Clock, SystemClock, TenantId, Timestamp};
use line_types::signature::{ChannelSecret, sign};
use prost::Message;
use sha2::{Digest, Sha256};
use sqlx::Connection;
use testkit::eventually;
use testkit::postgres::Cluster;
use uuid::Uuid;
use webhook_ingest::{App, Config, PROGRAM};

pub(crate) const BOT: &str = "U8e742f61d673b39c7fff3cecb7536ef0";
pub(crate) const SECRET: &str = "8c570fa6dd201bb328f1c1eac23a96d8";
pub(crate) const OLD_SECRET: &str = "0123456789abcdef0123456789abcdef";
/// Commits whose events the stream does not have yet.
pub(crate) const UNPUBLISHED: &str = "SELECT count(*) FROM ingest.publication";
pub(crate) const SOON: Duration = Duration::from_mins(1);

/// What a test plays on.
pub(crate) struct Stage {
    pub(crate) database: testkit::postgres::Database,
    pub(crate) nats_url: String,
    pub(crate) prefix: String,
    pub(crate) seal_key: PrivateKey,
    pub(crate) account: TestAccount,
}

/// An account whose webhook address and secrets the test knows.
#[derive(Clone)]
pub(crate) struct TestAccount {
    pub(crate) tenant: TenantId,
    pub(crate) id: AccountId,
    pub(crate) key: String,
}

/// A running replica of the service; stopped by [`Replica::stop`], cut off when dropped with its runtime.
pub(crate) struct Replica {
    pub(crate) app: App,
    pub(crate) host: Host,
    pub(crate) http: reqwest::Client,
}

impl Stage {
    /// On the shared servers.
    pub(crate) async fn new(hint: &str) -> Self {
        Self::on(&Cluster::shared(), testkit::nats::url(), hint).await
    }

    /// On the given servers, with one account.
    pub(crate) async fn on(cluster: &Cluster, nats_url: String, hint: &str) -> Self {
        let database = cluster.fresh_database(hint).await.unwrap();
        migrate(&database.admin_url(), "ingest", PROGRAM.migrations).await.unwrap();
        let (seal_key, prefix) = (PrivateKey::generate(), testkit::nats::prefix());
        let account = TestAccount::new();
        let stage = Self { database, nats_url, prefix, seal_key, account: account.clone() };
        stage.put(&account, stage.replica_of(&account, 1)).await;
        stage
    }

    /// The service's own view of the database.
    pub(crate) async fn ingest(&self) -> Database {
        Database::connect("ingest", &self.postgres()).await.unwrap()
    }

    /// A connection of the superuser.
    pub(crate) async fn admin(&self) -> sqlx::PgConnection {
        sqlx::PgConnection::connect(&self.database.admin_url()).await.unwrap()
    }

    /// One number from the database.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&mut self.admin().await).await.unwrap()
    }

    /// What identity-linking would say of an account: the bot, one key, the two secrets of a rotation.
    pub(crate) fn replica_of(&self, account: &TestAccount, version: i64) -> AccountReplica {
        let public = self.seal_key.public();
        let sealed = |secret: &str| SealedSecret {
            recipient: "ingest".to_owned(),
            key_id: public.id(),
            ciphertext: seal(&public, secret.as_bytes()).unwrap(),
            expire_time: None,
        };
        AccountReplica {
            account_id: account.id.to_string(),
            version,
            bot_user_id: BOT.to_owned(),
            webhook_keys: vec![account.key_hash()],
            channel_secrets: vec![sealed(SECRET), sealed(OLD_SECRET)],
            ..AccountReplica::default()
        }
    }

    /// Takes an account's version in as the consumer does.
    pub(crate) async fn put(&self, account: &TestAccount, replica: AccountReplica) {
        let mut tx = self.ingest().await.tenant(account.tenant).await.unwrap();
        webhook_ingest::apply(&mut tx, &replica).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// The settings of a replica.
    pub(crate) fn config(&self) -> Config {
        Config {
            http_addr: ([127, 0, 0, 1], 0).into(),
            grpc: std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into(),
            postgres: self.postgres(),
            bus: BusConfig { prefix: Some(self.prefix.clone()), ..BusConfig::at(self.nats_url.clone()) },
            identity: None,
            seal_key: self.seal_key.clone(),
            body_limit: 64 * 1024,
            memory_kib: NonZeroU32::new(65_536).unwrap(),
            connections: NonZeroU32::new(2_000).unwrap(),
            read_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(30),
            flushers: 2,
            seen_days: 90,
            body_days: 90,
        }
    }

    fn postgres(&self) -> PostgresConfig {
        let mut url: url::Url = self.database.admin_url().parse().unwrap();
        url.set_username("").unwrap();
        PostgresConfig::at(url)
    }

    /// A replica that is ready.
    pub(crate) async fn start(&self) -> Replica {
        let replica = self.start_with(self.config(), HostConfig::loopback()).await;
        replica.ready().await;
        replica
    }

    /// A replica, perhaps not ready yet.
    pub(crate) async fn start_with(&self, config: Config, life: HostConfig) -> Replica {
        let host = Host::start("webhook-ingest", life).unwrap();
        let app = App::build(config, &host).await.unwrap();
        Replica { app, host, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    /// JetStream, as seen from outside.
    pub(crate) async fn jetstream(&self) -> jetstream::Context {
        jetstream::new(async_nats::connect(&self.nats_url).await.unwrap())
    }

    /// Every message the stream of webhooks holds, in its order.
    pub(crate) async fn published(&self) -> Vec<(jetstream::message::StreamMessage, LineWebhookEvent)> {
        let jetstream = self.jetstream().await;
        let Ok(mut stream) = jetstream.get_stream(format!("{}_LINE_WEBHOOK", self.prefix)).await else {
            return Vec::new();
        };
        let state = stream.info().await.unwrap().state.clone();
        let mut messages = Vec::new();
        if state.messages == 0 {
            return messages;
        }
        for sequence in state.first_sequence..=state.last_sequence {
            let message = stream.get_raw_message(sequence).await.unwrap();
            let event = LineWebhookEvent::decode(message.payload.clone()).unwrap();
            messages.push((message, event));
        }
        messages
    }

    /// Waits until exactly these events are published, in any order, and nothing is left to publish.
    pub(crate) async fn eventually_published(&self, ids: &[String]) {
        let mut expected = ids.to_vec();
        expected.sort();
        eventually(SOON, || async {
            let mut ids: Vec<String> =
                self.published().await.into_iter().map(|(_, event)| event.webhook_event_id).collect();
            ids.sort();
            let left = self.count(UNPUBLISHED).await;
            if ids == expected && left == 0 {
                Ok(())
            } else {
                Err(format!("{} events, {left} commits left", ids.len()))
            }
        })
        .await
        .unwrap();
    }
}

impl TestAccount {
    pub(crate) fn new() -> Self {
        let tenant = TenantId::from(Uuid::new_v4());
        let key = format!("{tenant}.{}{}", Uuid::new_v4().simple(), "0123456789a");
        Self { tenant, id: Uuid::new_v4().into(), key }
    }

    pub(crate) fn key_hash(&self) -> WebhookKeyHash {
        let secret = self.key.split_once('.').unwrap().1;
        WebhookKeyHash { hash: Sha256::digest(secret).to_vec(), expire_time: None }
    }
}

impl Replica {
    pub(crate) async fn ready(&self) {
        tokio::time::timeout(SOON, self.host.readiness().ready()).await.unwrap_or_else(|_| {
            panic!("not ready: {:?}", self.host.readiness().closed());
        });
    }

    /// Stops as on SIGTERM and waits for the end.
    pub(crate) async fn stop(self) {
        self.host.stop();
        self.host.wait().await.unwrap();
    }

    pub(crate) fn url(&self, key: &str) -> String {
        format!("http://{}/line/webhooks/{key}", self.app.http_addr())
    }

    /// Posts a body, signed with the account's newest secret, to its address; tells the status.
    pub(crate) async fn post(&self, account: &TestAccount, body: impl Into<Bytes>) -> u16 {
        let body = body.into();
        let signature = signature(SECRET, &body);
        self.send(&account.key, Some(&signature), body).await
    }

    /// Posts a body until it is accepted, as LINE does: on a machine under load an answer may be 503.
    pub(crate) async fn deliver(&self, account: &TestAccount, body: Bytes) {
        eventually(SOON, || async {
            match self.post(account, body.clone()).await {
                200 => Ok(()),
                status => Err(status),
            }
        })
        .await
        .unwrap();
    }

    /// Posts a body with any key and signature; tells the status.
    pub(crate) async fn send(&self, key: &str, signature: Option<&str>, body: impl Into<Bytes>) -> u16 {
        let mut request = self.http.post(self.url(key)).body(body.into());
        if let Some(signature) = signature {
            request = request.header("X-Line-Signature", signature);
        }
        request.send().await.unwrap().status().as_u16()
    }
}

pub(crate) fn signature(secret: &str, body: &[u8]) -> String {
    sign(&ChannelSecret::parse(secret).unwrap(), body)
}

pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

/// A new event ID of this moment.
pub(crate) fn new_id() -> String {
    id_at(now())
}

/// A new event ID of a moment.
pub(crate) fn id_at(moment: Timestamp) -> String {
    let random = Uuid::new_v4().as_u128();
    ulid::Ulid::from_parts(u64::try_from(moment.timestamp_millis()).unwrap(), random).to_string()
}

/// A text message event.
pub(crate) fn event(id: &str) -> String {
    format!(
        r#"{{"type":"message","mode":"active","timestamp":{},"webhookEventId":"{id}","deliveryContext":{{"isRedelivery":false}},"source":{{"type":"user","userId":"U4af4980629aaaaaaaaaaaaaaaaaaaaaa"}},"message":{{"id":"468789577898262530","type":"text","text":"こんにちは"}}}}"#,
        now().timestamp_millis()
    )
}

/// A body of events for the account's bot.
pub(crate) fn body(events: &[String]) -> Bytes {
    body_for(BOT, events)
}

pub(crate) fn body_for(bot: &str, events: &[String]) -> Bytes {
    Bytes::from(format!(r#"{{"destination":"{bot}","events":[{}]}}"#, events.join(",")))
}

/// A body with one new event, and the event's ID.
pub(crate) fn one() -> (String, Bytes) {
    let id = new_id();
    let body = body(&[event(&id)]);
    (id, body)
}
