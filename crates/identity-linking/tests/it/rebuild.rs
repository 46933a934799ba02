//! A tenant's friendships are made anew from what LINE told: beside those that are kept, and then in their place (L-15).

mod place;

use std::os::unix::process::ExitStatusExt as _;

use chassis::grpc::Client;
use contracts::events::v1::FriendshipState;
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::*;
use testkit::eventually;
use tonic::Code;
use uuid::Uuid;

use crate::friend::{event, friends, user};
use crate::house::{Caller, SOON};
use crate::killing::program;
use crate::refused::fields;
use place::{Place, service, told};

/// A wrong block of a friend by an event of no archive, a block that was lost, and a first sight that nobody tells of any more.
const SPOILT: &str = "
UPDATE identity.friendship f SET version = f.version + 1,
    state = CASE u.line_user_id WHEN $1 THEN 'BLOCKED' ELSE 'FRIEND' END,
    turn_time = CASE u.line_user_id WHEN $1 THEN now() ELSE to_timestamp(2) END, turn_event_id = 'spoilt'
FROM identity.line_user u WHERE u.tenant_id = f.tenant_id AND u.friend_id = f.friend_id AND u.line_user_id IN ($1, $2)";

#[tokio::test]
async fn friendships_are_made_anew_beside_what_is_kept_and_take_its_place() {
    let place = Place::open("rebuild").await;
    let right = place.known().await;
    sqlx::query(SPOILT).bind(user(1)).bind(user(2)).execute(&place.house.admin().await).await.unwrap();
    let spoilt = place.known().await;
    assert_ne!(spoilt, right);
    let told_before = place.house.told(Some(place.tenant)).await.len();
    let profiles = place.rows().await.1;

    place.prepare().await;
    assert_eq!(place.known().await, spoilt, "nobody sees that it is made anew");
    // In another order, and twice.
    let mut again = told();
    again.rotate_left(4);
    again.reverse();
    place.tell_again(&again).await;
    place.tell_again(&again).await;
    place.handled(2 * told().len()).await;
    assert_eq!(place.known().await, spoilt, "what is told again is not shown yet");
    // What happens meanwhile is.
    place.tell(&[event("unfollow", &user(5), 9_000)]).await;
    place.handled(2 * told().len() + 1).await;
    let shown: Vec<_> = place.known().await.into_iter().filter(|(who, ..)| *who == user(5)).collect();
    assert_eq!(shown, [(user(5), FriendshipState::Blocked, 9_000, 8_000)]);

    let done = place.finish(false).await;
    assert_eq!((done.replaced, done.renewed_count, done.kept_count), (true, 5, 0));
    let mut expected = right;
    expected[4] = shown[0].clone();
    assert_eq!(place.known().await, expected);
    let told_now: Vec<Body> = place.house.told(Some(place.tenant)).await.split_off(told_before);
    let mut heard: Vec<(String, FriendshipState)> = told_now
        .iter()
        .map(|body| match body {
            Body::Friendship(told) => (told.line_user_id.clone(), told.state()),
            other => panic!("{other:?}"),
        })
        .collect();
    heard.sort();
    assert_eq!(
        heard,
        [(user(1), FriendshipState::Friend), (user(2), FriendshipState::Blocked), (user(5), FriendshipState::Blocked)],
        "replicas hear what differs from what they knew, and nobody else hears anything"
    );
    assert_eq!(place.rows().await.1, profiles, "LINE is asked for no profile");
    assert_eq!(place.number("SELECT count(*) FROM identity.friendship WHERE anew_state IS NOT NULL").await, 0);
    let count = CountFriendsRequest { account_id: place.account.to_string() };
    let counted = place.house.at(place.tenant).friends().count_friends(count).await.unwrap().into_inner();
    assert_eq!(counted, CountFriendsResponse { friends: 2, blocked: 2, seen: 1 });
    // Called again, as after a crash, it changes nothing.
    let rows = place.rows().await;
    place.prepare().await;
    assert_eq!(place.finish(false).await, done);
    assert_eq!(place.rows().await, rows);
}

#[tokio::test]
async fn an_event_of_a_rebuild_is_handled_once_in_it_and_whatever_was_not_is_told() {
    let place = Place::open("rebuild_wait").await;
    place.prepare().await;
    let never = format!("{:026}", 77);
    assert_eq!(place.unhandled(std::slice::from_ref(&never)).await, (vec![never.clone()], 0));
    let all: Vec<String> = place.tell_again(&told()).await;
    place.handled(2 * told().len()).await;
    assert_eq!(place.unhandled(&[all, vec![never.clone()]].concat()).await, (vec![never], 0));
    place.finish(false).await;
    let rows = place.rows().await;
    place.tell_again(&told()).await;
    place.heard_again(&[event("message", &user(1), 50_000)]).await;
    place.handled(2 * told().len() + 1).await;
    assert_eq!(place.rows().await, rows);
    // Somebody who was not known is known by it, and LINE is not asked who that is.
    place.heard_again(&[event("follow", &user(6), 60_000)]).await;
    assert_eq!(place.known().await.len(), 6);
    assert_eq!(place.rows().await.1, rows.1);
}

