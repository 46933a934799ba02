//! The methods of `TimerService`, one by one.

use chrono::TimeDelta;
use contracts::scheduler::v1 as wire;
use contracts::scheduler::v1::LateMode;
use contracts::scheduler::v1::cancel_timers_request::Which;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::house::{House, OWNER, create_request, in_millis, timer, timer_with};
use crate::world::{SOON, Tenant, World};

const HOUR: i64 = 3_600_000;

fn fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.into_iter().map(|violation| violation.field).collect()
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}

async fn list(house: &House, tenant: &Tenant, prefix: &str, page_size: i32) -> Vec<Vec<String>> {
    let (mut pages, mut page_token) = (Vec::new(), String::new());
    loop {
        let request =
            wire::ListTimersRequest { owner: OWNER.to_owned(), key_prefix: prefix.to_owned(), page_size, page_token };
        let page = house.timers(tenant).list_timers(request).await.unwrap().into_inner();
        pages.push(page.timers.into_iter().map(|timer| timer.key).collect());
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return pages;
        }
    }
}

async fn cancel_prefix(house: &House, tenant: &Tenant, prefix: &str) -> wire::CancelTimersResponse {
    let which = Some(Which::KeyPrefix(prefix.to_owned()));
    let request = wire::CancelTimersRequest { owner: OWNER.to_owned(), which };
    house.timers(tenant).cancel_timers(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn timers_are_made_listed_by_page_moved_and_cancelled() {
    let world = World::new("calls").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let far = in_millis(50 * HOUR);
    let keys = ["a/1", "a/2", "a/3", "b/1", "予約/1"];
    let policy = |key: &str| timer_with(key, far, LateMode::Merge, 90, "stock");
    house.create(&tenant, keys.iter().map(|key| policy(key)).collect()).await.unwrap();
    assert_eq!(list(&house, &tenant, "", 2).await, [vec!["a/1", "a/2"], vec!["a/3", "b/1"], vec!["予約/1"]]);
    assert_eq!(list(&house, &tenant, "a/", 2).await, [vec!["a/1", "a/2"], vec!["a/3"]]);
    assert_eq!(list(&house, &tenant, "予", 0).await, [["予約/1"]]);

    let before = house.get(&tenant, "a/1").await.unwrap();
    assert_eq!(before.late_policy, policy("a/1").late_policy);
    let moved = house.shift(&tenant, "a/1", far + TimeDelta::hours(1)).await.unwrap();
    assert!(moved.generation > before.generation);
    assert_eq!((&moved.late_policy, &house.get(&tenant, "a/1").await.unwrap()), (&before.late_policy, &moved));
    let again = house.shift(&tenant, "a/1", far + TimeDelta::hours(1)).await.unwrap();
    assert_eq!(again, moved, "nothing changes, so the generation stays");
    let request = wire::MoveTimerRequest {
        owner: OWNER.to_owned(),
        key: "a/1".to_owned(),
        due_time: before.due_time,
        late_policy: None,
        generation: before.generation,
    };
    let status = house.timers(&tenant).move_timer(request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "GENERATION_MISMATCH"));
    assert_eq!(house.shift(&tenant, "none", far).await.unwrap_err().code(), Code::NotFound);

    assert_eq!(house.cancel(&tenant, &["a/2", "none", "a/2"]).await.unwrap(), 1);
    let answer = cancel_prefix(&house, &tenant, "a/").await;
    assert_eq!((answer.cancelled_count, answer.more), (2, false));
    assert_eq!(list(&house, &tenant, "", 0).await, [["b/1", "予約/1"]]);
    assert_eq!(cancel_prefix(&house, &tenant, "").await.cancelled_count, 2);
    let audited = "SELECT count(*) FROM scheduler.audit WHERE action IN ('timer.create', 'timer.move', 'timer.cancel')";
    assert_eq!(world.number(audited).await, 5);
    house.close().await;
}

#[tokio::test]
async fn cancelling_by_prefix_says_when_there_may_be_more() {
    let world = World::new("bulk").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    for bulk in 0..11 {
        let timers = (0..1_000).map(|number| timer(&format!("{bulk:02}/{number:03}"), in_millis(50 * HOUR))).collect();
        assert_eq!(house.create(&tenant, timers).await.unwrap().len(), 1_000);
    }
    let first = cancel_prefix(&house, &tenant, "").await;
    assert_eq!((first.cancelled_count, first.more), (10_000, true));
    let second = cancel_prefix(&house, &tenant, "").await;
    assert_eq!((second.cancelled_count, second.more), (1_000, false));
    house.close().await;
}

#[tokio::test]
async fn a_key_that_is_taken_is_refused_or_replaced_as_the_call_wants_it() {
    let world = World::new("taken").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let far = in_millis(50 * HOUR);
    let first = house.create(&tenant, vec![timer("k", far)]).await.unwrap();
    let later = far + TimeDelta::hours(1);
    let status = house.create(&tenant, vec![timer("other", far), timer("k", later)]).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::AlreadyExists, "KEY_TAKEN"));
    assert_eq!(house.get(&tenant, "other").await.unwrap_err().code(), Code::NotFound, "all or none");
    let request =
        wire::CreateTimersRequest { replace: true, ..create_request(vec![timer("k", later), timer("other", far)]) };
    let replaced = house.timers(&tenant).create_timers(request).await.unwrap().into_inner().timers;
    assert!(replaced[0].generation > first[0].generation);
    assert_eq!(house.get(&tenant, "k").await.unwrap(), replaced[0]);

    // Several at once for one key: one of them makes it.
    let calls = (0..8).map(|_| house.create(&tenant, vec![timer("race", far)]));
    let made = futures::future::join_all(calls).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    assert!(made.iter().all(|made| made.as_ref().err().is_none_or(|status| status.code() == Code::AlreadyExists)));
    house.close().await;
}

