//! Notices to the staff of several tenants by one account of the operator's.

use std::os::unix::process::ExitStatusExt as _;

use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{AccountPurpose, AccountState, TenantReplica};
use contracts::messaging::v1 as wire;
use testkit::eventually;
use tonic::Code;
use uuid::Uuid;

use super::place::{Member, Office, friends_come, name_of, settled, until};
use crate::house::House;
use crate::killing::program_killed;
use crate::world::{SOON, Tenant, World};

/// The operator's account, and two tenants whose staff it serves.
struct Scene {
    home: Tenant,
    account: Office,
    one: Tenant,
    two: Tenant,
    office: Office,
    other: Office,
}

impl Scene {
    /// The first tenant may have so many notices pushed a month, the second a thousand.
    async fn open(world: &World, house: &House, limit: i32) -> Self {
        let (home, one, two) = (world.tenant(house).await, world.tenant(house).await, world.tenant(house).await);
        let account = Office::open_for(world, &home, AccountPurpose::SharedStaff).await;
        let office = account.shared(world, &home, &one, limit).await;
        let other = account.shared(world, &home, &two, 1_000).await;
        Self { home, account, one, two, office, other }
    }

    /// One person who is staff of both.
    async fn person(&self, world: &World) -> (Member, Member) {
        let here = self.office.member(world, &self.one, self.office.branch, true).await;
        let there = Member { id: Uuid::new_v4().into(), ..here.clone() };
        there.say(world, &self.two, self.other.branch, true).await;
        there.contact(world, &self.two, 1, self.other.account, &there.line_user, "").await;
        (here, there)
    }
}

fn heading(guest: &Tenant) -> String {
    format!("【{}】\n友だち追加", name_of(guest))
}

