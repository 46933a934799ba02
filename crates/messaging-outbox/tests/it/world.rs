//! A tenant with an official account at a simulated LINE, and messaging-outbox beside it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bus::publish::{Outbound, Publisher};
use bus::subject::{Family, Subject};
use bus::{Bus, BusConfig};
use chassis::auth::Token;
use chassis::envelope::MasterKeys;
use chassis::grpc::{Client, GrpcConfig};
use chassis::postgres::PostgresConfig;
use chassis::seal::{self, PrivateKey};
use chassis::{Host, HostConfig};
use contracts::access_proto::v1::Right;
use contracts::events::v1 as events;
use contracts::events::v1::identity_event::Body;
use contracts::messaging::v1 as wire;
use contracts::messaging::v1::conversation_service_client::ConversationServiceClient;
use contracts::messaging::v1::line_gateway_service_client::LineGatewayServiceClient;
use contracts::messaging::v1::message_service_client::MessageServiceClient;
use contracts::messaging::v1::quota_service_client::QuotaServiceClient;
use contracts::{EventBody as _, timestamp};
use kernel::{AccountId, Clock as _, EventHeader, EventId, PrincipalId, StaffId, SystemClock, TenantId};
use line_simulator::{AccountCard, AccountSpec, Control, Options, PersonId, PersonSpec, Simulator};
use messaging_outbox::{App, Config, ContentConfig, PROGRAM, SenderConfig};
use messaging_outbox_core::lane::LaneTimes;
use messaging_outbox_core::state::MessageState;
use prost::Message as _;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use sqlx::{Connection as _, PgConnection};
use testkit::eventually;
use tonic::Request;
use url::Url;
use uuid::Uuid;

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

/// One running process of the service.
pub(crate) struct House {
    pub(crate) host: Host,
    pub(crate) app: App,
}

impl World {
    pub(crate) async fn new(hint: &str) -> Self {
        let database = testkit::postgres::Cluster::shared().fresh_database(hint).await.unwrap();
        chassis::postgres::migrate(&database.admin_url(), "messaging", PROGRAM.migrations).await.unwrap();
        let line = Simulator::start(Options::default()).await.unwrap();
        let host = Host::start("world", HostConfig::loopback()).unwrap();
        let prefix = testkit::nats::prefix();
        let bus = Bus::connect(&bus_config(&prefix), &host).await.unwrap();
        eventually(SOON, || std::future::ready(host.readiness().is_ready().then_some(()))).await.unwrap();
        let publisher = Publisher::new(&bus, 64);
        let control = line.control();
        Self { line, control, database, seal_key: PrivateKey::generate(), prefix, publisher, _host: host }
    }

