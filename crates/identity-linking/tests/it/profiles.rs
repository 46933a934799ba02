//! Profiles of LINE users: asked for until LINE answers, in turns between tenants.

use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::ConnectOfficialAccountRequest;
use kernel::{AccountId, TenantId};
use testkit::eventually;
use tonic::Status;

use crate::friend::{BOT, event, friends, seen, user};
use crate::house::{House, SOON};

/// Waits until the user's name is shown.
async fn named(house: &House, tenant: TenantId, account: AccountId, name: &str) {
    eventually(SOON, || async {
        let shown = friends(house, tenant, account).await.pop().map(|friend| friend.display_name);
        if shown.as_deref() == Some(name) { Ok(()) } else { Err(shown) }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn connecting_an_account_that_is_connected_wakes_what_was_parked() {
    let house = House::open("friend_wake").await;
    let tenant = house.tenant().await;
    let (_, account) = house.account(tenant, BOT).await;
    house.messaging.name(&user(1), "はなこ");
    house.messaging.refuse(Some(Status::unavailable("LINE is away")));
    house.webhooks(tenant, account, &[event("message", &user(1), 1_000)]).await;
    eventually(SOON, || std::future::ready((house.messaging.profiles_asked() > 0).then_some(()))).await.unwrap();
    let parked = "UPDATE identity.profile_request SET due_time = 'infinity', claim = NULL";
    assert_eq!(sqlx::query(parked).execute(&house.admin().await).await.unwrap().rows_affected(), 1);
    house.messaging.refuse(None);
    let connect = ConnectOfficialAccountRequest { account_id: account.to_string(), webhook_endpoint: String::new() };
    house.at(tenant).accounts().connect_official_account(connect).await.unwrap();
    named(&house, tenant, account, "はなこ").await;
}

#[tokio::test]
async fn a_request_is_not_parked_while_its_account_is_being_connected() {
    let house = House::open("friend_race").await;
    let tenant = house.tenant().await;
    let provider = house.provider(tenant).await;
    let account = house.registered(tenant, &provider, BOT).await;
    house.messaging.name(&user(1), "はなこ");
    let admin = house.admin().await;
    // Whoever connects it has woken what was parked, and commits a little later.
    let mut connecting = admin.begin().await.unwrap();
    let connected =
        "UPDATE identity.official_account SET state = 'CONNECTED', connect_time = now() WHERE account_id = $1";
    sqlx::query(connected).bind(account.uuid()).execute(&mut *connecting).await.unwrap();
    house.webhooks(tenant, account, &[event("message", &user(1), 1_000)]).await;
    let waits = "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FOR SHARE%'";
    eventually(SOON, || async {
        let waiting: i64 = sqlx::query_scalar(waits).fetch_one(&admin).await.unwrap();
        (waiting > 0).then_some(())
    })
    .await
    .unwrap();
    connecting.commit().await.unwrap();
    named(&house, tenant, account, "はなこ").await;
}

#[tokio::test]
async fn a_profile_is_asked_for_until_line_answers_and_anew_after_a_follow() {
    let house = House::open("friend_profile").await;
    let tenant = house.tenant().await;
    let (_, account) = house.account(tenant, BOT).await;
    house.messaging.refuse(Some(Status::unavailable("LINE is away")));
    house.webhooks(tenant, account, &[event("message", &user(1), 1_000)]).await;
    seen(&house, tenant, account, 1).await;
    eventually(SOON, || std::future::ready((house.messaging.profiles_asked() >= 2).then_some(()))).await.unwrap();
    house.messaging.name(&user(1), "はなこ");
    house.messaging.refuse(None);
    let shows = |name: &'static str| {
        let house = &house;
        eventually(SOON, move || async move {
            let friend = friends(house, tenant, account).await.remove(0);
            if friend.display_name == name { Ok(()) } else { Err(friend.display_name) }
        })
    };
    shows("はなこ").await.unwrap();
    house.messaging.name(&user(1), "花子");
    house.webhooks(tenant, account, &[event("follow", &user(1), 2_000)]).await;
    shows("花子").await.unwrap();
    let versions: Vec<i64> = house
        .told(Some(tenant))
        .await
        .into_iter()
        .filter_map(|body| if let Body::LineUser(user) = body { Some(user.version) } else { None })
        .collect();
    assert_eq!(versions, [1, 2, 3]);
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM identity.profile_request")
        .fetch_one(&house.admin().await)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_profile_is_read_at_once_behind_another_tenants_thirty_thousand() {
    let house = House::open("friend_fair").await;
    let (many, tenant) = (house.tenant().await, house.tenant().await);
    let (_, account) = house.account(tenant, BOT).await;
    let admin = house.admin().await;
    sqlx::query(
        "INSERT INTO identity.profile_request (tenant_id, friend_id, account_id, due_time, tries)
         SELECT $1, gen_random_uuid(), gen_random_uuid(), now() - interval '1 hour', 0 FROM generate_series(1, 30000)",
    )
    .bind(many.uuid())
    .execute(&admin)
    .await
    .unwrap();
    house.messaging.name(&user(1), "はなこ");
    house.webhooks(tenant, account, &[event("message", &user(1), 1_000)]).await;
    eventually(SOON, || async {
        let shown = friends(&house, tenant, account).await.pop().map(|friend| friend.display_name);
        if shown.as_deref() == Some("はなこ") { Ok(()) } else { Err(shown) }
    })
    .await
    .unwrap();
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM identity.profile_request WHERE due_time <= now()")
        .fetch_one(&admin)
        .await
        .unwrap();
    assert!(left > 10_000, "{left} of the others' were not begun");
}
