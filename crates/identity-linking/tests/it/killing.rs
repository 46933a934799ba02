//! The program killed (SIGKILL) wherever it can hurt: what LINE told and what callers were promised is there, each once.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt as _;

use chassis::grpc::Client;
use contracts::events::v1::FriendshipState;
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::*;
use kernel::{AccountId, TenantId};
use testkit::eventually;
use testkit::process::Process;
use tonic::Status;
use url::Url;

use crate::customer::yamada;
use crate::friend::{event, user};
use crate::house::{Caller, House, MASTER, SOON};

/// Where the program dies, and at which pass.
const PLACES: [(&str, u32); 9] = [
    ("identity.before_event", 3),
    ("identity.after_event", 3),
    ("identity.after_commit", 3),
    ("identity.profile.before_line", 2),
    ("identity.profile.after_line", 2),
    ("identity.connect.after_line", 1),
    ("bus.consumer.before_commit", 1),
    ("bus.consumer.after_commit", 1),
    ("bus.relay.after_publish", 3),
];

/// What LINE tells: user 1 blocked, 2 only wrote, 3 followed, 4 came back.
fn told() -> Vec<(&'static str, String)> {
    vec![
        event("follow", &user(1), 1_000),
        event("message", &user(2), 2_000),
        event("unfollow", &user(1), 3_000),
        event("follow", &user(3), 4_000),
        event("follow", &user(4), 5_000),
        event("unfollow", &user(4), 6_000),
        event("message", &user(3), 7_000),
        event("follow", &user(4), 8_000),
    ]
}

const AFTERWARDS: [(u8, FriendshipState); 4] = [
    (1, FriendshipState::Blocked),
    (2, FriendshipState::Seen),
    (3, FriendshipState::Friend),
    (4, FriendshipState::Friend),
];

#[tokio::test]
async fn a_process_killed_at_any_point_loses_nothing_and_does_nothing_twice() {
    let mut house = House::open("killed").await;
    for number in 1..=4 {
        house.messaging.name(&user(number), &format!("友だち{number}"));
    }
    for (place, pass) in PLACES {
        let tenant = house.tenant().await;
        let (provider, account) = house.account(tenant, &user(100)).await;
        let second = house.registered(tenant, &provider, &user(101)).await;
        house.messaging.bot(&second.to_string(), &user(101));
        house.stop().await;

        let port = testkit::port::free();
        let mut killed = program(&house, port, &format!("{place}=kill@{pass}"));
        house.webhooks(tenant, account, &told()).await;
        let wishes: Vec<Wish> = (0..4).map(Wish::customer).chain([Wish::Connect(second)]).collect();
        for wish in &wishes {
            // As a careful caller does: the same call, until it is answered; the process may be gone before the last.
            let granted = eventually(SOON, || {
                let running = killed.is_running();
                let caller = at(&house, tenant, port);
                async move {
                    match wish.call(&caller).await {
                        Err(status) if running => Err(status.code()),
                        _ => Ok(()),
                    }
                }
            });
            granted.await.unwrap();
        }
        let status = killed.exit(SOON).await.unwrap();
        assert_eq!(status.signal(), Some(9), "{place}: {:?}", killed.lines());

        house.start().await;
        for wish in &wishes {
            let caller = house.at(tenant);
            eventually(SOON, || wish.call(&caller)).await.unwrap_or_else(|status| panic!("{place}: {status}"));
        }
        // Profile requests the dead process had taken come back when their lease is over; the test does not wait for that.
        sqlx::query("UPDATE identity.profile_request SET due_time = now() WHERE due_time < 'infinity'")
            .execute(&house.admin().await)
            .await
            .unwrap();
        let friends = eventually(SOON, || settled(&house, tenant, account)).await;
        let friends = friends.unwrap_or_else(|found| panic!("{place}: {found}"));
        assert!(friends.iter().all(|friend| !friend.display_name.is_empty()), "{place}");
        each_once(&house, tenant, place).await;
    }
    every_event_is_published_once(&house).await;
}

/// What a caller wants done, once.
enum Wish {
    /// A new customer.
    Customer(Box<CreateCustomerRequest>),
    /// An account opened.
    Connect(AccountId),
}

impl Wish {
    fn customer(number: u8) -> Self {
        let request_id = uuid::Uuid::new_v4().to_string();
        Self::Customer(Box::new(CreateCustomerRequest { request_id, ..yamada(&format!("C-{number}")) }))
    }

    async fn call(&self, caller: &Caller) -> Result<(), Status> {
        match self {
            Self::Customer(request) => {
                caller.customers().create_customer(CreateCustomerRequest::clone(request)).await.map(drop)
            }
            Self::Connect(account) => {
                let account_id = account.to_string();
                let request = ConnectOfficialAccountRequest { account_id, webhook_endpoint: String::new() };
                caller.accounts().connect_official_account(request).await.map(drop)
            }
        }
    }
}

fn at(house: &House, tenant: TenantId, port: u16) -> Caller {
    let url = Url::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    Caller(Client::on_loopback(&url, &house.operator).unwrap().for_tenant(tenant))
}

