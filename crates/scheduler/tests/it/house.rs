//! The running service, and calls to it.

use chassis::Host;
use chassis::grpc::Client;
use chrono::TimeDelta;
use contracts::scheduler::v1 as wire;
use contracts::scheduler::v1::timer_service_client::TimerServiceClient;
use contracts::timestamp;
use kernel::{Clock as _, SystemClock, Timestamp};
use scheduler::App;
use tonic::Status;
use url::Url;

use crate::world::Tenant;

/// Who the tests' programs say they are.
pub(crate) const OWNER: &str = "booking";

pub(crate) struct House {
    pub(crate) host: Host,
    pub(crate) app: App,
}

impl House {
    pub(crate) fn timers(&self, tenant: &Tenant) -> TimerServiceClient<Client> {
        client(tenant, self.app.grpc_addr().port())
    }

    /// Makes timers.
    pub(crate) async fn create(
        &self,
        tenant: &Tenant,
        timers: Vec<wire::NewTimer>,
    ) -> Result<Vec<wire::Timer>, Status> {
        let request = create_request(timers);
        self.timers(tenant).create_timers(request).await.map(|answer| answer.into_inner().timers)
    }

    pub(crate) async fn get(&self, tenant: &Tenant, key: &str) -> Result<wire::Timer, Status> {
        let request = wire::GetTimerRequest { owner: OWNER.to_owned(), key: key.to_owned() };
        self.timers(tenant).get_timer(request).await.map(|answer| answer.into_inner().timer.unwrap())
    }

    pub(crate) async fn shift(&self, tenant: &Tenant, key: &str, due: Timestamp) -> Result<wire::Timer, Status> {
        let request = wire::MoveTimerRequest {
            owner: OWNER.to_owned(),
            key: key.to_owned(),
            due_time: Some(timestamp(due)),
            ..Default::default()
        };
        self.timers(tenant).move_timer(request).await.map(|answer| answer.into_inner().timer.unwrap())
    }

    pub(crate) async fn cancel(&self, tenant: &Tenant, keys: &[&str]) -> Result<i32, Status> {
        let keys = wire::TimerKeys { keys: keys.iter().map(|key| (*key).to_owned()).collect() };
        let which = Some(wire::cancel_timers_request::Which::Keys(keys));
        let request = wire::CancelTimersRequest { owner: OWNER.to_owned(), which };
        self.timers(tenant).cancel_timers(request).await.map(|answer| answer.into_inner().cancelled_count)
    }

    pub(crate) async fn missed(&self, tenant: &Tenant) -> Vec<wire::MissedTimer> {
        let request = wire::ListMissedTimersRequest { owner: OWNER.to_owned(), page_size: 200, ..Default::default() };
        self.timers(tenant).list_missed_timers(request).await.unwrap().into_inner().missed_timers
    }

    /// Ends as at SIGTERM.
    pub(crate) async fn close(self) {
        self.host.stop();
        self.host.wait().await.unwrap();
    }
}

pub(crate) fn client(tenant: &Tenant, port: u16) -> TimerServiceClient<Client> {
    let url = Url::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    TimerServiceClient::new(Client::on_loopback(&url, &tenant.token.reveal()).unwrap())
}

pub(crate) fn create_request(timers: Vec<wire::NewTimer>) -> wire::CreateTimersRequest {
    wire::CreateTimersRequest { owner: OWNER.to_owned(), timers, ..Default::default() }
}

/// A timer with the default policy.
pub(crate) fn timer(key: &str, due: Timestamp) -> wire::NewTimer {
    wire::NewTimer { key: key.to_owned(), due_time: Some(timestamp(due)), late_policy: None }
}

/// A timer with a policy.
pub(crate) fn timer_with(
    key: &str,
    due: Timestamp,
    mode: wire::LateMode,
    late_seconds: i64,
    merge_key: &str,
) -> wire::NewTimer {
    let late_for =
        (mode != wire::LateMode::Always).then_some(prost_types::Duration { seconds: late_seconds, nanos: 0 });
    let policy = wire::LatePolicy { mode: mode.into(), late_for, merge_key: merge_key.to_owned() };
    wire::NewTimer { late_policy: Some(policy), ..timer(key, due) }
}

/// So many milliseconds from now, as precise as the database keeps it.
pub(crate) fn in_millis(millis: i64) -> Timestamp {
    let moment = SystemClock.now() + TimeDelta::milliseconds(millis);
    Timestamp::from_timestamp_micros(moment.timestamp_micros()).unwrap()
}
