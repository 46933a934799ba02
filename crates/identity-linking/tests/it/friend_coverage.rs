//! F-60: how many friends of an account are not known, by LINE's figures of a day.

use std::time::Duration;

use contracts::events::v1::AccountPurpose;
use contracts::identity::v1::*;
use contracts::messaging::v1::{FollowerCount, FollowerCountStatus, GetFollowerCountResponse};
use identity_linking_core::account::day_to_ask;
use kernel::{AccountId, Clock as _, SystemClock, TenantId};
use prost_types::FieldMask;
use testkit::eventually;
use tonic::Status;

use crate::friend::{event, seen, user};
use crate::house::{House, SOON};
use crate::linking::stage::Stage;

const OTHER_BOT: &str = "Ufffffffffffffffffffffffffffffff0";

fn told(followers: i64, blocks: i64) -> GetFollowerCountResponse {
    GetFollowerCountResponse {
        status: FollowerCountStatus::Ready.into(),
        count: Some(FollowerCount { followers, blocks }),
    }
}

fn without(status: FollowerCountStatus) -> GetFollowerCountResponse {
    GetFollowerCountResponse { status: status.into(), count: None }
}

/// The day before this one, in Japan.
fn yesterday() -> String {
    day_to_ask(SystemClock.now(), None).unwrap().to_string()
}

async fn coverage_at(house: &House, tenant: TenantId, account: AccountId) -> Option<FriendCoverage> {
    let request = GetOfficialAccountRequest { account_id: account.to_string() };
    let found = house.at(tenant).accounts().get_official_account(request).await.unwrap().into_inner();
    found.account.unwrap().friend_coverage
}

async fn coverage(stage: &Stage) -> Option<FriendCoverage> {
    coverage_at(&stage.house, stage.tenant, stage.account).await
}

/// Friends by LINE's figures, known and unknown ones.
fn numbers(coverage: &FriendCoverage) -> (i64, i64, i64) {
    (coverage.friends, coverage.known_friends, coverage.unknown_friends)
}

async fn until(stage: &Stage, wanted: (i64, i64, i64)) -> FriendCoverage {
    Stage::until(async || match coverage(stage).await {
        Some(found) if numbers(&found) == wanted => Ok(found),
        other => Err(format!("{other:?}")),
    })
    .await
}

/// The hour is over, and the check that was due is made.
async fn hour_passes(stage: &Stage) {
    let checks = stage.house.messaging.bots_asked();
    stage.alter("UPDATE identity.account_check SET due_time = now()").await;
    Stage::until(async || {
        let asked = stage.house.messaging.bots_asked();
        let left: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM identity.account_check WHERE due_time < now() + interval '50 minutes'",
        )
        .fetch_one(&stage.house.admin().await)
        .await
        .unwrap();
        if asked > checks && left == 0 { Ok(()) } else { Err(format!("{asked} {left}")) }
    })
    .await;
}