    /// Starts the service, or one more replica of it.
    pub(crate) async fn open(&self) -> House {
        let host = Host::start("messaging-outbox", HostConfig::loopback()).unwrap();
        let url = Url::parse(self.line.base_url()).unwrap();
        let mut postgres: Url = self.database.admin_url().parse().unwrap();
        postgres.set_username("").unwrap();
        let config = Config {
            grpc: GrpcConfig::from(std::net::SocketAddr::from(([127, 0, 0, 1], 0))),
            postgres: PostgresConfig { connections: 10, worker_connections: 4, ..PostgresConfig::at(postgres) },
            bus: bus_config(&self.prefix),
            identity: None,
            seal_key: self.seal_key.clone(),
            master_keys: MasterKeys::parse(MASTER).unwrap(),
            line_api_url: url.clone(),
            line_data_url: url,
            sender: SenderConfig {
                times: LaneTimes::new(Duration::from_secs(3), Duration::from_millis(500), Duration::from_millis(1_500))
                    .unwrap(),
                calls_of_lane: 16,
                calls: 64,
                lanes: 100,
            },
            content: ContentConfig { at_once: 2, most_bytes: 1024 * 1024 },
            inbound_transactions: 4,
        };
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
        let rights: Vec<i32> = (1..=19).filter_map(|right| Right::try_from(right).ok()).map(i32::from).collect();
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
            suspended: false,
        };
        self.say(tenant, Body::Tenant(of_tenant)).await;
        self.say(tenant, Body::Principal(principal)).await;
        self.say(tenant, Body::Staff(staff)).await;
        self.connect_account(tenant, 1, events::AccountState::Connected).await;
    }

    /// Says how the account stands, with its long-lived token as credential.
    pub(crate) async fn connect_account(&self, tenant: &Tenant, version: i64, state: events::AccountState) {
        let ciphertext = seal::seal(&self.seal_key.public(), tenant.card.access_token.as_bytes()).unwrap();
        self.connect_with(tenant, version, state, events::ChannelCredentialKind::LongLivedToken, ciphertext).await;
    }

    pub(crate) async fn connect_with(
        &self,
        tenant: &Tenant,
        version: i64,
        state: events::AccountState,
        kind: events::ChannelCredentialKind,
        ciphertext: Vec<u8>,
    ) {
        let material =
            events::SealedSecret { recipient: "messaging".to_owned(), key_id: self.seal_key.public().id(), ciphertext };
        let account = events::AccountReplica {
            account_id: tenant.account.to_string(),
            version,
            provider_id: tenant.provider.to_string(),
            channel_id: tenant.card.channel_id.as_str().to_owned(),
            state: state.into(),
            credential: Some(events::ChannelCredential {
                kind: kind.into(),
                material: Some(material),
                key_id: String::new(),
            }),
            ..Default::default()
        };
        self.say(tenant, Body::Account(account)).await;
    }

    /// Says something as identity-linking would.
    pub(crate) async fn say(&self, tenant: &Tenant, body: Body) {
        let event = events::IdentityEvent { body: Some(body) };
        let now = SystemClock.now();
        let header = EventHeader {
            id: EventId::new(now).to_string(),
            kind: "tsunagi.events.v1.IdentityEvent".to_owned(),
            source: "identity-linking".to_owned(),
            time: now,
            tenant: Some(tenant.id),
            trace: None,
        };
        let subject = Subject::event(Family::Identity, Some(tenant.id), &event.happened()).unwrap();
        let outbound = Outbound { subject, header, payload: event.encode_to_vec().into() };
        self.publisher.publish(&outbound).await.unwrap().await.unwrap();
    }

    /// Somebody who is a friend of the tenant's account.
    pub(crate) async fn friend(&self, tenant: &Tenant) -> PersonId {
        let person = self.control.add_person(&PersonSpec::default()).await.unwrap();
        self.control.add_friend(&tenant.card.channel_id, &person).await.unwrap();
        person
    }

    /// One number out of the database, seen by its superuser.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        let mut admin = PgConnection::connect(&self.database.admin_url()).await.unwrap();
        sqlx::query_scalar(sql).fetch_one(&mut admin).await.unwrap()
    }
}

fn bus_config(prefix: &str) -> BusConfig {
    BusConfig { prefix: Some(prefix.to_owned()), ..BusConfig::at(testkit::nats::url()) }
}

impl Tenant {
    /// The request, made by the tenant's staff member.
    pub(crate) fn as_staff<T>(&self, message: T) -> Request<T> {
        let now = SystemClock.now().timestamp();
        let header = serde_json::json!({"alg": "EdDSA", "typ": "JWT", "kid": "staff"});
        let claims = serde_json::json!({"iss": self.token.principal.to_string(), "sub": self.staff.to_string(),
            "tenant": self.id.to_string(), "iat": now, "exp": now + 240});
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(self.staff_key.sign(signed.as_bytes()));
        let mut request = Request::new(message);
        request.metadata_mut().insert("tsunagi-staff-assertion", format!("{signed}.{signature}").parse().unwrap());
        request
    }
}

impl House {
    fn client(&self, tenant: &Tenant) -> Client {
        let url = Url::parse(&format!("http://{}", self.app.grpc_addr())).unwrap();
        Client::connect_lazy(&url, &tenant.token.reveal()).unwrap()
    }

    pub(crate) fn conversations(&self, tenant: &Tenant) -> ConversationServiceClient<Client> {
        ConversationServiceClient::new(self.client(tenant))
    }

    pub(crate) fn messages(&self, tenant: &Tenant) -> MessageServiceClient<Client> {
        MessageServiceClient::new(self.client(tenant))
    }