#[tokio::test]
async fn a_call_that_comes_again_gets_the_first_answer_and_makes_nothing() {
    let world = World::new("again").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let request = wire::CreateTimersRequest {
        request_id: Uuid::new_v4().to_string(),
        replace: true,
        ..create_request(vec![timer("one", in_millis(50 * HOUR)), timer("two", in_millis(0))])
    };
    let first = house.timers(&tenant).create_timers(request.clone()).await.unwrap().into_inner();
    world.until_due(&tenant, 1).await;
    let again = house.timers(&tenant).create_timers(request.clone()).await.unwrap().into_inner();
    assert_eq!(again, first);
    assert_eq!(
        house.get(&tenant, "two").await.unwrap_err().code(),
        Code::NotFound,
        "it was said, and is not made again"
    );
    let other = wire::CreateTimersRequest { replace: false, ..request };
    let status = house.timers(&tenant).create_timers(other).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "REQUEST_ID_REUSED"));
    assert_eq!(world.due(&tenant).await.len(), 1);
    house.close().await;
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let world = World::new("wrong").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let mut timers = house.timers(&tenant);
    let soon = Some(contracts::timestamp(in_millis(0)));
    let policy = Some(wire::LatePolicy { mode: LateMode::Merge.into(), ..Default::default() });
    let wrong = |timers| wire::CreateTimersRequest { owner: "Reminder".to_owned(), ..create_request(timers) };
    let one = |key: &str| wire::NewTimer { key: key.to_owned(), due_time: soon, late_policy: None };
    let bad = wire::NewTimer { key: "a b".to_owned(), due_time: None, late_policy: policy };
    let status = timers.create_timers(wrong(vec![one("k"), one("k"), bad])).await.unwrap_err();
    assert_eq!(
        fields(&status),
        ["owner", "timers[1].key", "timers[2].key", "timers[2].due_time", "timers[2].late_policy.merge_key"]
    );
    for reserved in ["reminder", "message", "digest"] {
        let request = wire::CreateTimersRequest { owner: reserved.to_owned(), ..create_request(vec![one("k")]) };
        assert_eq!(fields(&timers.create_timers(request).await.unwrap_err()), ["owner"], "{reserved}");
    }
    assert_eq!(fields(&timers.create_timers(create_request(Vec::new())).await.unwrap_err()), ["timers"]);
    let many = (0..1_001).map(|number| one(&number.to_string())).collect();
    assert_eq!(fields(&timers.create_timers(create_request(many)).await.unwrap_err()), ["timers"]);
    // Of a thousand that are all wrong, as many are named as an answer has room for.
    let all_wrong = fields(&timers.create_timers(create_request(vec![one("a b"); 1_000])).await.unwrap_err());
    assert_eq!((all_wrong.len(), all_wrong[0].as_str()), (20, "timers[0].key"));
    let reused = wire::CreateTimersRequest { request_id: "x".to_owned(), ..create_request(vec![one("k")]) };
    assert_eq!(fields(&timers.create_timers(reused).await.unwrap_err()), ["request_id"]);

    let get = wire::GetTimerRequest { owner: String::new(), key: "x".repeat(201) };
    assert_eq!(fields(&timers.get_timer(get).await.unwrap_err()), ["owner", "key"]);
    let shift = wire::MoveTimerRequest { owner: OWNER.to_owned(), ..Default::default() };
    assert_eq!(fields(&timers.move_timer(shift).await.unwrap_err()), ["key", "due_time"]);
    let listed = wire::ListTimersRequest {
        owner: OWNER.to_owned(),
        page_size: -1,
        page_token: "x".to_owned(),
        key_prefix: "x".repeat(201),
    };
    assert_eq!(fields(&timers.list_timers(listed).await.unwrap_err()), ["key_prefix", "page_size", "page_token"]);
    // A token of this list with another place in it, which no key of ours has.
    house.create(&tenant, vec![timer("a", in_millis(50 * HOUR)), timer("b", in_millis(50 * HOUR))]).await.unwrap();
    let first = wire::ListTimersRequest { owner: OWNER.to_owned(), page_size: 1, ..Default::default() };
    let page_token = timers.list_timers(first.clone()).await.unwrap().into_inner().next_page_token;
    let (list, _): (u64, String) = chassis::page::decode(&page_token).unwrap();
    let forged = wire::ListTimersRequest { page_token: chassis::page::encode(&(list, "a\0")), ..first };
    assert_eq!(fields(&timers.list_timers(forged).await.unwrap_err()), ["page_token"]);
    assert_eq!(house.cancel(&tenant, &["a", "b"]).await.unwrap(), 2);
    let missed = wire::ListMissedTimersRequest { page_token: "x".to_owned(), ..Default::default() };
    assert_eq!(fields(&timers.list_missed_timers(missed).await.unwrap_err()), ["owner", "page_token"]);
    let cancel = |which| wire::CancelTimersRequest { owner: OWNER.to_owned(), which };
    let keys = |keys: Vec<String>| Some(Which::Keys(wire::TimerKeys { keys }));
    for (which, field) in [
        (None, "which"),
        (keys(Vec::new()), "keys.keys"),
        (keys(vec!["k".to_owned(); 1_001]), "keys.keys"),
        (keys(vec!["k".to_owned(), String::new()]), "keys.keys[1]"),
        (Some(Which::KeyPrefix("x".repeat(201))), "key_prefix"),
    ] {
        assert_eq!(fields(&timers.cancel_timers(cancel(which)).await.unwrap_err()), [field]);
    }
    assert_eq!(world.number("SELECT count(*) FROM scheduler.timer").await, 0);
    house.close().await;
}

