//! A world with tenants who have a time zone, at a clock of the test's own that all its processes live by.

use std::ops::Deref;
use std::sync::Arc;

use axum::Json;
use axum::routing::get;
use bus::subject::Family;
use chassis::{Host, HostConfig};
use contracts::events::v1 as events;
use contracts::events::v1::identity_event::Body;
use contracts::events::v1::scheduler_event::Body as Said;
use contracts::scheduler::v1 as wire;
use contracts::timestamp;
use kernel::{Clock as _, ManualClock, StaffId, Timestamp};
use testkit::eventually;
use testkit::process::Process;
use uuid::Uuid;

use crate::house::House;
use crate::world::{SOON, Tenant, World};

/// A world and its clock.
pub(crate) struct Town {
    world: World,
    /// What all processes live by. It stands until the test turns it.
    pub(crate) clock: ManualClock,
}

impl Deref for Town {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

/// A moment as RFC 3339 has it.
pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The only staff member of a tenant.
pub(crate) fn staff_of(tenant: &Tenant) -> StaffId {
    tenant.id.uuid().into()
}

/// An activity, as identity-linking tells of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reservation {
    pub(crate) activity: Uuid,
    pub(crate) version: i64,
    pub(crate) kind: &'static str,
    pub(crate) active: bool,
    pub(crate) start: Timestamp,
}

impl Reservation {
    /// A new reservation.
    pub(crate) fn at(start: &str) -> Self {
        Self { activity: Uuid::new_v4(), version: 1, kind: "RESERVATION", active: true, start: at(start) }
    }
}

impl Town {
    /// A town in which it is so late.
    pub(crate) async fn new(hint: &str, now: &str) -> Self {
        Self { world: World::new(hint).await, clock: ManualClock::at(at(now)) }
    }

    /// The same on another Postgres than the one all tests share.
    pub(crate) async fn on(cluster: &testkit::postgres::Cluster, hint: &str, now: &str) -> Self {
        let world = World::on(cluster, testkit::nats::url(), hint).await;
        Self { world, clock: ManualClock::at(at(now)) }
    }

    /// Starts the service, or one more replica of it.
    pub(crate) async fn open(&self) -> House {
        self.world.open_with(HostConfig::loopback().with_clock(Arc::new(self.clock.clone())), 2).await
    }

    /// The service's own program at a port, which kills itself at `place` the second time it comes there.
    pub(crate) async fn program(&self, place: &str, port: u16) -> Process {
        self.world
            .program(port)
            .env("TSUNAGI_CLOCK_URL", self.clock_url().await)
            .env("TSUNAGI_FAILPOINTS", format!("{place}=kill@2"))
            .start()
            .unwrap()
    }

    /// Where this town's clock can be read, until the test ends.
    async fn clock_url(&self) -> String {
        let clock = self.clock.clone();
        let told = get(move || async move { Json(serde_json::json!({ "now": clock.now() })) });
        let listener = tokio::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let host = Host::start("clock", HostConfig::loopback()).unwrap();
        host.spawn("clock", async move {
            axum::serve(listener, axum::Router::new().route("/", told)).await?;
            Ok(())
        });
        url
    }

    /// A new tenant in that zone with a program and a staff member, known to `house`.
    pub(crate) async fn tenant(&self, house: &House, zone: &str) -> Tenant {
        let tenant = self.world.tenant(house).await;
        let staff = events::StaffReplica {
            staff_id: staff_of(&tenant).to_string(),
            version: 1,
            display_name: "Suzuki".to_owned(),
            active: true,
            ..Default::default()
        };
        self.say(&tenant, Body::Staff(staff)).await;
        self.say_tenant(&tenant, 1, zone, false).await;
        eventually(SOON, || async {
            let settings = house.digests(&tenant).get_digest_settings(wire::GetDigestSettingsRequest {}).await;
            settings.map(drop).map_err(|status| status.code())
        })
        .await
        .unwrap();
        self.until(&format!("SELECT count(*) FROM scheduler.staff_replica WHERE tenant_id = '{}'", tenant.id), 1).await;
        tenant
    }

