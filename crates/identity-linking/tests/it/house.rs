//! A running service on a database and a NATS prefix of its own.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, BusConfig};
use chassis::config::Secret;
use chassis::envelope::MasterKeys;
use chassis::grpc::{Client, ClientConfig, GrpcConfig};
use chassis::postgres::{Database, PostgresConfig};
use chassis::seal::PrivateKey;
use chassis::{Host, HostConfig};
use contracts::access_proto::v1::Right;
use contracts::events::v1::{IdentityEvent, LineWebhookEvent};
use contracts::identity::v1::*;
use identity_linking::{App, Config, PROGRAM, PagesConfig, bootstrap};
use kernel::{AccountId, Clock, EventHeader, SystemClock, TenantId, Timestamp};
use prost::Message as _;
use sqlx::postgres::PgPool;
use testkit::eventually;
use testkit::postgres::Cluster;

pub(crate) use crate::caller::Caller;
use crate::messaging::Messaging;

/// Long enough for anything that comes by itself.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// The key that secrets are encrypted with in tests.
pub(crate) const MASTER: &str = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// LINE's login host, which no test visits.
pub(crate) const LINE_LOGIN: &str = "https://access.line.example";

/// A running identity-linking.
pub(crate) struct House {
    /// messaging-outbox, as far as it is asked.
    pub(crate) messaging: Messaging,
    /// What opens secrets sealed to webhook-ingest.
    pub(crate) ingest_key: PrivateKey,
    /// What opens secrets sealed to messaging-outbox.
    pub(crate) messaging_key: PrivateKey,
    /// The token of the platform's first principal.
    pub(crate) operator: Secret,
    pub(crate) database: testkit::postgres::Database,
    pub(crate) prefix: String,
    pub(crate) messaging_url: String,
    pages_port: u16,
    clock: Arc<dyn Clock>,
    running: Option<Replica>,
}

/// One of the service's processes.
pub(crate) type Replica = (Host, App);

impl House {
    /// Migrates a new database and starts the service on it.
    pub(crate) async fn open(hint: &str) -> Self {
        Self::open_by(hint, Arc::new(SystemClock)).await
    }

    /// The same, by a clock that may be wrong.
    pub(crate) async fn open_by(hint: &str, clock: Arc<dyn Clock>) -> Self {
        let database = Cluster::shared().fresh_database(hint).await.unwrap();
        chassis::postgres::migrate(&database.admin_url(), "identity", PROGRAM.migrations).await.unwrap();
        let (messaging, addr) = Messaging::start().await;
        let mut house = Self {
            messaging,
            ingest_key: PrivateKey::generate(),
            messaging_key: PrivateKey::generate(),
            operator: Secret::new(String::new()),
            database,
            prefix: testkit::nats::prefix(),
            messaging_url: format!("http://{addr}"),
            pages_port: testkit::port::free(),
            clock,
            running: None,
        };
        let database = house.own_database().await;
        house.operator = bootstrap::create_operator(&database, &SystemClock, "operator").await.unwrap().1;
        house.start().await;
        house
    }

    /// Starts the service, once it was stopped.
    pub(crate) async fn start(&mut self) {
        self.running = Some(self.replica(self.pages_port).await);
    }

    /// Starts one more of the service beside it, with form pages of its own that nobody is led to.
    pub(crate) async fn beside(&self) -> Replica {
        self.replica(testkit::port::free()).await
    }

    async fn replica(&self, pages_port: u16) -> Replica {
        let life = HostConfig::loopback().with_clock(Arc::clone(&self.clock));
        let host = Host::start("identity-linking", life).unwrap();
        let config = Config {
            postgres: self.postgres(),
            grpc: GrpcConfig::from(std::net::SocketAddr::from(([127, 0, 0, 1], 0))),
            pages: PagesConfig {
                addr: ([127, 0, 0, 1], pages_port).into(),
                url: self.pages_url(),
                line_login_url: LINE_LOGIN.parse().unwrap(),
                trusted_proxies: 1,
                connections: NonZeroU32::new(100).unwrap(),
            },
            bus: self.bus(),
            messaging: ClientConfig {
                url: self.messaging_url.parse().unwrap(),
                token: Secret::new("unchecked".to_owned()),
                authority: None,
                allow_plaintext: false,
            },
            master_keys: MasterKeys::parse(MASTER).unwrap(),
            ingest_seal_key: self.ingest_key.public(),
            messaging_seal_key: self.messaging_key.public(),
        };
        let app = App::build(config, &host).await.unwrap();
        tokio::time::timeout(SOON, host.readiness().ready())
            .await
            .unwrap_or_else(|_| panic!("not ready: {:?}", host.readiness().closed()));
        (host, app)
    }

