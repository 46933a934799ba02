//! A tenant with an official account at a simulated LINE, and messaging-outbox beside it.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bus::publish::{Outbound, Publisher};
use bus::subject::{Family, Subject};
use bus::{Bus, BusConfig};
use chassis::auth::Token;
use chassis::egress::EgressConfig;
use chassis::envelope::MasterKeys;
use chassis::grpc::GrpcConfig;
use chassis::postgres::PostgresConfig;
use chassis::seal::{self, PrivateKey};
use chassis::{Host, HostConfig};
use contracts::access_proto::v1::Right;
use contracts::events::v1 as events;
use contracts::events::v1::identity_event::Body;
use contracts::messaging::v1 as wire;
use contracts::{EventBody, timestamp};
use kernel::{AccountId, Clock as _, EventHeader, EventId, PrincipalId, StaffId, SystemClock, TenantId, Timestamp};
use line_simulator::{AccountCard, AccountSpec, BooksQuery, Control, Options, PersonId, PersonSpec, Simulator};
use messaging_outbox::{App, Config, ContentConfig, PROGRAM, SenderConfig};
use messaging_outbox_core::lane::LaneTimes;
use messaging_outbox_core::quota::QuotaWaits;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use testkit::eventually;
use tonic::Request;
use url::Url;
use uuid::Uuid;

use crate::house::House;
use crate::receiver::Receiver;

/// Long enough for anything that comes by itself.
pub(crate) const SOON: Duration = Duration::from_secs(40);

pub(crate) const MASTER: &str = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Everything outside of the service.
pub(crate) struct World {
    pub(crate) line: Simulator,
    pub(crate) control: Control,
    pub(crate) database: testkit::postgres::Database,
    pub(crate) seal_key: PrivateKey,
    pub(crate) nats: String,
    pub(crate) prefix: String,
    pub(crate) publisher: Publisher,
    pub(crate) _host: Host,
}

/// A tenant of it.
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) account: AccountId,
    pub(crate) provider: Uuid,
    pub(crate) card: AccountCard,
    pub(crate) token: Token,
    pub(crate) staff: StaffId,
    pub(crate) staff_key: Arc<Ed25519KeyPair>,
    pub(crate) receiver: Receiver,
}

impl World {
    pub(crate) async fn new(hint: &str) -> Self {
        Self::on(&testkit::postgres::Cluster::shared(), testkit::nats::url(), hint).await
    }

    /// The same on other servers than those all tests share.
    pub(crate) async fn on(cluster: &testkit::postgres::Cluster, nats: String, hint: &str) -> Self {
        let database = cluster.fresh_database(hint).await.unwrap();
        chassis::postgres::migrate(&database.admin_url(), "messaging", PROGRAM.migrations).await.unwrap();
        let line = Simulator::start(Options::default()).await.unwrap();
        let host = Host::start("world", HostConfig::loopback()).unwrap();
        let prefix = testkit::nats::prefix();
        let bus = Bus::connect(&bus_config(&nats, &prefix), &host).await.unwrap();
        eventually(SOON, || std::future::ready(host.readiness().is_ready().then_some(()))).await.unwrap();
        let publisher = Publisher::new(&bus, 64);
        let control = line.control();
        Self { line, control, database, seal_key: PrivateKey::generate(), nats, prefix, publisher, _host: host }
    }

    /// Starts the service, or one more replica of it.
    pub(crate) async fn open(&self) -> House {
        self.open_with(|_| {}).await
    }

    /// The same with other settings.
    pub(crate) async fn open_with(&self, change: impl FnOnce(&mut Config)) -> House {
        let host = Host::start("messaging-outbox", HostConfig::loopback()).unwrap();
        let url = Url::parse(self.line.base_url()).unwrap();
        let mut postgres: Url = self.database.admin_url().parse().unwrap();
        postgres.set_username("").unwrap();
        let mut config = Config {
            grpc: GrpcConfig::from(std::net::SocketAddr::from(([127, 0, 0, 1], 0))),
            postgres: PostgresConfig {
                connections: 10,
                worker_connections: 4,
                // A test that makes others wait for a lock ends that itself, however slow the machine is.
                statement_timeout: 4 * SOON,
                ..PostgresConfig::at(postgres)
            },
            bus: bus_config(&self.nats, &self.prefix),
            identity: None,
            seal_key: self.seal_key.clone(),
            master_keys: MasterKeys::parse(MASTER).unwrap(),
            line_api_url: url.clone(),
            line_data_url: url,
            sender: SenderConfig {
                times: LaneTimes::new(Duration::from_secs(3), Duration::from_millis(500), Duration::from_millis(1_500))
                    .unwrap(),
                calls_of_lane: NonZeroUsize::new(16).unwrap(),
                calls: NonZeroUsize::new(64).unwrap(),
                lanes: NonZeroUsize::new(100).unwrap(),
                quota_waits: QuotaWaits::default(),
            },
            content: ContentConfig { at_once: NonZeroUsize::new(2).unwrap(), most_bytes: 1024 * 1024 },
            staff_page: None,
            inbound_transactions: NonZeroUsize::new(4).unwrap(),
            mail: None,
            egress: EgressConfig::default(),
        };
        change(&mut config);
        let app = App::build(config, &host).await.unwrap();
        eventually(SOON, || {
            let ready = host.readiness().is_ready();
            std::future::ready(if ready { Ok(()) } else { Err("not ready") })
        })
        .await
        .unwrap();
        House { host, app }
    }