#[tokio::test]
async fn a_copy_that_is_kept_aside_is_waited_for_until_somebody_drops_it() {
    let place = Place::open("rebuild_aside").await;
    place.prepare().await;
    let id = place.tell_again(&[("message", "nothing".to_owned())]).await;
    eventually(SOON, || async {
        let unhandled = place.unhandled(&id).await;
        if unhandled == (Vec::new(), 1) { Ok(()) } else { Err(unhandled) }
    })
    .await
    .unwrap();
    let drop = "UPDATE identity.parked_message SET state = 'dropped', due_at = NULL, settled_at = now(), headers = NULL, payload = NULL";
    sqlx::query(drop).execute(&place.house.admin().await).await.unwrap();
    assert_eq!(place.unhandled(&id).await, (Vec::new(), 0));
}

#[tokio::test]
async fn preparing_again_after_a_crash_forgets_nothing_that_was_told_since() {
    let place = Place::open("rebuild_again").await;
    let right = place.known().await;
    place.prepare().await;
    place.heard_again(&told()).await;
    place.prepare().await;
    assert_eq!(place.finish(false).await.renewed_count, 5);
    assert_eq!(place.known().await, right);
}

#[tokio::test]
async fn what_no_event_tells_of_any_more_stands_as_it_stood() {
    let place = Place::open("rebuild_gone").await;
    let rows = place.rows().await;
    // Not one event is left, of anybody.
    place.prepare().await;
    let done = place.finish(false).await;
    assert_eq!((done.replaced, done.renewed_count, done.kept_count), (true, 0, 5));
    assert_eq!(place.rows().await, rows);
    // Of one nothing is left, of another the block is gone, of the third the beginning; the fourth and the fifth are whole.
    let next = Place { replay: Uuid::now_v7(), ..place };
    next.prepare().await;
    let left: Vec<_> = told().into_iter().enumerate().filter(|(n, _)| ![0, 1, 3, 4, 5].contains(n)).collect();
    next.heard_again(&left.into_iter().map(|(_, event)| event).collect::<Vec<_>>()).await;
    let done = next.finish(false).await;
    assert_eq!((done.renewed_count, done.kept_count), (4, 1));
    assert_eq!(next.rows().await, rows);
}

/// A block that no event of the archive tells, of somebody who only wrote: at a moment of which everything is told again, and before.
const BLOCKED_AT: &str =
    "UPDATE identity.friendship f SET version = f.version + 1, state = 'BLOCKED', turn_time = to_timestamp($2),
    turn_event_id = 'spoilt'
FROM identity.line_user u WHERE u.tenant_id = f.tenant_id AND u.friend_id = f.friend_id AND u.line_user_id = $1";

#[tokio::test]
async fn a_turn_from_before_everything_that_is_told_stays_and_a_later_one_that_nothing_bears_out_is_healed() {
    let mut place = Place::open("rebuild_turns").await;
    for (second, state) in [(1.0, FriendshipState::Blocked), (8.0, FriendshipState::Seen)] {
        let blocked = sqlx::query(BLOCKED_AT).bind(user(4)).bind(second).execute(&place.house.admin().await).await;
        assert_eq!(blocked.unwrap().rows_affected(), 1);
        place.replay = Uuid::now_v7();
        place.prepare().await;
        place.heard_again(&told()).await;
        assert_eq!(place.finish(false).await.renewed_count, 5);
        let known = place.known().await.into_iter().find(|(who, ..)| *who == user(4)).unwrap();
        assert_eq!(known.1, state, "{second}");
    }
}

#[tokio::test]
async fn an_event_that_comes_behind_its_copy_is_followed_by_what_follows_from_it() {
    let place = Place::open("rebuild_overtaken").await;
    place.house.messaging.name(&user(6), "ゆき");
    place.prepare().await;
    let follow = [event("follow", &user(6), 60_000)];
    place.heard_again(&follow).await;
    assert_eq!(place.rows().await.1, 0, "LINE is not asked for a copy");
    let silent = "SELECT count(*) FROM identity.friendship WHERE silent";
    assert_eq!(place.number(silent).await, 1);
    place.tell(&follow).await;
    eventually(SOON, || async {
        let friends = friends(&place.house, place.tenant, place.account).await;
        let named = friends.iter().any(|friend| friend.line_user_id == user(6) && friend.display_name == "ゆき");
        if named { Ok(()) } else { Err(friends) }
    })
    .await
    .unwrap();
    assert_eq!(place.number(silent).await, 0);
}