    /// Stops the service well.
    pub(crate) async fn stop(&mut self) {
        let (host, _) = self.running.take().unwrap();
        host.stop();
        host.wait().await.unwrap();
    }

    fn postgres(&self) -> PostgresConfig {
        // Patient, as tests share the machine with everything else that runs on it.
        let config = PostgresConfig::at(self.url());
        // And a statement waits for longer than whoever asked for it may have to: that one's own deadline is to end it.
        let statement_timeout = 4 * SOON;
        PostgresConfig { connections: 8, worker_connections: 3, acquire_timeout: SOON, statement_timeout, ..config }
    }

    /// The address of the form pages, as browsers know it.
    pub(crate) fn pages_url(&self) -> url::Url {
        format!("http://127.0.0.1:{}", self.pages_port).parse().unwrap()
    }

    /// What `/metrics` tells.
    pub(crate) async fn figures(&self) -> String {
        let (host, _) = self.running.as_ref().unwrap();
        let answer = reqwest::get(format!("http://{}/metrics", host.admin_addr())).await.unwrap();
        answer.text().await.unwrap()
    }

    /// The database's address, without a user.
    pub(crate) fn url(&self) -> url::Url {
        let mut url: url::Url = self.database.admin_url().parse().unwrap();
        url.set_username("").unwrap();
        url.set_password(None).unwrap();
        url
    }

    pub(crate) fn bus(&self) -> BusConfig {
        BusConfig { prefix: Some(self.prefix.clone()), ..BusConfig::at(testkit::nats::url()) }
    }

    /// The service's database, as its roles see it.
    pub(crate) async fn own_database(&self) -> Database {
        Database::connect("identity", &self.postgres()).await.unwrap()
    }

    /// The database as its owner.
    pub(crate) async fn admin(&self) -> PgPool {
        PgPool::connect(&self.database.admin_url()).await.unwrap()
    }

    /// A pool of one of the service's roles, with no tenant set.
    pub(crate) async fn role(&self, role: &str) -> PgPool {
        PgPool::connect(&self.database.url(role)).await.unwrap()
    }

    /// A client with a token.
    pub(crate) fn client(&self, token: &Secret) -> Client {
        let (_, app) = self.running.as_ref().unwrap();
        let url = format!("http://{}", app.grpc_addr()).parse().unwrap();
        Client::on_loopback(&url, token).unwrap()
    }

    /// The operator, calling for no tenant.
    pub(crate) fn platform(&self) -> Caller {
        Caller(self.client(&self.operator))
    }

    /// The operator, calling for `tenant`.
    pub(crate) fn at(&self, tenant: TenantId) -> Caller {
        Caller(self.client(&self.operator).for_tenant(tenant))
    }

    /// A new tenant.
    pub(crate) async fn tenant(&self) -> TenantId {
        let request = CreateTenantRequest {
            display_name: "Tenant".to_owned(),
            time_zone: String::new(),
            request_id: String::new(),
        };
        let created = self.platform().tenants().create_tenant(request).await.unwrap().into_inner();
        created.tenant.unwrap().tenant_id.parse().unwrap()
    }

    /// A program of a tenant with these rights, known to the service.
    pub(crate) async fn program(&self, tenant: TenantId, rights: &[Right]) -> Caller {
        let request = CreatePrincipalRequest {
            display_name: "program".to_owned(),
            rights: rights.iter().map(|right| i32::from(*right)).collect(),
            expire_time: None,
            request_id: String::new(),
        };
        let created = self.at(tenant).principals().create_principal(request).await.unwrap().into_inner();
        let caller = Caller(self.client(&Secret::new(created.token)));
        caller.known().await;
        caller
    }

    /// A provider and a connected account under it.
    pub(crate) async fn account(&self, tenant: TenantId, bot: &str) -> (String, AccountId) {
        let provider = self.provider(tenant).await;
        let id = self.registered(tenant, &provider, bot).await;
        self.messaging.bot(&id.to_string(), bot);
        let request = ConnectOfficialAccountRequest { account_id: id.to_string(), webhook_endpoint: String::new() };
        self.at(tenant).accounts().connect_official_account(request).await.unwrap();
        (provider, id)
    }

    /// A provider.
    pub(crate) async fn provider(&self, tenant: TenantId) -> String {
        let provider = Provider { display_name: "Provider".to_owned(), ..Provider::default() };
        let request = CreateProviderRequest { provider: Some(provider), request_id: String::new() };
        let created = self.at(tenant).accounts().create_provider(request).await.unwrap().into_inner();
        created.provider.unwrap().provider_id
    }