    pub(crate) fn quota(&self, tenant: &Tenant) -> QuotaServiceClient<Client> {
        QuotaServiceClient::new(self.client(tenant))
    }

    pub(crate) fn gateway(&self, tenant: &Tenant) -> LineGatewayServiceClient<Client> {
        LineGatewayServiceClient::new(self.client(tenant))
    }

    /// The tenant's conversations.
    pub(crate) async fn list(&self, tenant: &Tenant) -> Vec<wire::Conversation> {
        let request = wire::ListConversationsRequest::default();
        self.conversations(tenant).list_conversations(request).await.unwrap().into_inner().conversations
    }

    /// The messages of a conversation, the latest first.
    pub(crate) async fn messages_of(&self, tenant: &Tenant, conversation: &str) -> Vec<wire::Message> {
        let request = wire::ListMessagesRequest { conversation_id: conversation.to_owned(), ..Default::default() };
        self.conversations(tenant).list_messages(request).await.unwrap().into_inner().messages
    }

    /// The tenant's only conversation, once it has `count` messages.
    pub(crate) async fn conversation_with(&self, tenant: &Tenant, count: usize) -> wire::Conversation {
        eventually(SOON, || async {
            let conversations = self.list(tenant).await;
            let Some(first) = conversations.into_iter().next() else { return Err("no conversation".to_owned()) };
            let messages = self.messages_of(tenant, &first.conversation_id).await.len();
            let seen = self.list(tenant).await.swap_remove(0);
            if messages == count { Ok(seen) } else { Err(format!("{messages} messages")) }
        })
        .await
        .unwrap()
    }

    /// A friend who wrote, and the conversation it made.
    pub(crate) async fn conversing(&self, world: &World, tenant: &Tenant) -> (PersonId, wire::Conversation) {
        let person = world.friend(tenant).await;
        world.control.write_text(&tenant.card.channel_id, &person, "hello").await.unwrap();
        (person, self.conversation_with(tenant, 1).await)
    }

    pub(crate) async fn send(
        &self,
        tenant: &Tenant,
        conversation: &str,
        text: &str,
        policy: wire::SendPolicy,
    ) -> String {
        let request = send_request(conversation, text, policy);
        let answer = self.messages(tenant).send_message(tenant.as_staff(request)).await.unwrap();
        answer.into_inner().message.unwrap().message_id
    }

    pub(crate) async fn message(&self, tenant: &Tenant, id: &str) -> wire::Message {
        let request = wire::GetMessageRequest { message_id: id.to_owned() };
        self.messages(tenant).get_message(request).await.unwrap().into_inner().message.unwrap()
    }

    /// The message, once it is in `state`.
    pub(crate) async fn until(&self, tenant: &Tenant, id: &str, state: MessageState) -> wire::Message {
        eventually(SOON, || async {
            let message = self.message(tenant, id).await;
            if message.state == i32::from(state.code()) {
                Ok(message)
            } else {
                Err(format!("{:?} {:?}", message.state, message.failure))
            }
        })
        .await
        .unwrap_or_else(|error| panic!("{}: {error}", state.name()))
    }

    /// Ends as at SIGTERM.
    pub(crate) async fn close(self) {
        self.host.stop();
        self.host.wait().await.unwrap();
    }
}

pub(crate) fn send_request(conversation: &str, text: &str, policy: wire::SendPolicy) -> wire::SendMessageRequest {
    let content = wire::message_content::Kind::Text(wire::TextContent { text: text.to_owned(), ..Default::default() });
    wire::SendMessageRequest {
        conversation_id: conversation.to_owned(),
        content: Some(wire::MessageContent { kind: Some(content) }),
        policy: policy.into(),
        notification_disabled: false,
        request_id: Uuid::new_v4().to_string(),
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

impl World {
    /// Makes every lane's lease end now, under a holder that knows nothing of it.
    pub(crate) async fn forget_holder(&self) {
        let mut admin = PgConnection::connect(&self.database.admin_url()).await.unwrap();
        sqlx::query("UPDATE messaging.lane SET lease_until = now() - interval '1 second', holder = gen_random_uuid()")
            .execute(&mut admin)
            .await
            .unwrap();
    }
}