#[tokio::test]
async fn another_tenant_finds_moves_and_cancels_nothing() {
    let world = World::new("others").await;
    let house = world.open().await;
    let (ours, theirs) = (world.tenant(&house).await, world.tenant(&house).await);
    let far = in_millis(50 * HOUR);
    let made =
        house.create(&ours, vec![timer("k", far), timer_with("late", in_millis(-HOUR), LateMode::Skip, 5, "")]).await;
    let made = made.unwrap();
    world.until("SELECT count(*) FROM scheduler.missed_timer", 1).await;
    assert_eq!(house.get(&theirs, "k").await.unwrap_err().code(), Code::NotFound);
    assert_eq!(house.shift(&theirs, "k", in_millis(0)).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(house.cancel(&theirs, &["k"]).await.unwrap(), 0);
    assert_eq!(cancel_prefix(&house, &theirs, "").await.cancelled_count, 0);
    assert_eq!(list(&house, &theirs, "", 0).await, [Vec::<String>::new()]);
    assert!(house.missed(&theirs).await.is_empty());
    // The same key is free to them, and both are said to their own.
    house.create(&theirs, vec![timer("k", in_millis(0))]).await.unwrap();
    assert_eq!(world.until_due(&theirs, 1).await, ["k"]);
    assert_eq!((house.get(&ours, "k").await.unwrap(), world.due(&ours).await.len()), (made[0].clone(), 0));
    house.close().await;
}

/// Whoever moves or cancels a timer as it becomes due either is in time, and it is said as moved or not at all, or hears that it is
/// gone, and it was said as it stood.
#[tokio::test(flavor = "multi_thread")]
async fn a_timer_that_is_moved_or_cancelled_as_it_becomes_due_is_said_once_or_not_at_all() {
    let world = World::new("races").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let due = in_millis(900);
    let key = |number: usize| format!("k{number:02}");
    let made = house.create(&tenant, (0..60).map(|number| timer(&key(number), due)).collect()).await.unwrap();
    testkit::eventually(SOON, || async {
        let near = house.get(&tenant, "none").await.is_err() && in_millis(15) > due;
        near.then_some(())
    })
    .await
    .unwrap();
    let calls = (0..60).map(|number| {
        let (house, tenant, made) = (&house, &tenant, &made);
        async move {
            let expected = if number % 2 == 0 {
                let moved = house.shift(tenant, &key(number), in_millis(200)).await;
                Some(moved.map_or(made[number].generation, |moved| moved.generation))
            } else {
                let cancelled = house.cancel(tenant, &[&key(number)]).await.unwrap();
                (cancelled == 0).then_some(made[number].generation)
            };
            expected.map(|generation| (key(number), generation))
        }
    });
    let expected: Vec<(String, i64)> = futures::future::join_all(calls).await.into_iter().flatten().collect();
    world.until("SELECT count(*) FROM scheduler.timer", 0).await;
    let mut said = world.due(&tenant).await;
    said.sort();
    assert_eq!(said, expected);
    house.close().await;
}
