//! What staff are to hear of (F-70), and that nobody does without an organization (F-71).

use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{StaffNoticeKind, StaffNoticeRequested};
use contracts::identity::v1::resolve_link_attempt_request::Resolution;
use contracts::identity::v1::*;

use crate::friend::user;
use crate::linking::stage::{HANAKO, MOBILE, OTHER_MOBILE, Stage, person};

/// In milliseconds.
const DAY: i64 = 24 * 3_600_000;

/// What was asked of messaging, in its order.
pub(super) async fn notices(stage: &Stage) -> Vec<StaffNoticeRequested> {
    let told = stage.house.told(Some(stage.tenant)).await.into_iter();
    told.filter_map(|body| if let Body::StaffNoticeRequested(one) = body { Some(one) } else { None }).collect()
}

#[tokio::test]
async fn a_friend_add_is_told_to_the_default_organization_once_and_to_nobody_without_one() {
    let stage = Stage::open("notice_friend").await;
    stage.send(&[stage.event("follow", &person(1), stage.moment(), "")]).await;
    assert!(notices(&stage).await.is_empty(), "no default organization, no notice");
    let shibuya = stage.branch("渋谷店").await;
    stage.put_default(&shibuya).await;
    let at = stage.moment() - 2 * DAY;
    let follow = stage.event("follow", &person(2), at, "");
    stage.send(&[follow.clone(), follow, stage.wrote(&person(2)), stage.wrote(&person(3))]).await;
    let told = notices(&stage).await;
    assert_eq!(told.len(), 1, "once, however often LINE tells it, and not for whoever only writes");
    let one = &told[0];
    assert_eq!((one.kind(), &one.organization_id), (StaffNoticeKind::FriendAdded, &shibuya));
    assert_eq!((&one.account_id, &one.line_user_id), (&stage.account.to_string(), &person(2)));
    assert_eq!(one.subject_id, stage.friend(&person(2)).await);
    assert_eq!(one.occur_time.unwrap().seconds, at / 1_000);

    // Back after a day is news again; an old follow that comes late is none.
    stage.send(&[stage.event("unfollow", &person(2), at + DAY / 2, "")]).await;
    stage.send(&[stage.event("follow", &person(2), stage.moment(), "")]).await;
    stage.send(&[stage.event("follow", &person(2), at - 1, "")]).await;
    let told = notices(&stage).await;
    assert_eq!(told.len(), 2);
    assert_ne!(told[0].notice_id, told[1].notice_id);
    // What is told again to rebuild what was lost is no news.
    stage.send_as(stage.account, &[stage.event("follow", &person(4), stage.moment(), "")], true).await;
    // And nothing is told of an account that LINE has not confirmed (F-04).
    let registered = stage.house.registered(stage.tenant, &stage.provider, &user(200)).await;
    let account = OfficialAccount {
        account_id: registered.to_string(),
        default_organization_id: shibuya,
        ..OfficialAccount::default()
    };
    let request = UpdateOfficialAccountRequest { account: Some(account), update_mask: None };
    stage.at().accounts().update_official_account(request).await.unwrap();
    stage.send_as(registered, &[stage.event("follow", &person(5), stage.moment(), "")], false).await;
    assert_eq!(notices(&stage).await.len(), 2);
}

/// To go and to come back costs a LINE user nothing, and a notice is a push to everybody of the branch.
#[tokio::test]
async fn whoever_blocks_and_unblocks_an_account_over_and_over_is_told_once_a_day() {
    let stage = Stage::open("notice_toggled").await;
    let shibuya = stage.branch("渋谷店").await;
    stage.put_default(&shibuya).await;
    let first = stage.moment() - 2 * DAY;
    stage.send(&[stage.event("follow", &person(2), first, "")]).await;
    for minute in (1..20).step_by(2) {
        stage.send(&[stage.event("unfollow", &person(2), first + minute * 60_000, "")]).await;
        stage.send(&[stage.event("follow", &person(2), first + (minute + 1) * 60_000, "")]).await;
    }
    assert_eq!(notices(&stage).await.len(), 1);
    // Another LINE user's follow is another matter.
    stage.send(&[stage.event("follow", &person(3), stage.moment(), "")]).await;
    assert_eq!(notices(&stage).await.len(), 2);
}