    /// Says how the tenant itself stands.
    pub(crate) async fn say_tenant(&self, tenant: &Tenant, version: i64, zone: &str, suspended: bool) {
        let (tenant_id, time_zone) = (tenant.id.to_string(), zone.to_owned());
        self.say(
            tenant,
            Body::Tenant(events::TenantReplica { tenant_id, version, time_zone, suspended, ..Default::default() }),
        )
        .await;
    }

    /// Says how an activity stands.
    pub(crate) async fn say_reservation(&self, tenant: &Tenant, reservation: &Reservation) {
        let told = events::ActivityReplica {
            activity_id: reservation.activity.to_string(),
            version: reservation.version,
            customer_id: Uuid::nil().to_string(),
            kind: reservation.kind.to_owned(),
            state: if reservation.active { "ACTIVE" } else { "CANCELLED" }.to_owned(),
            start_time: Some(timestamp(reservation.start)),
            ..Default::default()
        };
        self.say(tenant, Body::Activity(told)).await;
    }

    /// Says something as identity-linking would.
    async fn say(&self, tenant: &Tenant, body: Body) {
        self.world.say(Family::Identity, tenant.id, &events::IdentityEvent { body: Some(body) }).await;
    }

    /// The digests the service has said of the tenant, in order.
    pub(crate) async fn digests(&self, tenant: &Tenant) -> Vec<events::DigestDue> {
        let said = self.said(tenant).await.into_iter();
        said.filter_map(|said| if let Said::DigestDue(due) = said { Some(due) } else { None }).collect()
    }

    /// The wall clocks of those digests, once there are so many.
    pub(crate) async fn digests_once(&self, tenant: &Tenant, count: usize) -> Vec<String> {
        let said = eventually(SOON, || async {
            let said = self.digests(tenant).await;
            if said.len() >= count { Ok(said) } else { Err(said) }
        });
        said.await.unwrap().into_iter().map(|due| due.local_time).collect()
    }

    /// The reminders the service has said of the tenant, in order.
    pub(crate) async fn reminders(&self, tenant: &Tenant) -> Vec<events::RemindersDue> {
        let said = self.said(tenant).await.into_iter();
        said.filter_map(|said| if let Said::RemindersDue(due) = said { Some(due) } else { None }).collect()
    }

    /// Those, once there are so many.
    pub(crate) async fn reminders_once(&self, tenant: &Tenant, count: usize) -> Vec<events::RemindersDue> {
        let said = eventually(SOON, || async {
            let said = self.reminders(tenant).await;
            if said.len() >= count { Ok(said) } else { Err(said) }
        });
        said.await.unwrap()
    }

    /// The moments of the tenant's reminders that stand, the soonest first.
    pub(crate) async fn timers(&self, tenant: &Tenant) -> Vec<Timestamp> {
        sqlx::query_scalar("SELECT due FROM scheduler.timer WHERE tenant_id = $1 AND owner = 'reminder' ORDER BY due")
            .bind(tenant.id.uuid())
            .fetch_all(&mut self.admin().await)
            .await
            .unwrap()
    }

    /// Those, once they are `wanted`.
    pub(crate) async fn timers_once(&self, tenant: &Tenant, wanted: &[Timestamp]) {
        eventually(SOON, || async {
            let timers = self.timers(tenant).await;
            if timers == wanted { Ok(()) } else { Err(timers) }
        })
        .await
        .unwrap();
    }

    /// Waits until nothing is left to be planned anew.
    pub(crate) async fn planned(&self) {
        self.until("SELECT count(*) FROM scheduler.replanning", 0).await;
    }

    /// The IDs of all events in the stream, once everything said is published.
    pub(crate) async fn published(&self) -> Vec<String> {
        self.until("SELECT count(*) FROM scheduler.outbox_pending", 0).await;
        testkit::nats::event_ids(&self.nats, &self.prefix, "SCHEDULER").await.unwrap()
    }
}