/// One followed, one was a friend from before and wrote, one blocked, all long ago; one followed just now.
async fn some_are_known(stage: &Stage) {
    let events = [
        event("follow", &user(1), 1_000),
        event("message", &user(2), 2_000),
        event("follow", &user(3), 3_000),
        event("unfollow", &user(3), 4_000),
        event("follow", &user(4), stage.moment()),
    ];
    stage.house.webhooks(stage.tenant, stage.account, &events).await;
    seen(&stage.house, stage.tenant, stage.account, 4).await;
    eventually(SOON, || async {
        let request = CountFriendsRequest { account_id: stage.account.to_string() };
        let count = stage.at().friends().count_friends(request).await.unwrap().into_inner();
        ((count.friends, count.seen, count.blocked) == (2, 1, 1)).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn silent_friends_are_counted_by_lines_figures_and_fewer_once_they_write() {
    let mut stage = Stage::open("coverage").await;
    some_are_known(&stage).await;
    assert_eq!(coverage(&stage).await, None, "nothing was asked yet");
    // Ten added it, two of them block it.
    stage.house.messaging.followers(told(10, 2));
    hour_passes(&stage).await;
    let found = until(&stage, (8, 2, 6)).await;
    assert_eq!(found.as_of_date, yesterday());
    assert_eq!(stage.house.messaging.days_asked(), [yesterday()]);
    assert!(found.advice_ja.contains("ここには表示されません") && found.advice_en.contains("do not appear here"));
    let listed = stage.at().accounts().list_official_accounts(ListOfficialAccountsRequest::default()).await.unwrap();
    assert_eq!(listed.into_inner().accounts[0].friend_coverage.as_ref(), Some(&found));

    // Once a day is told, it is not asked of again, also after a restart.
    stage.house.stop().await;
    stage.house.start().await;
    stage.house.messaging.followers(told(11, 2));
    stage.house.webhooks(stage.tenant, stage.account, &[event("message", &user(5), stage.moment())]).await;
    seen(&stage.house, stage.tenant, stage.account, 5).await;
    hour_passes(&stage).await;
    assert_eq!(coverage(&stage).await.as_ref(), Some(&found));
    assert_eq!(stage.house.messaging.days_asked().len(), 1);

    // A day later.
    stage.alter("UPDATE identity.friend_coverage SET as_of_date = as_of_date - 1").await;
    hour_passes(&stage).await;
    until(&stage, (9, 3, 6)).await;
    assert_eq!(stage.house.messaging.days_asked().len(), 2);
    let version = "SELECT count(*) FROM identity.official_account WHERE version > 2";
    let changed: i64 = sqlx::query_scalar(version).fetch_one(&stage.house.admin().await).await.unwrap();
    assert_eq!(changed, 0, "nobody's etag is spoilt by it");

    // All of them are known, and one more wrote who is no friend.
    stage.alter("UPDATE identity.friend_coverage SET as_of_date = as_of_date - 1").await;
    stage.house.messaging.followers(told(4, 2));
    hour_passes(&stage).await;
    let all = until(&stage, (2, 3, 0)).await;
    assert_eq!((all.advice_ja.as_str(), all.advice_en.as_str()), ("", ""));
}

#[tokio::test]
async fn what_line_does_not_tell_is_not_shown_and_is_asked_for_again() {
    let stage = Stage::open("coverage_untold").await;
    some_are_known(&stage).await;
    let untold = [
        without(FollowerCountStatus::Unready),
        without(FollowerCountStatus::OutOfService),
        without(FollowerCountStatus::Unspecified),
        without(FollowerCountStatus::Ready),
        told(-1, 0),
        told(3, -1),
    ];
    for answer in &untold {
        stage.house.messaging.followers(*answer);
        hour_passes(&stage).await;
        assert_eq!(coverage(&stage).await, None, "{answer:?}");
    }
    assert_eq!(stage.house.messaging.days_asked().len(), untold.len());
    stage.house.messaging.followers(told(5, 0));
    hour_passes(&stage).await;
    let found = until(&stage, (5, 2, 3)).await;

    // The figures that are kept stand until others are told.
    stage.alter("UPDATE identity.friend_coverage SET as_of_date = as_of_date - 3").await;
    stage.house.messaging.followers(without(FollowerCountStatus::Unready));
    hour_passes(&stage).await;
    let kept = coverage(&stage).await.unwrap();
    assert_eq!(numbers(&kept), numbers(&found));
    assert!(kept.as_of_date < found.as_of_date);
}

#[tokio::test]
async fn line_is_not_asked_for_followers_while_it_is_away_and_a_refusal_spoils_no_other_check() {
    let stage = Stage::open("coverage_away").await;
    stage.house.messaging.followers(told(5, 0));
    stage.house.messaging.refuse(Some(Status::unavailable("LINE is away")));
    hour_passes(&stage).await;
    assert_eq!((coverage(&stage).await, stage.house.messaging.days_asked().len()), (None, 0));
    stage.house.messaging.refuse(None);
    stage.house.messaging.refuse_followers(Some(Status::failed_precondition("LINE refused the call")));
    stage.house.messaging.chat_mode("chat");
    hour_passes(&stage).await;
    let request = GetOfficialAccountRequest { account_id: stage.account.to_string() };
    let account = stage.at().accounts().get_official_account(request).await.unwrap().into_inner().account.unwrap();
    assert_eq!((account.chat_mode.as_str(), account.friend_coverage), ("chat", None));
    stage.house.messaging.refuse_followers(None);
    hour_passes(&stage).await;
    until(&stage, (5, 0, 5)).await;
}

#[tokio::test]
async fn replicas_ask_once_and_a_check_killed_after_lines_answer_is_made_again() {
    let mut stage = Stage::open("coverage_replicas").await;
    stage.house.messaging.followers(told(5, 0));
    let (beside, third) = (stage.house.beside().await, stage.house.beside().await);
    hour_passes(&stage).await;
    until(&stage, (5, 0, 5)).await;
    for _ in 0..3 {
        hour_passes(&stage).await;
    }
    assert_eq!(stage.house.messaging.days_asked().len(), 1);
    for (host, _) in [beside, third] {
        host.stop();
        host.wait().await.unwrap();
    }

    stage.house.stop().await;
    stage.house.messaging.followers(told(7, 0));
    stage.alter("UPDATE identity.friend_coverage SET as_of_date = as_of_date - 1").await;
    stage.alter("UPDATE identity.account_check SET due_time = now()").await;
    let mut killed = crate::killing::program(&stage.house, testkit::port::free(), "identity.check.after_line=kill@1");
    let signal = std::os::unix::process::ExitStatusExt::signal(&killed.exit(Duration::from_secs(30)).await.unwrap());
    assert_eq!(signal, Some(9), "{:?}", killed.lines());
    stage.house.start().await;
    assert_eq!(numbers(&coverage(&stage).await.unwrap()), (5, 0, 5));
    hour_passes(&stage).await;
    until(&stage, (7, 0, 7)).await;
    assert_eq!(stage.house.messaging.days_asked().len(), 3);
}

#[tokio::test]
async fn each_tenants_accounts_have_their_own_figures_and_those_for_staff_or_switched_off_have_none() {
    let stage = Stage::open("coverage_tenants").await;
    some_are_known(&stage).await;
    let theirs = stage.house.tenant().await;
    let (_, their_account) = stage.house.account(theirs, OTHER_BOT).await;
    stage.house.messaging.followers(told(8, 0));
    hour_passes(&stage).await;
    until(&stage, (8, 2, 6)).await;
    let found = coverage_at(&stage.house, theirs, their_account).await.unwrap();
    assert_eq!(numbers(&found), (8, 0, 8));
    let request = GetOfficialAccountRequest { account_id: stage.account.to_string() };
    stage.house.at(theirs).accounts().get_official_account(request).await.unwrap_err();

    // Nobody is known there yet, so it may become the staff's.
    let account = OfficialAccount {
        account_id: their_account.to_string(),
        purpose: AccountPurpose::Staff.into(),
        ..OfficialAccount::default()
    };
    let mask = FieldMask { paths: vec!["purpose".to_owned()] };
    let request = UpdateOfficialAccountRequest { account: Some(account), update_mask: Some(mask) };
    stage.house.at(theirs).accounts().update_official_account(request).await.unwrap();
    assert_eq!(coverage_at(&stage.house, theirs, their_account).await, None);
    let pause = PauseOfficialAccountRequest { account_id: stage.account.to_string() };
    stage.at().accounts().pause_official_account(pause).await.unwrap();
    let asked = stage.house.messaging.days_asked().len();
    stage.alter("UPDATE identity.friend_coverage SET as_of_date = as_of_date - 1").await;
    hour_passes(&stage).await;
    assert_eq!(stage.house.messaging.days_asked().len(), asked);
}
