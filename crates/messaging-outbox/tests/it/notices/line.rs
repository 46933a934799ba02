//! Notices by LINE.

use std::os::unix::process::ExitStatusExt as _;

use chrono::TimeDelta;
use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{AccountState, StaffNoticeKind};
use contracts::messaging::v1 as wire;
use kernel::{Clock as _, SystemClock};
use testkit::eventually;
use uuid::Uuid;

use super::place::{Office, friends_come, matter, settled, until_heard};
use crate::killing::program;
use crate::world::{SOON, World};

const DELIVERED: &str = "SELECT count(*) FROM messaging.notice_delivery WHERE channel = 1 AND state = 2";

#[tokio::test]
async fn active_staff_of_the_branch_are_pushed_the_notice_once_and_nobody_sees_the_conversation() {
    let world = World::new("notice_line").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let office = Office::open(&world, &tenant).await;
    let (of_branch, other) = (office.branch, Uuid::new_v4());
    let heard = office.member(&world, &tenant, of_branch, true).await;
    office.member(&world, &tenant, of_branch, false).await;
    office.member(&world, &tenant, other, true).await;

    let id = Uuid::new_v4();
    for _ in 0..3 {
        world.say(&tenant, matter(id, StaffNoticeKind::FriendAdded, Some(of_branch), &tenant)).await;
    }
    eventually(SOON, || async {
        let delivered = world.number(DELIVERED).await;
        if delivered == 1 { Ok(()) } else { Err(delivered) }
    })
    .await
    .unwrap();
    until_heard(&world, &house, &tenant).await;
    let pushed = office.pushed(&world).await;
    assert_eq!(pushed.len(), 1, "{pushed:?}");
    assert_eq!(pushed[0].0, heard.line_user);
    assert!(pushed[0].1.starts_with("友だち追加 / New friend\n\nプロフィール未取得の方が"), "{pushed:?}");
    assert_eq!(world.number("SELECT count(*) FROM messaging.notice").await, 1);

    let quota = wire::GetQuotaRequest { account_id: office.account.to_string() };
    let quota = house.quota(&tenant).get_quota(quota).await.unwrap().into_inner();
    assert_eq!((quota.sent_by_push, quota.sent_by_reply), (1, 0), "it counts as what it is");
    assert_eq!(house.list(&tenant).await.len(), 0, "the conversation with staff is shown nowhere");
    let outbound = house.messages(&tenant).list_outbound_messages(wire::ListOutboundMessagesRequest::default()).await;
    assert_eq!(outbound.unwrap().into_inner().messages.len(), 0);
    house.close().await;
}

#[tokio::test]
async fn without_an_organization_nobody_is_told() {
    let world = World::new("notice_nobody").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let office = Office::open(&world, &tenant).await;
    office.member(&world, &tenant, office.branch, true).await;
    world.say(&tenant, matter(Uuid::new_v4(), StaffNoticeKind::FriendAdded, None, &tenant)).await;
    until_heard(&world, &house, &tenant).await;
    assert_eq!(world.number("SELECT count(*) FROM messaging.notice").await, 0);
    assert_eq!(office.pushed(&world).await, []);
    house.close().await;
}

#[tokio::test]
async fn what_an_account_that_is_paused_holds_back_expires_and_is_never_pushed() {
    let world = World::new("notice_paused").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let office = Office::open(&world, &tenant).await;
    office.member(&world, &tenant, office.branch, true).await;
    office.stand(&world, &tenant, 2, AccountState::Paused).await;
    until(&world, "SELECT count(*) FROM messaging.account_replica WHERE purpose = 2 AND version = 2").await;
    friends_come(&world, &tenant, &office, 1).await;
    until(&world, "SELECT count(*) FROM messaging.notice_delivery WHERE channel = 1 AND state = 1").await;
    house.close().await;

    world.admin("UPDATE messaging.notice_delivery SET expire_time = now() - interval '1 hour'").await;
    let house = world.open().await;
    let standing = settled(&house, &tenant, wire::NoticeChannel::Line, 1).await;
    assert_eq!(standing, [(wire::NoticeState::Expired, wire::NoticeFailure::NotReached, 0)]);
    assert_eq!(world.number("SELECT count(*) FROM messaging.send").await, 0);
    office.stand(&world, &tenant, 3, AccountState::Connected).await;
    friends_come(&world, &tenant, &office, 1).await;
    until(&world, DELIVERED).await;
    assert_eq!(office.pushed(&world).await.len(), 1, "the second one alone");
    house.close().await;
}