async fn waiting(world: &World, tenant: &Tenant, count: i64) {
    let sql = format!("SELECT count(*) FROM messaging.send WHERE class = 2 AND tenant_id = '{}'", tenant.id);
    eventually(SOON, || async {
        let now = world.count(&sql).await;
        if now == count { Ok(()) } else { Err(now) }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn staff_of_two_tenants_are_pushed_each_tenants_notices_under_its_name_and_neither_sees_the_others() {
    let world = World::new("shared_notices").await;
    let house = world.open().await;
    let scene = Scene::open(&world, &house, 1_000).await;
    let (here, _) = scene.person(&world).await;
    friends_come(&world, &scene.one, &scene.office, 2).await;
    settled(&house, &scene.one, wire::NoticeChannel::Line, 2).await;
    friends_come(&world, &scene.two, &scene.other, 1).await;
    let standing = settled(&house, &scene.two, wire::NoticeChannel::Line, 1).await;
    assert_eq!(standing[0].0, wire::NoticeState::Delivered);
    let pushed = scene.account.pushed(&world).await;
    assert_eq!(pushed.len(), 3, "{pushed:?}");
    assert!(pushed.iter().all(|(to, _)| *to == here.line_user));
    let (ours, theirs) = pushed.split_at(2);
    assert!(ours.iter().all(|(_, text)| text.starts_with(&heading(&scene.one))), "{pushed:?}");
    assert!(theirs[0].1.starts_with(&heading(&scene.two)), "{pushed:?}");

    // What was said stands with the tenant that said it: nothing of it with the account's, nor anywhere after it was settled.
    let of = |tenant: &Tenant| format!("SELECT count(*) FROM messaging.message WHERE tenant_id = '{}'", tenant.id);
    assert_eq!(world.count(&of(&scene.home)).await, 0);
    assert_eq!((world.count(&of(&scene.one)).await, world.count(&of(&scene.two)).await), (2, 1));
    assert_eq!(world.number("SELECT count(*) FROM messaging.message WHERE object IS NOT NULL").await, 0);
    for guest in [&scene.one, &scene.two] {
        assert!(house.list(guest).await.is_empty(), "no conversation is shown");
        let account_id = scene.account.account.to_string();
        let quota = house.quota(guest).get_quota(wire::GetQuotaRequest { account_id: account_id.clone() }).await;
        assert_eq!(quota.unwrap_err().code(), Code::NotFound, "the account's quota is its own tenant's to know");
        let (line_user_id, mut gateway) = (here.line_user.clone(), house.gateway(guest));
        let token = gateway.issue_link_token(wire::IssueLinkTokenRequest { account_id, line_user_id }).await;
        assert_eq!(token.unwrap_err().code(), Code::NotFound);
    }
    house.close().await;
}

#[tokio::test]
async fn a_share_that_is_used_up_bounds_its_own_tenant_alone_and_is_whole_again_next_month() {
    let world = World::new("shared_limit").await;
    let house = world.open().await;
    let beside = world.open().await;
    let scene = Scene::open(&world, &house, 3).await;
    let (here, _) = scene.person(&world).await;
    here.contact(&world, &scene.one, 2, scene.account.account, &here.line_user, "sato@example.com").await;
    // At once, at two replicas.
    friends_come(&world, &scene.one, &scene.office, 8).await;
    friends_come(&world, &scene.two, &scene.other, 4).await;
    let mut standing = settled(&house, &scene.one, wire::NoticeChannel::Line, 8).await;
    standing.sort_unstable_by_key(|(state, ..)| i32::from(*state));
    let short = (wire::NoticeState::NoChannel, wire::NoticeFailure::ShareUsedUp);
    let states: Vec<_> = standing.iter().map(|(state, failure, _)| (*state, *failure)).collect();
    assert_eq!(states[..3], [(wire::NoticeState::Delivered, wire::NoticeFailure::Unspecified); 3]);
    assert_eq!(states[3..], [short; 5]);
    let by_email = "SELECT count(*) FROM messaging.notice_delivery WHERE channel = 2";
    assert_eq!(world.number(by_email).await, 5, "e-mail stands in, as where LINE does not reach");
    let theirs = settled(&house, &scene.two, wire::NoticeChannel::Line, 4).await;
    assert!(theirs.iter().all(|(state, ..)| *state == wire::NoticeState::Delivered), "{theirs:?}");
    assert_eq!(scene.account.pushed(&world).await.len(), 7);

    // A higher limit holds from now on, and so does another month.
    scene.office.share(&world, &scene.home, &scene.one, (2, true), 4).await;
    friends_come(&world, &scene.one, &scene.office, 2).await;
    settled(&house, &scene.one, wire::NoticeChannel::Line, 10).await;
    assert_eq!(scene.account.pushed(&world).await.len(), 8);
    world.admin("UPDATE messaging.staff_account_use SET month = month - interval '1 month'").await;
    friends_come(&world, &scene.one, &scene.office, 2).await;
    settled(&house, &scene.one, wire::NoticeChannel::Line, 12).await;
    assert_eq!(scene.account.pushed(&world).await.len(), 10);
    house.close().await;
    beside.close().await;
}

#[tokio::test]
async fn nothing_is_pushed_for_a_tenant_that_is_suspended_or_uses_its_share_no_more_nor_while_the_account_is_paused() {
    let world = World::new("shared_halted").await;
    let house = world.open().await;
    let scene = Scene::open(&world, &house, 1_000).await;
    scene.person(&world).await;
    let suspend = async |tenant: &Tenant, version, suspended| {
        let replica = TenantReplica {
            tenant_id: tenant.id.to_string(),
            version,
            time_zone: "Asia/Tokyo".to_owned(),
            suspended,
            ..Default::default()
        };
        world.say(tenant, Body::Tenant(replica)).await;
        let known = format!("SELECT count(*) FROM messaging.tenant_replica WHERE version = {version} AND tenant_id = ");
        until(&world, &known, tenant.id.uuid()).await;
    };
    // One tenant is suspended: the other goes on.
    suspend(&scene.one, 2, true).await;
    friends_come(&world, &scene.one, &scene.office, 1).await;
    waiting(&world, &scene.one, 1).await;
    friends_come(&world, &scene.two, &scene.other, 1).await;
    settled(&house, &scene.two, wire::NoticeChannel::Line, 1).await;
    assert_eq!(scene.account.pushed(&world).await.len(), 1);
    suspend(&scene.one, 3, false).await;
    settled(&house, &scene.one, wire::NoticeChannel::Line, 1).await;
    assert_eq!(scene.account.pushed(&world).await.len(), 2);

    // The operator's tenant is, or the account is paused: everybody waits.
    for version in [2, 4] {
        if version == 2 {
            suspend(&scene.home, 2, true).await;
        } else {
            scene.account.stand(&world, &scene.home, 2, AccountState::Paused).await;
            let paused = "SELECT count(*) FROM messaging.account_replica WHERE version = 2 AND account_id = ";
            until(&world, paused, scene.account.account.uuid()).await;
        }
        friends_come(&world, &scene.one, &scene.office, 1).await;
        friends_come(&world, &scene.two, &scene.other, 1).await;
        waiting(&world, &scene.one, 1).await;
        waiting(&world, &scene.two, 1).await;
        if version == 2 {
            suspend(&scene.home, 3, false).await;
        } else {
            scene.account.stand(&world, &scene.home, 3, AccountState::Connected).await;
        }
        waiting(&world, &scene.one, 0).await;
        waiting(&world, &scene.two, 0).await;
    }
    assert_eq!(scene.account.pushed(&world).await.len(), 6);

    // A share that is used no more reaches nobody, whatever is still said of who is bound; a late word of before changes nothing.
    scene.office.share(&world, &scene.home, &scene.one, (2, false), 1_000).await;
    scene.office.share(&world, &scene.home, &scene.one, (1, true), 1_000).await;
    friends_come(&world, &scene.one, &scene.office, 1).await;
    let standing = settled(&house, &scene.one, wire::NoticeChannel::Line, 4).await;
    let unreached = standing.iter().filter(|(state, ..)| *state == wire::NoticeState::NoChannel).count();
    assert_eq!((unreached, scene.account.pushed(&world).await.len()), (1, 6));
    house.close().await;
}

#[tokio::test]
async fn a_tenants_backlog_on_the_shared_account_holds_up_no_other_tenants_notices() {
    let world = World::new("shared_backlog").await;
    let house = world.open().await;
    let scene = Scene::open(&world, &house, 1_000_000).await;
    let (here, _) = scene.person(&world).await;
    scene.account.stand(&world, &scene.home, 2, AccountState::Paused).await;
    let paused = "SELECT count(*) FROM messaging.account_replica WHERE version = 2 AND account_id = ";
    until(&world, paused, scene.account.account.uuid()).await;
    friends_come(&world, &scene.one, &scene.office, 1).await;
    waiting(&world, &scene.one, 1).await;
    // Five thousand more of the same.
    world
        .admin(
            "INSERT INTO messaging.message (tenant_id, message_id, conversation_id, account_id, message_time, direction, state,
                 class, object)
             SELECT tenant_id, gen_random_uuid(), conversation_id, account_id, message_time, direction, state, class, object
             FROM messaging.message, generate_series(1, 5000) WHERE class = 2;
             INSERT INTO messaging.send (tenant_id, account_id, class, message_id, conversation_id, policy, expire_time)
             SELECT m.tenant_id, m.account_id, m.class, m.message_id, m.conversation_id, s.policy, s.expire_time
             FROM messaging.message m JOIN messaging.send s USING (tenant_id, conversation_id)
             WHERE m.class = 2 AND m.message_id <> s.message_id",
        )
        .await;
    scene.account.stand(&world, &scene.home, 3, AccountState::Connected).await;
    friends_come(&world, &scene.two, &scene.other, 3).await;
    settled(&house, &scene.two, wire::NoticeChannel::Line, 3).await;
    let left = format!("SELECT count(*) FROM messaging.send WHERE tenant_id = '{}'", scene.one.id);
    assert!(world.count(&left).await > 1_000, "the backlog went first");
    let told = scene.account.pushed(&world).await;
    assert_eq!(told.iter().filter(|(_, text)| text.starts_with(&heading(&scene.two))).count(), 3);
    assert!(told.iter().all(|(to, _)| *to == here.line_user));
    house.close().await;
}

#[tokio::test]
async fn a_process_killed_around_a_push_of_a_tenant_with_a_share_tells_nobody_twice_and_forgets_nobody() {
    let world = World::new("shared_killed").await;
    let house = world.open().await;
    let scene = Scene::open(&world, &house, 1_000).await;
    scene.person(&world).await;
    house.close().await;
    for (number, place) in (1..).zip(["messaging.after_staff_notice", "messaging.after_call", "messaging.after_settle"])
    {
        let mut killed = program_killed(&world, testkit::port::free(), &format!("{place}=kill@1"));
        friends_come(&world, &scene.one, &scene.office, 2).await;
        friends_come(&world, &scene.two, &scene.other, 2).await;
        assert_eq!(killed.exit(SOON).await.unwrap().signal(), Some(9), "{place}: {:?}", killed.lines());
        let house = world.open().await;
        for guest in [&scene.one, &scene.two] {
            let standing = settled(&house, guest, wire::NoticeChannel::Line, 2 * number).await;
            assert!(standing.iter().all(|(state, ..)| *state == wire::NoticeState::Delivered), "{place}: {standing:?}");
        }
        assert_eq!(scene.account.pushed(&world).await.len(), 4 * number, "{place}");
        let used = "SELECT sum(pushes) FROM messaging.staff_account_use";
        assert_eq!(world.number(used).await, i64::try_from(4 * number).unwrap(), "{place}: each is counted once");
        house.close().await;
    }
}
