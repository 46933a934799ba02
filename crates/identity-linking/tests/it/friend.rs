//! Friendships from webhook events, and friends over gRPC.

use contracts::access_proto::v1::Right;
use contracts::events::v1::FriendshipState;
use contracts::identity::v1::*;
use kernel::{AccountId, TenantId};
use prost_types::FieldMask;
use testkit::eventually;
use tonic::Code;

use crate::house::{House, SOON};
use crate::refused::{fields, reason};

pub(crate) const BOT: &str = "U0123456789abcdef0123456789abcdef";
const OTHER_BOT: &str = "Uffffffffffffffffffffffffffffffff";

pub(crate) fn user(number: u8) -> String {
    format!("U{number:032x}")
}

pub(crate) fn event(kind: &'static str, user: &str, at: i64) -> (&'static str, String) {
    let source = format!(r#"{{"type":"user","userId":"{user}"}}"#);
    (kind, format!(r#"{{"type":"{kind}","mode":"active","timestamp":{at},"source":{source}}}"#))
}

pub(crate) async fn friends(house: &House, tenant: TenantId, account: AccountId) -> Vec<Friend> {
    let request =
        ListFriendsRequest { page_size: 200, account_id: account.to_string(), ..ListFriendsRequest::default() };
    house.at(tenant).friends().list_friends(request).await.unwrap().into_inner().friends
}

pub(crate) async fn seen(house: &House, tenant: TenantId, account: AccountId, users: usize) -> Vec<Friend> {
    eventually(SOON, || async {
        let friends = friends(house, tenant, account).await;
        if friends.len() == users { Ok(friends) } else { Err(friends.len()) }
    })
    .await
    .unwrap()
}

async fn customers(house: &House, tenant: TenantId) -> usize {
    let listed = house.at(tenant).customers().list_customers(ListCustomersRequest::default()).await;
    listed.unwrap().into_inner().customers.len()
}

#[tokio::test]
async fn follow_block_and_an_old_friend_who_writes_are_known_and_make_no_customer() {
    let house = House::open("friend").await;
    let tenant = house.tenant().await;
    let (_, account) = house.account(tenant, BOT).await;
    house.messaging.name(&user(1), "はなこ");
    house
        .webhooks(
            tenant,
            account,
            &[
                event("follow", &user(1), 1_000),
                event("follow", &user(2), 2_000),
                event("unfollow", &user(2), 3_000),
                event("message", &user(3), 4_000),
                event("postback", &user(4), 5_000),
                event("message", &user(1), 6_000),
            ],
        )
        .await;
    let wanted = [
        (user(1), FriendshipState::Friend, 1),
        (user(2), FriendshipState::Blocked, 3),
        (user(3), FriendshipState::Seen, 4),
        (user(4), FriendshipState::Seen, 5),
    ];
    let friends = eventually(SOON, || async {
        let friends = friends(&house, tenant, account).await;
        let mut states: Vec<(String, FriendshipState, i64)> = friends
            .iter()
            .map(|friend| (friend.line_user_id.clone(), friend.state(), friend.state_time.unwrap().seconds))
            .collect();
        states.sort();
        if states == wanted { Ok(friends) } else { Err(states) }
    })
    .await
    .unwrap();
    assert_eq!(friends[0].first_seen_time.unwrap().seconds, 5, "latest first");
    let count = CountFriendsRequest { account_id: account.to_string() };
    let counted = house.at(tenant).friends().count_friends(count).await;
    assert_eq!(counted.unwrap().into_inner(), CountFriendsResponse { friends: 1, blocked: 1, seen: 2 });
    assert_eq!(customers(&house, tenant).await, 0, "a friend-add makes no customer (F-01, F-03)");
    let name = eventually(SOON, || async {
        let request =
            GetFriendRequest { account_id: account.to_string(), line_user_id: user(1), ..GetFriendRequest::default() };
        let friend = house.at(tenant).friends().get_friend(request).await.unwrap().into_inner().friend.unwrap();
        Some(friend.display_name).filter(|name| !name.is_empty())
    });
    assert_eq!(name.await.unwrap(), "はなこ");
}

#[tokio::test]
async fn any_order_and_repetition_ends_in_the_same_friendships() {
    let house = House::open("friend_order").await;
    let tenant = house.tenant().await;
    let (_, one) = house.account(tenant, BOT).await;
    let (_, two) = house.account(tenant, OTHER_BOT).await;
    let kinds = ["follow", "unfollow", "message", "follow", "postback", "unfollow"];
    let mut events: Vec<_> =
        (0u8..60).map(|n| event(kinds[usize::from(n) * 7 % 6], &user(n % 8), 1_000 + i64::from(n) * 37 % 60)).collect();
    house.webhooks(tenant, one, &events).await;
    // The other account hears the same, twice each and in another order.
    events = events.iter().chain(&events).cloned().collect();
    events.sort_by_key(|(kind, raw)| uuid::Uuid::new_v5(&uuid::Uuid::nil(), format!("{kind}{raw}").as_bytes()));
    house.webhooks(tenant, two, &events).await;
    let facts = |friends: Vec<Friend>| {
        let mut facts: Vec<_> = friends
            .into_iter()
            .map(|friend| (friend.line_user_id, friend.state, friend.state_time, friend.first_seen_time))
            .map(|(user, state, since, first)| (user, state, since.unwrap().nanos, first.unwrap().nanos))
            .collect();
        facts.sort();
        facts
    };
    eventually(SOON, || async {
        let (one, two) = (facts(friends(&house, tenant, one).await), facts(friends(&house, tenant, two).await));
        let handled: i64 =
            sqlx::query_scalar("SELECT count(*) FROM identity.inbox").fetch_one(&house.admin().await).await.unwrap();
        if one == two && one.len() == 8 && handled == 180 { Ok(()) } else { Err((handled, one, two)) }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn groups_rooms_and_events_without_a_user_make_nobody_a_friend() {
    let house = House::open("friend_group").await;
    let tenant = house.tenant().await;
    let (_, account) = house.account(tenant, BOT).await;
    let group = |source: &str| ("message", format!(r#"{{"type":"message","timestamp":1000,"source":{source}}}"#));
    house
        .webhooks(
            tenant,
            account,
            &[
                group(&format!(r#"{{"type":"group","groupId":"C1","userId":"{}"}}"#, user(1))),
                group(&format!(r#"{{"type":"room","roomId":"R1","userId":"{}"}}"#, user(2))),
                group(r#"{"type":"user"}"#),
                (
                    "accountLink",
                    r#"{"type":"accountLink","timestamp":1000,"link":{"result":"failed","nonce":"n"}}"#.to_owned(),
                ),
                event("message", &user(9), 2_000),
            ],
        )
        .await;
    let friends = seen(&house, tenant, account, 1).await;
    assert_eq!(friends[0].line_user_id, user(9));
    let dead: i64 = sqlx::query_scalar("SELECT count(*) FROM identity.parked_message")
        .fetch_one(&house.admin().await)
        .await
        .unwrap();
    assert_eq!(dead, 0);
}

#[tokio::test]
async fn an_account_that_is_only_registered_keeps_friendships_and_asks_line_nothing() {
    let house = House::open("friend_registered").await;
    let tenant = house.tenant().await;
    let provider = house.provider(tenant).await;
    let account = house.registered(tenant, &provider, BOT).await;
    house.messaging.name(&user(1), "はなこ");
    house.webhooks(tenant, account, &[event("follow", &user(1), 1_000)]).await;
    seen(&house, tenant, account, 1).await;
    let admin = house.admin().await;
    let parked = eventually(SOON, || async {
        let due: bool = sqlx::query_scalar("SELECT due_time = 'infinity' FROM identity.profile_request")
            .fetch_one(&admin)
            .await
            .unwrap();
        due.then_some(())
    });
    parked.await.unwrap();
    assert_eq!((house.messaging.profiles_asked(), customers(&house, tenant).await), (0, 0));

    house.messaging.bot(&account.to_string(), BOT);
    let connect = ConnectOfficialAccountRequest { account_id: account.to_string(), webhook_endpoint: String::new() };
    house.at(tenant).accounts().connect_official_account(connect).await.unwrap();
    eventually(SOON, || async {
        let friend = friends(&house, tenant, account).await.remove(0);
        (friend.display_name == "はなこ").then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn what_friends_write_is_not_kept_where_events_are_put_aside() {
    let house = House::open("friend_text").await;
    let tenant = house.tenant().await;
    // Heard of before its account: nobody can say who wrote, so it becomes a dead letter.
    let unknown = AccountId::new(kernel::Clock::now(&kernel::SystemClock));
    let (_, plain) = event("message", &user(1), 1_000);
    let more = r#""replyToken":"a-reply-token","message":{"id":"1","type":"text","text":"secret words"}"#;
    let whole = format!("{{{more},{}", plain.trim_start_matches('{'));
    house.webhooks(tenant, unknown, &[("message", whole)]).await;
    let admin = house.admin().await;
    let kept = eventually(SOON, || async {
        let kept: Vec<String> = sqlx::query_scalar(
            "SELECT encode(payload, 'escape') FROM identity.parked_message WHERE gave_up_at IS NOT NULL ORDER BY event_id",
        )
        .fetch_all(&admin)
        .await
        .unwrap();
        if kept.len() == 1 { Ok(kept) } else { Err(kept.len()) }
    })
    .await
    .unwrap();
    for hidden in ["secret words", "a-reply-token"] {
        assert!(kept.iter().all(|payload| !payload.contains(hidden)), "{kept:?}");
    }
    assert!(kept[0].contains(&user(1)), "who wrote can be told once the account is known: {kept:?}");
}

#[tokio::test]
async fn line_user_ids_are_for_those_who_may_see_them() {
    let house = House::open("friend_ids").await;
    let tenant = house.tenant().await;
    let (_, account) = house.account(tenant, BOT).await;
    house.webhooks(tenant, account, &[event("follow", &user(1), 1_000)]).await;
    let known = seen(&house, tenant, account, 1).await.remove(0);
    let reader = house.program(tenant, &[Right::FriendsRead]).await;
    let get = GetFriendRequest {
        account_id: account.to_string(),
        friend_id: known.friend_id.clone(),
        ..GetFriendRequest::default()
    };
    let shown = reader.friends().get_friend(get).await.unwrap().into_inner().friend.unwrap();
    assert_eq!(shown, Friend { line_user_id: String::new(), ..known });
    let listed = ListFriendsRequest { account_id: account.to_string(), ..ListFriendsRequest::default() };
    let listed = reader.friends().list_friends(listed).await.unwrap().into_inner();
    assert!(listed.friends.iter().all(|friend| friend.line_user_id.is_empty()));
    let by_line_id =
        GetFriendRequest { account_id: account.to_string(), line_user_id: user(1), ..GetFriendRequest::default() };
    assert_eq!(
        reason(reader.friends().get_friend(by_line_id).await),
        (Code::PermissionDenied, "RIGHT_MISSING".to_owned())
    );
}

#[tokio::test]
async fn what_the_tenant_recorded_of_a_friend_touches_no_customer() {
    let house = House::open("friend_attributes").await;
    let tenant = house.tenant().await;
    let (_, account) = house.account(tenant, BOT).await;
    house.webhooks(tenant, account, &[event("follow", &user(1), 1_000)]).await;
    let known = seen(&house, tenant, account, 1).await.remove(0);
    let at = house.at(tenant);
    let update = |attributes: FriendAttributes, paths: &[&str]| UpdateFriendRequest {
        friend: Some(Friend {
            account_id: account.to_string(),
            friend_id: known.friend_id.clone(),
            attributes: Some(attributes),
            ..Friend::default()
        }),
        update_mask: Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }),
    };
    let all = FriendAttributes {
        mobile_number: "090-1234-5678".to_owned(),
        gender: "FEMALE".to_owned(),
        age: 30,
        prefecture: "東京都".to_owned(),
    };
    let changed = at.friends().update_friend(update(all.clone(), &["attributes"])).await.unwrap().into_inner();
    let kept = FriendAttributes { mobile_number: "+819012345678".to_owned(), ..all };
    assert_eq!(changed.friend.unwrap().attributes.unwrap(), kept);
    let cleared = update(FriendAttributes::default(), &["attributes.age"]);
    let changed = at.friends().update_friend(cleared).await.unwrap().into_inner().friend.unwrap();
    assert_eq!(changed.attributes.unwrap(), FriendAttributes { age: 0, ..kept });
    assert_eq!(customers(&house, tenant).await, 0);
    let wrong = FriendAttributes {
        mobile_number: "03-1234-5678".to_owned(),
        gender: "x".to_owned(),
        age: 151,
        prefecture: "x".repeat(101),
    };
    assert_eq!(
        fields(at.friends().update_friend(update(wrong, &["*", "state"])).await),
        [
            "update_mask",
            "friend.attributes.mobile_number",
            "friend.attributes.gender",
            "friend.attributes.age",
            "friend.attributes.prefecture"
        ]
    );
    assert_eq!(fields(at.friends().get_friend(GetFriendRequest::default()).await), ["account_id", "friend_id"]);
    let list = ListFriendsRequest { page_size: -1, state: 99, ..ListFriendsRequest::default() };
    assert_eq!(fields(at.friends().list_friends(list).await), ["account_id", "page_size", "state"]);
}