    /// A new tenant with a connected account and everything replicated.
    pub(crate) async fn tenant(&self, house: &House) -> Tenant {
        let (id, account, provider) = (TenantId::from(Uuid::new_v4()), AccountId::from(Uuid::new_v4()), Uuid::new_v4());
        let receiver = Receiver { publisher: self.publisher.clone(), tenant: id, account };
        let url = receiver.clone().listen().await;
        let line_provider = self.control.add_provider("provider").await.unwrap();
        let spec = AccountSpec { webhook_url: Some(url), verified: true, ..AccountSpec::default() };
        let card = self.control.add_account(&line_provider, spec).await.unwrap();
        let token = Token::generate(Some(id), PrincipalId::from(Uuid::new_v4())).unwrap();
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
        let staff_key = Arc::new(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap());
        let staff = StaffId::from(Uuid::new_v4());
        let tenant = Tenant { id, account, provider, card, token, staff, staff_key, receiver };
        self.introduce(&tenant).await;
        eventually(SOON, || async {
            let request = wire::GetQuotaRequest { account_id: account.to_string() };
            let known = house.quota(&tenant).get_quota(request).await;
            let mut conversations = house.conversations(&tenant);
            let staff = conversations.list_conversations(tenant.as_staff(wire::ListConversationsRequest::default()));
            known.map_err(|status| status.code())?;
            staff.await.map(drop).map_err(|status| status.code())
        })
        .await
        .unwrap();
        tenant
    }

    async fn introduce(&self, tenant: &Tenant) {
        let rights: Vec<i32> = (1..=27).filter_map(|right| Right::try_from(right).ok()).map(i32::from).collect();
        let principal = events::PrincipalReplica {
            principal_id: tenant.token.principal.to_string(),
            version: 1,
            tenant_id: tenant.id.to_string(),
            token_hash: tenant.token.hash().to_vec(),
            rights: rights.clone(),
            assertion_keys: vec![events::AssertionKey {
                key_id: "staff".to_owned(),
                public_key: tenant.staff_key.public_key().as_ref().to_vec(),
            }],
            ..Default::default()
        };
        let staff = events::StaffReplica {
            staff_id: tenant.staff.to_string(),
            version: 1,
            display_name: "Suzuki".to_owned(),
            rights,
            administrator: true,
            active: true,
            ..Default::default()
        };
        let of_tenant = events::TenantReplica {
            tenant_id: tenant.id.to_string(),
            version: 1,
            time_zone: "Asia/Tokyo".to_owned(),
            ..Default::default()
        };
        self.say(tenant, Body::Tenant(of_tenant)).await;
        self.say(tenant, Body::Principal(principal)).await;
        self.say(tenant, Body::Staff(staff)).await;
        self.connect_account(tenant, 1, events::AccountState::Connected).await;
    }

    /// Says how the account stands, with its long-lived token as credential.
    pub(crate) async fn connect_account(&self, tenant: &Tenant, version: i64, state: events::AccountState) {
        let ciphertext = seal::seal(&self.seal_key.public(), tenant.card.access_token.as_bytes()).unwrap();
        self.connect_with(tenant, version, state, events::ChannelCredentialKind::LongLivedToken, ciphertext, "").await;
    }