    /// An account with secrets, registered for `bot` and not connected.
    pub(crate) async fn registered(&self, tenant: TenantId, provider: &str, bot: &str) -> AccountId {
        let channel_id = (u64::from_str_radix(&bot[bot.len() - 8..], 16).unwrap()).to_string();
        let request = CreateOfficialAccountRequest {
            account: Some(OfficialAccount {
                provider_id: provider.to_owned(),
                channel_id,
                bot_user_id: bot.to_owned(),
                ..OfficialAccount::default()
            }),
            channel_secret: "0123456789abcdef0123456789abcdef".to_owned(),
            credential: Some(ChannelCredentialInput {
                kind: Some(channel_credential_input::Kind::LongLivedToken("a-token".to_owned())),
            }),
            request_id: String::new(),
        };
        let created = self.at(tenant).accounts().create_official_account(request).await.unwrap().into_inner();
        created.account.unwrap().account_id.parse().unwrap()
    }

    /// Publishes webhook events as webhook-ingest does; returns when the stream has them.
    pub(crate) async fn webhooks(&self, tenant: TenantId, account: AccountId, events: &[(&str, String)]) {
        self.webhooks_as(tenant, account, events, false).await;
    }

    /// The same, with the account's effects off or not.
    pub(crate) async fn webhooks_as(
        &self,
        tenant: TenantId,
        account: AccountId,
        events: &[(&str, String)],
        effects_off: bool,
    ) {
        let host = Host::start("webhook-ingest", HostConfig::loopback()).unwrap();
        let bus = Bus::connect(&self.bus(), &host).await.unwrap();
        eventually(SOON, || std::future::ready(bus.is_connected().then_some(()))).await.unwrap();
        let publisher = bus::publish::Publisher::new(&bus, 64);
        for (kind, raw) in events {
            let timestamp = serde_json::from_str::<serde_json::Value>(raw).unwrap()["timestamp"].as_i64().unwrap();
            let time = Timestamp::from_timestamp_millis(timestamp).unwrap();
            let id = format!("{:x}", uuid::Uuid::new_v5(&account.uuid(), raw.as_bytes()).as_u128());
            let body = LineWebhookEvent {
                account_id: account.to_string(),
                webhook_event_id: id,
                event_type: (*kind).to_owned(),
                occur_time: Some(contracts::timestamp(time)),
                raw: raw.clone().into_bytes().into(),
                effects_off,
                ..LineWebhookEvent::default()
            };
            let outbound = bus::publish::Outbound {
                subject: bus::subject::Subject::line_webhook(tenant, account, kind).unwrap(),
                header: EventHeader {
                    // A redelivery has an ID of its own here, so that the stream does not keep it away from the consumer.
                    id: uuid::Uuid::new_v4().to_string(),
                    kind: "tsunagi.events.v1.LineWebhookEvent".to_owned(),
                    source: "webhook-ingest".to_owned(),
                    time,
                    tenant: Some(tenant),
                    trace: None,
                },
                payload: body.encode_to_vec().into(),
            };
            let sent = async {
                match publisher.publish(&outbound).await {
                    Ok(acknowledgement) => acknowledgement.await.map_err(|error| error.to_string()),
                    Err(error) => Err(error.to_string()),
                }
            };
            sent.await.unwrap();
        }
        host.stop();
        host.wait().await.unwrap();
    }

    /// The events in the outbox that belong to a tenant (none: the platform), in their order.
    pub(crate) async fn told(&self, tenant: Option<TenantId>) -> Vec<contracts::events::v1::identity_event::Body> {
        let tenant = tenant.map_or_else(uuid::Uuid::nil, TenantId::uuid);
        let rows: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT payload FROM identity.outbox WHERE tenant_id = $1 ORDER BY sequence")
                .bind(tenant)
                .fetch_all(&self.admin().await)
                .await
                .unwrap();
        rows.into_iter().map(|row| IdentityEvent::decode(row.as_slice()).unwrap().body.unwrap()).collect()
    }

    /// What the audit trail of a tenant says, in its order.
    pub(crate) async fn audit(&self, tenant: TenantId) -> Vec<String> {
        sqlx::query_scalar("SELECT action FROM identity.audit WHERE tenant_id = $1 ORDER BY audit_id")
            .bind(tenant.uuid())
            .fetch_all(&self.admin().await)
            .await
            .unwrap()
    }
}
