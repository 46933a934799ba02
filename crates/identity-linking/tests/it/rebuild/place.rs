//! Where a tenant's friendships are made anew: a house in which LINE told of five people.

use bus::Bus;
use bus::publish::{Again, Outbound, Publisher};
use bus::subject::Subject;
use chassis::config::Secret;
use chassis::{Host, HostConfig};
use contracts::events::v1::{FriendshipState, LineWebhookEvent};
use contracts::identity::v1::*;
use contracts::timestamp;
use identity_linking::bootstrap;
use kernel::{AccountId, EventHeader, SystemClock, TenantId, Timestamp};
use prost::Message as _;
use testkit::eventually;
use uuid::Uuid;

use crate::friend::{event, friends, user};
use crate::house::{Caller, House, SOON};

/// What LINE told of five people: a friend, one who blocked, one who came back, one who only wrote, one who followed late.
pub(super) fn told() -> Vec<(&'static str, String)> {
    vec![
        event("follow", &user(1), 1_000),
        event("message", &user(1), 1_500),
        event("follow", &user(2), 2_000),
        event("unfollow", &user(2), 3_000),
        event("follow", &user(3), 4_000),
        event("unfollow", &user(3), 5_000),
        event("follow", &user(3), 6_000),
        event("message", &user(4), 7_000),
        event("follow", &user(5), 8_000),
    ]
}

/// A house with one tenant of whom LINE told, and somebody who may rebuild there.
pub(super) struct Place {
    pub(super) house: House,
    pub(super) tenant: TenantId,
    pub(super) account: AccountId,
    pub(super) token: Secret,
    pub(super) replay: Uuid,
}

impl Place {
    pub(super) async fn open(hint: &str) -> Self {
        let house = House::open(hint).await;
        for number in 1..=5 {
            house.messaging.name(&user(number), &format!("友だち{number}"));
        }
        let tenant = house.tenant().await;
        let (_, account) = house.account(tenant, &user(100)).await;
        let token = service(&house, "webhook-ingest").await;
        let place = Self { house, tenant, account, token, replay: Uuid::now_v7() };
        place.tell(&told()).await;
        place.handled(told().len()).await;
        eventually(SOON, || async {
            let friends = friends(&place.house, tenant, account).await;
            friends.iter().all(|friend| !friend.display_name.is_empty()).then_some(()).ok_or(friends)
        })
        .await
        .unwrap();
        place
    }

    /// webhook-ingest, calling for the tenant.
    pub(super) fn ingest(&self) -> Caller {
        Caller(self.house.client(&self.token)).for_tenant(self.tenant)
    }

    /// Waits until so many events were handled.
    pub(super) async fn handled(&self, count: usize) {
        let wanted = i64::try_from(count).unwrap();
        eventually(SOON, || async {
            let handled: i64 = self.number("SELECT count(*) FROM identity.inbox").await;
            if handled == wanted { Ok(()) } else { Err(handled) }
        })
        .await
        .unwrap();
    }