    /// The same with another credential, sealed; an assertion key has an ID.
    pub(crate) async fn connect_with(
        &self,
        tenant: &Tenant,
        version: i64,
        state: events::AccountState,
        kind: events::ChannelCredentialKind,
        ciphertext: Vec<u8>,
        key_id: &str,
    ) {
        let material = events::SealedSecret {
            recipient: "messaging".to_owned(),
            key_id: self.seal_key.public().id(),
            ciphertext,
            expire_time: None,
        };
        let account = events::AccountReplica {
            account_id: tenant.account.to_string(),
            version,
            provider_id: tenant.provider.to_string(),
            channel_id: tenant.card.channel_id.as_str().to_owned(),
            display_name: "さくら美容室".to_owned(),
            state: state.into(),
            credential: Some(events::ChannelCredential {
                kind: kind.into(),
                material: Some(material),
                key_id: key_id.to_owned(),
            }),
            ..Default::default()
        };
        self.say(tenant, Body::Account(account)).await;
    }

    /// Says something as identity-linking would.
    pub(crate) async fn say(&self, tenant: &Tenant, body: Body) {
        self.publish(tenant, Family::Identity, &events::IdentityEvent { body: Some(body) }).await;
    }

    /// Says something as the service of `family` would.
    pub(crate) async fn publish(&self, tenant: &Tenant, family: Family, event: &impl EventBody) {
        self.publish_at(tenant, family, event, SystemClock.now()).await;
    }

    /// The same as if it had been said at `now`.
    pub(crate) async fn publish_at(&self, tenant: &Tenant, family: Family, event: &impl EventBody, now: Timestamp) {
        let header = EventHeader {
            id: EventId::new(now).to_string(),
            kind: family.kind().to_owned(),
            source: family.source().to_owned(),
            time: now,
            tenant: Some(tenant.id),
            trace: None,
        };
        let subject = Subject::event(family, Some(tenant.id), &event.happened()).unwrap();
        let outbound = Outbound { subject, header, payload: event.encode_to_vec().into() };
        self.publisher.publish(&outbound).await.unwrap().await.unwrap();
    }

    /// How often LINE was asked so, whatever it answered.
    pub(crate) async fn asked(&self, endpoint: &str) -> usize {
        let requests = self.control.requests(&BooksQuery::default()).await.unwrap();
        requests.iter().filter(|request| request.endpoint == endpoint).count()
    }

    /// Somebody who is a friend of the tenant's account.
    pub(crate) async fn friend(&self, tenant: &Tenant) -> PersonId {
        let person = self.control.add_person(&PersonSpec::default()).await.unwrap();
        self.control.add_friend(&tenant.card.channel_id, &person).await.unwrap();
        person
    }
}

fn bus_config(nats: &str, prefix: &str) -> BusConfig {
    BusConfig { prefix: Some(prefix.to_owned()), ..BusConfig::at(nats.to_owned()) }
}

impl Tenant {
    /// The request, made by the tenant's staff member.
    pub(crate) fn as_staff<T>(&self, message: T) -> Request<T> {
        self.as_member(self.staff, message)
    }

    /// The same by another one.
    pub(crate) fn as_member<T>(&self, member: StaffId, message: T) -> Request<T> {
        let now = SystemClock.now().timestamp();
        let header = serde_json::json!({"alg": "EdDSA", "typ": "JWT", "kid": "staff"});
        let claims = serde_json::json!({"iss": self.token.principal.to_string(), "sub": member.to_string(),
            "tenant": self.id.to_string(), "iat": now, "exp": now + 240});
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(self.staff_key.sign(signed.as_bytes()));
        let mut request = Request::new(message);
        request.metadata_mut().insert("tsunagi-staff-assertion", format!("{signed}.{signature}").parse().unwrap());
        request
    }
}

pub(crate) fn send_request(conversation: &str, text: &str, policy: wire::SendPolicy) -> wire::SendMessageRequest {
    let content = wire::message_content::Kind::Text(wire::TextContent { text: text.to_owned(), ..Default::default() });
    wire::SendMessageRequest {
        conversation_id: conversation.to_owned(),
        content: Some(wire::MessageContent { kind: Some(content) }),
        policy: policy.into(),
        request_id: Uuid::new_v4().to_string(),
        ..Default::default()
    }
}

/// The text of a message; empty when it has none.
pub(crate) fn text(message: &wire::Message) -> &str {
    match message.content.as_ref().and_then(|content| content.kind.as_ref()) {
        Some(wire::message_content::Kind::Text(text)) => &text.text,
        _ => "",
    }
}

/// How a friendship stands, as identity-linking says it.
pub(crate) fn friendship(tenant: &Tenant, line_user: &str, version: i64, state: events::FriendshipState) -> Body {
    Body::Friendship(events::FriendshipReplica {
        account_id: tenant.account.to_string(),
        line_user_id: line_user.to_owned(),
        version,
        state: state.into(),
        state_time: Some(timestamp(SystemClock.now())),
    })
}