#[tokio::test]
async fn a_matter_of_long_ago_is_recorded_and_told_to_nobody() {
    let world = World::new("notice_late").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let office = Office::open(&world, &tenant).await;
    office.member(&world, &tenant, office.branch, true).await;
    let yesterday = SystemClock.now() - TimeDelta::hours(25);
    let mut late = matter(Uuid::new_v4(), StaffNoticeKind::LinkHeld, Some(office.branch), &tenant);
    if let Body::StaffNoticeRequested(asked) = &mut late {
        asked.occur_time = Some(contracts::timestamp(yesterday));
    }
    world.say(&tenant, late).await;
    let standing = settled(&house, &tenant, wire::NoticeChannel::Line, 1).await;
    assert_eq!(standing[0].0, wire::NoticeState::Expired);
    assert_eq!(world.number("SELECT count(*) FROM messaging.message").await, 0, "nothing was queued");
    assert_eq!(office.pushed(&world).await, []);
    house.close().await;
}

#[tokio::test]
async fn who_is_no_longer_bound_gets_what_waited_no_more() {
    let world = World::new("notice_unbound").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let office = Office::open(&world, &tenant).await;
    let member = office.member(&world, &tenant, office.branch, true).await;
    office.stand(&world, &tenant, 2, AccountState::Paused).await;
    until(&world, "SELECT count(*) FROM messaging.account_replica WHERE purpose = 2 AND version = 2").await;
    friends_come(&world, &tenant, &office, 1).await;
    until(&world, "SELECT count(*) FROM messaging.send WHERE class = 2").await;
    member.contact(&world, &tenant, 2, office.account, "", "").await;
    office.stand(&world, &tenant, 3, AccountState::Connected).await;
    // Taken back, or refused by the lane that had it in hand then.
    let standing = settled(&house, &tenant, wire::NoticeChannel::Line, 1).await;
    assert!(matches!(standing[0].0, wire::NoticeState::NoChannel | wire::NoticeState::Failed), "{standing:?}");
    assert_eq!(world.number("SELECT count(*) FROM messaging.send").await, 0);
    assert_eq!(office.pushed(&world).await, []);
    house.close().await;
}

#[tokio::test]
async fn what_waited_for_who_is_no_longer_bound_is_taken_back_at_once() {
    let world = World::new("notice_withdrawn").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let office = Office::open(&world, &tenant).await;
    let member = office.member(&world, &tenant, office.branch, true).await;
    // Somebody else has the staff account's lane, and sends nothing.
    let held = format!(
        "INSERT INTO messaging.lane (tenant_id, account_id, holder, epoch, lease_until, taken_over)
         VALUES ('{}', '{}', gen_random_uuid(), 1, now() + interval '1 hour', false)",
        tenant.id, office.account
    );
    world.try_admin_of(&held).await.unwrap();
    friends_come(&world, &tenant, &office, 1).await;
    until(&world, "SELECT count(*) FROM messaging.send WHERE class = 2").await;
    member.contact(&world, &tenant, 2, office.account, "", "").await;
    let standing = settled(&house, &tenant, wire::NoticeChannel::Line, 1).await;
    assert_eq!(standing, [(wire::NoticeState::NoChannel, wire::NoticeFailure::Unspecified, 0)]);
    assert_eq!(world.number("SELECT count(*) FROM messaging.send").await, 0);
    house.close().await;
}

#[tokio::test]
async fn a_process_killed_around_a_push_tells_nobody_twice_and_forgets_nobody() {
    let world = World::new("notice_killed").await;
    for place in [
        "messaging.after_staff_notice",
        "messaging.after_claim",
        "messaging.before_call",
        "messaging.after_call",
        "messaging.before_settle",
        "messaging.after_settle",
    ] {
        let house = world.open().await;
        let tenant = world.tenant(&house).await;
        let office = Office::open(&world, &tenant).await;
        office.member(&world, &tenant, office.branch, true).await;
        house.close().await;
        let mut killed = program(&world, testkit::port::free(), place);
        for _ in 0..4 {
            // One after the other, so that the place is passed twice.
            let before = world.number("SELECT count(*) FROM messaging.notice").await;
            friends_come(&world, &tenant, &office, 1).await;
            eventually(SOON, || async {
                let now = world.number("SELECT count(*) FROM messaging.notice").await;
                let waiting = world.number("SELECT count(*) FROM messaging.send").await;
                if (now > before && waiting == 0) || !is_running(killed.pid()) { Ok(()) } else { Err((now, waiting)) }
            })
            .await
            .unwrap();
        }
        let status = killed.exit(SOON).await.unwrap();
        assert_eq!(status.signal(), Some(9), "{place}: {:?}", killed.lines());
        let house = world.open().await;
        let standing = settled(&house, &tenant, wire::NoticeChannel::Line, 4).await;
        assert!(standing.iter().all(|(state, ..)| *state == wire::NoticeState::Delivered), "{place}: {standing:?}");
        assert_eq!(office.pushed(&world).await.len(), 4, "{place}");
        house.close().await;
    }
}

/// Whether a process of that ID lives, a dead one that nobody has heard of left out.
fn is_running(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

async fn until(world: &World, sql: &'static str) {
    eventually(SOON, || async {
        let count = world.number(sql).await;
        if count > 0 { Ok(()) } else { Err(count) }
    })
    .await
    .unwrap();
}