#[tokio::test]
async fn an_abandoned_rebuild_leaves_everything_as_it_was() {
    let place = Place::open("rebuild_left").await;
    let rows = place.rows().await;
    place.prepare().await;
    place.heard_again(&told()[..3]).await;
    assert_ne!(place.rows().await, rows);
    assert!(!place.finish(true).await.replaced);
    assert_eq!(place.rows().await, rows);
    // The next one begins from nothing.
    let next = Place { replay: Uuid::now_v7(), ..place };
    next.prepare().await;
    next.heard_again(&told()).await;
    next.finish(false).await;
    assert_eq!(next.rows().await, rows);
}

#[tokio::test]
async fn a_rebuild_of_one_tenant_leaves_another_alone() {
    let place = Place::open("rebuild_tenants").await;
    let other = place.house.tenant().await;
    let (_, account) = place.house.account(other, &user(101)).await;
    place.house.webhooks(other, account, &told()).await;
    place.handled(2 * told().len()).await;
    let theirs = || async {
        let rows = sqlx::query_scalar::<_, String>(
            "SELECT f::text FROM identity.friendship f WHERE tenant_id = $1 ORDER BY 1",
        );
        rows.bind(other.uuid()).fetch_all(&place.house.admin().await).await.unwrap()
    };
    let before = theirs().await;
    place.prepare().await;
    assert_eq!(theirs().await, before);
    place.heard_again(&told()).await;
    place.finish(false).await;
    assert_eq!(theirs().await, before);
    assert_eq!(place.number("SELECT count(*) FROM identity.rebuild").await, 1);
}

#[tokio::test]
async fn only_webhook_ingest_rebuilds_and_wrong_fields_are_named() {
    let place = Place::open("rebuild_rights").await;
    let replay_id = place.replay.to_string();
    let prepare = PrepareRebuildRequest { replay_id: replay_id.clone() };
    let messaging = place.house.client(&service(&place.house, "messaging-outbox").await);
    for other in [Caller(messaging).for_tenant(place.tenant), place.house.at(place.tenant)] {
        let refused = other.rebuilds().prepare_rebuild(prepare.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        let check = CheckRebuildRequest { replay_id: replay_id.clone(), ..Default::default() };
        assert_eq!(other.rebuilds().check_rebuild(check).await.unwrap_err().code(), Code::PermissionDenied);
        let finish = FinishRebuildRequest { replay_id: replay_id.clone(), ..Default::default() };
        assert_eq!(other.rebuilds().finish_rebuild(finish).await.unwrap_err().code(), Code::PermissionDenied);
    }
    let refused = place.ingest().rebuilds().prepare_rebuild(PrepareRebuildRequest::default()).await;
    assert_eq!(fields(refused), ["replay_id"]);
    for ids in [vec!["x".to_owned()], vec![format!("{:026}", 1); 1_001]] {
        let wrong = CheckRebuildRequest { webhook_event_ids: ids, ..Default::default() };
        let refused = place.ingest().rebuilds().check_rebuild(wrong).await;
        assert_eq!(fields(refused), ["replay_id", "webhook_event_ids"]);
    }
    let refused = place.ingest().rebuilds().finish_rebuild(FinishRebuildRequest::default()).await;
    assert_eq!(fields(refused), ["replay_id"]);
    let unknown = FinishRebuildRequest { replay_id: Uuid::now_v7().to_string(), ..Default::default() };
    let answer = place.ingest().rebuilds().finish_rebuild(unknown).await.unwrap().into_inner();
    assert_eq!(answer, FinishRebuildResponse { done: true, ..Default::default() });
}

#[tokio::test]
async fn a_process_killed_in_a_rebuild_leaves_what_the_next_call_goes_on_with() {
    let mut place = Place::open("rebuild_killed").await;
    let right = place.known().await;
    for (at, pass) in [("identity.before_rebuild", 1), ("identity.after_rebuild", 1), ("identity.after_rebuild", 2)] {
        place.house.stop().await;
        let port = testkit::port::free();
        let mut killed = program(&place.house, port, &format!("{at}=kill@{pass}"));
        let url = format!("http://127.0.0.1:{port}").parse().unwrap();
        let here = Caller(Client::on_loopback(&url, &place.token).unwrap()).for_tenant(place.tenant);
        let prepare = PrepareRebuildRequest { replay_id: place.replay.to_string() };
        eventually(SOON, || {
            let running = killed.is_running();
            let (here, prepare) = (here.clone(), prepare.clone());
            async move {
                let answer = here.rebuilds().prepare_rebuild(prepare).await;
                if running { Err(answer.err()) } else { Ok(()) }
            }
        })
        .await
        .unwrap();
        assert_eq!(killed.exit(SOON).await.unwrap().signal(), Some(9), "{at}: {:?}", killed.lines());
        place.house.start().await;
    }
    place.prepare().await;
    place.heard_again(&told()).await;
    place.finish(false).await;
    assert_eq!(place.known().await, right);
}