/// The program on the house's database, while the house is stopped: its pages are at the house's address.
pub(crate) fn program(house: &House, port: u16, failpoints: &str) -> Process {
    Process::of(env!("CARGO_BIN_EXE_identity-linking"))
        .env("TSUNAGI_DATABASE_URL", house.url().as_str())
        .env("TSUNAGI_NATS_URL", testkit::nats::url())
        .env("TSUNAGI_NATS_PREFIX", &house.prefix)
        .env("TSUNAGI_IDENTITY_GRPC_ADDR", format!("127.0.0.1:{port}"))
        .env("TSUNAGI_IDENTITY_ADMIN_ADDR", "127.0.0.1:0")
        .env("TSUNAGI_IDENTITY_PAGES_ADDR", format!("127.0.0.1:{}", house.pages_url().port().unwrap()))
        .env("TSUNAGI_IDENTITY_PAGES_URL", house.pages_url().as_str())
        .env("TSUNAGI_IDENTITY_TOKEN", "unchecked")
        .env("TSUNAGI_MESSAGING_URL", &house.messaging_url)
        .env("TSUNAGI_MASTER_KEYS", MASTER)
        .env("TSUNAGI_INGEST_SEAL_PUBLIC_KEY", house.ingest_key.public().text())
        .env("TSUNAGI_MESSAGING_SEAL_PUBLIC_KEY", house.messaging_key.public().text())
        .env("TSUNAGI_FAILPOINTS", failpoints)
        .start()
        .unwrap()
}

/// The account's friends, once each is as LINE told last and has a name; what there is until then.
async fn settled(house: &House, tenant: TenantId, account: AccountId) -> Result<Vec<Friend>, String> {
    let request =
        ListFriendsRequest { page_size: 200, account_id: account.to_string(), ..ListFriendsRequest::default() };
    let listed = house.at(tenant).friends().list_friends(request).await.map_err(|status| status.to_string())?;
    let friends = listed.into_inner().friends;
    let states: BTreeMap<String, FriendshipState> =
        friends.iter().map(|friend| (friend.line_user_id.clone(), friend.state())).collect();
    let wanted = AFTERWARDS.map(|(number, state)| (user(number), state)).into();
    let named = friends.iter().all(|friend| !friend.display_name.is_empty());
    let handled: i64 = sqlx::query_scalar("SELECT count(*) FROM identity.inbox WHERE tenant_id = $1")
        .bind(tenant.uuid())
        .fetch_one(&house.admin().await)
        .await
        .map_err(|error| error.to_string())?;
    let counted = CountFriendsRequest { account_id: account.to_string() };
    let counted = house.at(tenant).friends().count_friends(counted).await.map_err(|status| status.to_string())?;
    let right = CountFriendsResponse { friends: 2, blocked: 1, seen: 1 };
    if states == wanted && named && handled == 8 && counted.get_ref() == &right && friends.len() == 4 {
        Ok(friends)
    } else {
        Err(format!("{states:?}, named: {named}, handled: {handled}, {counted:?}"))
    }
}

/// Every wish was granted once, and every change told once: versions without a gap or a repetition, one audit row a call.
async fn each_once(house: &House, tenant: TenantId, place: &str) {
    let list = ListCustomersRequest { page_size: 200, ..ListCustomersRequest::default() };
    let customers = house.at(tenant).customers().list_customers(list).await.unwrap().into_inner().customers;
    let references: BTreeSet<&str> = customers.iter().map(|customer| customer.external_reference.as_str()).collect();
    assert_eq!((customers.len(), references), (4, ["C-0", "C-1", "C-2", "C-3"].into()), "{place}");
    let audit = house.audit(tenant).await;
    assert_eq!(audit.iter().filter(|action| *action == "customer.create").count(), 4, "{place}");

    let mut versions: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for body in house.told(Some(tenant)).await {
        let (thing, version) = match body {
            Body::Friendship(told) => (format!("friendship {}/{}", told.account_id, told.line_user_id), told.version),
            Body::LineUser(told) => (format!("line user {}", told.line_user_id), told.version),
            Body::Customer(told) => (format!("customer {}", told.customer_id), told.version),
            Body::Account(told) => (format!("account {}", told.account_id), told.version),
            _ => continue,
        };
        versions.entry(thing).or_default().push(version);
    }
    assert_eq!(versions.keys().filter(|thing| thing.starts_with("customer")).count(), 4, "{place}");
    assert_eq!(versions.keys().filter(|thing| thing.starts_with("friendship")).count(), 4, "{place}");
    for (thing, told) in &versions {
        let without_gap: Vec<i64> = (1..).take(told.len()).collect();
        assert_eq!(told, &without_gap, "{place}: {thing}");
        // Named once: a name that was read and kept is not told again.
        assert!(!thing.starts_with("line user") || told.len() == 2, "{place}: {thing} {told:?}");
    }
}

/// The stream holds each event of the outbox once.
pub(crate) async fn every_event_is_published_once(house: &House) {
    let admin = house.admin().await;
    let published = eventually(SOON, || async {
        let kept: Vec<uuid::Uuid> =
            sqlx::query_scalar("SELECT event_id FROM identity.outbox").fetch_all(&admin).await.unwrap();
        let kept: BTreeSet<String> = kept.into_iter().map(|id| id.to_string()).collect();
        let ids = testkit::nats::event_ids(&testkit::nats::url(), &house.prefix, "IDENTITY").await.unwrap();
        let distinct: BTreeSet<String> = ids.iter().cloned().collect();
        let once = distinct.len() == ids.len() && distinct == kept;
        if once { Ok(()) } else { Err((kept.len(), distinct.len(), ids.len())) }
    });
    published.await.expect("kept, published, published in all");
}