    pub(super) async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.house.admin().await).await.unwrap()
    }

    pub(super) async fn prepare(&self) {
        let request = PrepareRebuildRequest { replay_id: self.replay.to_string() };
        eventually(SOON, || async {
            let answer = self.ingest().rebuilds().prepare_rebuild(request.clone()).await;
            answer.map_err(|status| status.to_string())?.into_inner().done.then_some(()).ok_or_else(String::new)
        })
        .await
        .unwrap();
    }

    /// Which of these events were not handled in the rebuild, and how many of them are kept aside.
    pub(super) async fn unhandled(&self, ids: &[String]) -> (Vec<String>, i32) {
        let request = CheckRebuildRequest { replay_id: self.replay.to_string(), webhook_event_ids: ids.to_vec() };
        let answer = self.ingest().rebuilds().check_rebuild(request).await.unwrap().into_inner();
        (answer.missing_webhook_event_ids, answer.waiting_count)
    }

    /// Ends the rebuild as webhook-ingest does, whatever was handled.
    pub(super) async fn finish(&self, abandoned: bool) -> FinishRebuildResponse {
        let request = FinishRebuildRequest { replay_id: self.replay.to_string(), abandoned };
        eventually(SOON, || async {
            let answer = self.ingest().rebuilds().finish_rebuild(request.clone()).await.unwrap().into_inner();
            if answer.done { Ok(answer) } else { Err(()) }
        })
        .await
        .unwrap()
    }

    /// Tells events as webhook-ingest does when they come.
    pub(super) async fn tell(&self, events: &[(&'static str, String)]) {
        self.publish(events, None).await;
    }

    /// Tells events again as webhook-ingest does in a rebuild; their IDs.
    pub(super) async fn tell_again(&self, events: &[(&'static str, String)]) -> Vec<String> {
        self.publish(events, Some(Again::Rebuild(self.replay))).await
    }

    /// Tells them again, and waits until they are handled.
    pub(super) async fn heard_again(&self, events: &[(&'static str, String)]) {
        let ids = self.tell_again(events).await;
        eventually(SOON, || async {
            let unhandled = self.unhandled(&ids).await;
            if unhandled == (Vec::new(), 0) { Ok(()) } else { Err(unhandled) }
        })
        .await
        .unwrap();
    }

    async fn publish(&self, events: &[(&'static str, String)], again: Option<Again>) -> Vec<String> {
        let host = Host::start("webhook-ingest", HostConfig::loopback()).unwrap();
        let bus = Bus::connect(&self.house.bus(), &host).await.unwrap();
        eventually(SOON, || std::future::ready(bus.is_connected().then_some(()))).await.unwrap();
        let publisher = Publisher::new(&bus, 64);
        let mut ids = Vec::new();
        for (kind, raw) in events {
            // No two of one moment.
            let at = serde_json::from_str::<serde_json::Value>(raw).ok().and_then(|event| event["timestamp"].as_i64());
            let at = at.unwrap_or(1);
            let (id, time) = (format!("{at:026}"), Timestamp::from_timestamp_millis(at).unwrap());
            let body = LineWebhookEvent {
                account_id: self.account.to_string(),
                webhook_event_id: id.clone(),
                event_type: (*kind).to_owned(),
                occur_time: Some(timestamp(time)),
                raw: raw.clone().into_bytes().into(),
                effects_off: again.is_some(),
                ..LineWebhookEvent::default()
            };
            let outbound = Outbound {
                subject: Subject::line_webhook(self.tenant, self.account, kind).unwrap(),
                header: EventHeader {
                    id: id.clone(),
                    kind: "tsunagi.events.v1.LineWebhookEvent".to_owned(),
                    source: "webhook-ingest".to_owned(),
                    time,
                    tenant: Some(self.tenant),
                    trace: None,
                },
                payload: body.encode_to_vec().into(),
            };
            match again {
                Some(again) => drop(publisher.publish_again(&outbound, again).await.unwrap().await.unwrap()),
                None => drop(publisher.publish(&outbound).await.unwrap().await.unwrap()),
            }
            ids.push(id);
        }
        host.stop();
        host.wait().await.unwrap();
        ids
    }

    /// What is known of everybody, without versions.
    pub(super) async fn known(&self) -> Vec<(String, FriendshipState, i64, i64)> {
        let millis =
            |time: Option<prost_types::Timestamp>| contracts::to_timestamp(&time.unwrap()).unwrap().timestamp_millis();
        let friends = friends(&self.house, self.tenant, self.account).await;
        let mut known: Vec<_> = friends
            .into_iter()
            .map(|friend| {
                let state = friend.state();
                (friend.line_user_id, state, millis(friend.state_time), millis(friend.first_seen_time))
            })
            .collect();
        known.sort();
        known
    }

    /// Everything kept of friendships, and the number of profiles to be read.
    pub(super) async fn rows(&self) -> (Vec<String>, i64) {
        let rows = sqlx::query_scalar("SELECT f::text FROM identity.friendship f ORDER BY f::text");
        let rows = rows.fetch_all(&self.house.admin().await).await.unwrap();
        (rows, self.number("SELECT count(*) FROM identity.profile_request WHERE due_time < 'infinity'").await)
    }
}

/// The token of a service's principal, known to the house.
pub(super) async fn service(house: &House, name: &str) -> Secret {
    let database = house.own_database().await;
    let (_, token): (_, Secret) = bootstrap::create_service(&database, &SystemClock, name).await.unwrap();
    Caller(house.client(&token)).known().await;
    token
}