/// Likewise: as many of one person's attempts wait in the queue as there are, and staff are called to it once.
#[tokio::test]
async fn of_one_persons_attempts_that_wait_staff_hear_once_until_they_have_looked() {
    let stage = Stage::open("notice_held_again").await;
    let shibuya = stage.branch("渋谷店").await;
    stage.put_default(&shibuya).await;
    stage.hold().await;
    let told = async || notices(&stage).await.len();
    let first = stage.link(&person(1), ("鈴木", "一郎"), MOBILE).await;
    let second = stage.link(&person(1), ("鈴木", "二郎"), MOBILE).await;
    assert_eq!((second.outcome(), told().await), (LinkOutcome::Held, 1));
    assert_eq!(stage.link(&person(2), ("鈴木", "三郎"), MOBILE).await.outcome(), LinkOutcome::Held);
    assert_eq!(told().await, 2, "another person's is another matter");
    for attempt in [first, second] {
        let request = ResolveLinkAttemptRequest {
            link_attempt_id: attempt.link_attempt_id,
            resolution: Some(Resolution::Dismiss(true)),
            note: "電話で確認".to_owned(),
            etag: String::new(),
        };
        stage.at().attempts().resolve_link_attempt(request).await.unwrap();
    }
    assert_eq!(stage.link(&person(1), ("鈴木", "四郎"), MOBILE).await.outcome(), LinkOutcome::Held);
    assert_eq!(told().await, 3);
}

#[tokio::test]
async fn a_held_attempt_and_a_take_over_are_told_to_whose_customer_it_is() {
    let stage = Stage::open("notice_held").await;
    let (shibuya, ginza) = (stage.branch("渋谷店").await, stage.branch("銀座店").await);
    stage.put_default(&shibuya).await;
    stage.hold().await;
    let held = stage.link(&person(1), ("鈴木", "一郎"), MOBILE).await;
    assert_eq!(held.outcome(), LinkOutcome::Held);
    let told = notices(&stage).await;
    let one = told.iter().find(|one| one.kind() == StaffNoticeKind::LinkHeld).unwrap();
    assert_eq!((&one.subject_id, &one.organization_id), (&held.link_attempt_id, &shibuya));

    let customer = stage.customer(HANAKO, "080-8765-4321").await;
    stage.give(&customer, &ginza).await;
    stage.link(&person(2), HANAKO, "080-8765-4321").await;
    let asked = stage.link(&person(3), HANAKO, "080-8765-4321").await;
    assert_eq!(asked.reason(), LinkReason::CustomerHasOtherLineUser);
    let told = notices(&stage).await;
    let takeovers: Vec<_> = told.iter().filter(|one| one.kind() == StaffNoticeKind::TakeoverRequested).collect();
    assert_eq!(takeovers.len(), 1);
    assert_eq!((&takeovers[0].organization_id, &takeovers[0].line_user_id), (&ginza, &person(3)));
    let held = told.iter().filter(|one| one.kind() == StaffNoticeKind::LinkHeld).count();
    assert_eq!(held, 1, "what a request stands for is not told twice");
}

#[tokio::test]
async fn an_attempt_that_asked_for_a_take_over_and_is_held_when_decided_again_is_not_told_twice() {
    let stage = Stage::open("notice_twice").await;
    stage.put_default(&stage.branch("渋谷店").await).await;
    stage.customer(HANAKO, MOBILE).await;
    stage.link(&person(1), HANAKO, MOBILE).await;
    stage.link(&person(2), HANAKO, OTHER_MOBILE).await;
    // He unlinks, and asks for the record of the other; LINE's events come the other way round.
    let unlinked = stage.moment();
    let asked = stage.link(&person(2), HANAKO, MOBILE).await;
    assert_eq!(asked.reason(), LinkReason::CustomerHasOtherLineUser);
    stage.customer(HANAKO, MOBILE).await;
    stage.send(&[stage.tapped(&person(2), unlinked, "unlink:yes")]).await;
    let held = stage.attempt_of(&person(2)).await;
    assert_eq!((held.outcome(), held.reason()), (LinkOutcome::Held, LinkReason::AmbiguousNameAndMobile));
    assert_eq!(held.takeover_request_id, asked.takeover_request_id);
    let told: Vec<_> = notices(&stage).await.iter().map(StaffNoticeRequested::kind).collect();
    let about = |kind: StaffNoticeKind| told.iter().filter(|one| **one == kind).count();
    assert_eq!((about(StaffNoticeKind::TakeoverRequested), about(StaffNoticeKind::LinkHeld)), (1, 0), "{told:?}");
}
