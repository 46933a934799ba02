//! Slots of a tenant's digest as scheduler says them, and what came of each.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use contracts::access_proto::v1::Right;
use contracts::events::v1::identity_event::Body as Identity;
use contracts::events::v1::scheduler_event::Body;
use contracts::events::v1::{DigestDue, StaffReplica};
use contracts::messaging::v1 as wire;
use contracts::timestamp;
use kernel::{Clock as _, StaffId, SystemClock, Timestamp};
use testkit::eventually;
use uuid::Uuid;

use crate::house::House;
use crate::notices::place::{Member, Office};
use crate::scheduler;
use crate::world::{SOON, Tenant, World};

/// A slot that came at the full minute so many minutes ago, to be told within three hours.
pub(crate) fn slot(minutes_ago: i64) -> DigestDue {
    let now = SystemClock.now();
    let time = now - TimeDelta::seconds(now.timestamp() % 60) - TimeDelta::minutes(minutes_ago);
    let time = Timestamp::from_timestamp(time.timestamp(), 0).unwrap();
    DigestDue {
        slot_time: Some(timestamp(time)),
        local_time: "2026-11-23T08:00".to_owned(),
        recipient_staff_ids: Vec::new(),
        expire_time: Some(timestamp(now + TimeDelta::hours(3))),
        send_empty: false,
    }
}

pub(crate) async fn say(world: &World, tenant: &Tenant, due: &DigestDue) {
    scheduler::say(world, tenant, Body::DigestDue(due.clone())).await;
}

/// Everybody's digest of a slot, once all of it is made.
pub(crate) async fn told(
    house: &House,
    tenant: &Tenant,
    due: &DigestDue,
    count: usize,
) -> BTreeMap<StaffId, wire::Digest> {
    eventually(SOON, || async {
        let request = wire::ListDigestsRequest { page_size: 200, ..Default::default() };
        let digests = house.digests(tenant).list_digests(request).await.unwrap().into_inner().digests;
        let of: BTreeMap<StaffId, wire::Digest> = digests
            .into_iter()
            .filter(|digest| digest.slot_time == due.slot_time)
            .map(|digest| (digest.staff_id.parse().unwrap(), digest))
            .collect();
        if of.len() == count { Ok(of) } else { Err(format!("{of:?}")) }
    })
    .await
    .unwrap()
}

/// Somebody who is on LINE and may read conversations.
pub(crate) async fn on_line(
    world: &World,
    tenant: &Tenant,
    office: &Office,
    branches: &[Uuid],
    administrator: bool,
) -> Member {
    let member = office.member(world, tenant, Uuid::new_v4(), true).await;
    let staff = StaffReplica {
        staff_id: member.id.to_string(),
        version: 2,
        display_name: "Sato".to_owned(),
        organization_ids: branches.iter().map(Uuid::to_string).collect(),
        rights: vec![Right::ConversationsRead.into(), Right::NoticesRead.into()],
        administrator,
        active: true,
    };
    world.say(tenant, Identity::Staff(staff)).await;
    let known =
        format!("SELECT count(*) FROM messaging.staff_replica WHERE version = 2 AND staff_id = '{}'", member.id);
    eventually(SOON, || async {
        let known = world.count(&known).await;
        if known == 1 { Ok(()) } else { Err(known) }
    })
    .await
    .unwrap();
    member
}

/// What `member` was pushed: the texts.
pub(crate) async fn pushed(world: &World, office: &Office, member: &Member, count: usize) -> Vec<String> {
    eventually(SOON, || async {
        let pushed = office.pushed(world).await;
        let texts: Vec<String> =
            pushed.into_iter().filter(|(to, _)| *to == member.line_user).map(|(_, text)| text).collect();
        if texts.len() == count { Ok(texts) } else { Err(texts) }
    })
    .await
    .unwrap()
}

pub(crate) fn outcome(digest: &wire::Digest) -> &'static str {
    wire::DigestOutcome::try_from(digest.outcome).unwrap().as_str_name().trim_start_matches("DIGEST_OUTCOME_")
}
