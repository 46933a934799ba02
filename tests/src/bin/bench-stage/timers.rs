//! Timers of many tenants, made over gRPC: all for one instant, or one after the other at a steady rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use chrono::{SubsecRound as _, TimeDelta};
use contracts::scheduler::v1::timer_service_client::TimerServiceClient;
use contracts::scheduler::v1::{CreateTimersRequest, ListTimersRequest, NewTimer};
use kernel::{Clock as _, SystemClock, TenantId, Timestamp};
use serde_json::{Value, json};
use sqlx::postgres::PgPool;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tsunagi::stage::{Caller, Connection, Stage, until};

/// Whose the timers are.
const OWNER: &str = "bench";
/// The most timers of a call.
const PACK: usize = 1_000;
/// Calls under way at once, and the connections they share.
const CALLERS: usize = 8;
const CONNECTIONS: usize = 4;
/// How long a service that was just started may take to answer.
const KNOWN_WITHIN: Duration = Duration::from_secs(30);
/// Timers that only wait which are written in one transaction.
const HEAP: u64 = 1_000_000;
/// Timers that only wait: from 3 hours to 30 days from now, and each tenth from 2 to 3 hours from now and in the calendar already.
const OTHERS: &str = "INSERT INTO scheduler.timer (tenant_id, owner, key, generation, due, policy, late_seconds, part, near)
     SELECT tenant, 'others', 'other/' || i, 1,
         now() + CASE WHEN i % 10 = 0 THEN interval '2 hours' + random() * interval '1 hour'
             ELSE interval '3 hours' + random() * interval '30 days' END,
         2, 3600, get_byte(uuid_send(tenant), 15) & 63, i % 10 = 0
     FROM generate_series($2::bigint, $3 - 1) i, LATERAL (SELECT ($1::uuid[])[1 + i / 10 % cardinality($1::uuid[])] AS tenant) t";
/// Calls a second at a steady rate, how long before its moment a timer is made then, and the seconds that are not counted.
const CALLS_PER_SECOND: u32 = 50;
const AHEAD: TimeDelta = TimeDelta::seconds(2);
pub(crate) const WARM_UP: u32 = 3;

/// The tenants, and the way to the scheduler.
pub(crate) struct Timers {
    tenants: Vec<TenantId>,
    /// How many timers were made, so that each has a key of its own.
    made: AtomicU64,
}

/// Connections to the scheduler as it runs now.
#[derive(Clone)]
struct Way {
    operator: Caller,
    channels: Vec<Channel>,
}

impl Timers {
    /// Of so many tenants.
    pub(crate) fn new(tenants: usize) -> Self {
        let tenants = (0..tenants.max(1)).map(|_| uuid::Uuid::new_v4().into()).collect();
        Self { tenants, made: AtomicU64::new(0) }
    }

    /// Makes `count` timers, as many of each tenant, all due `ahead` from now. Gives the moment, the seconds that took and those that
    /// are left until then.
    pub(crate) async fn make(&self, stage: &Stage, count: u64, ahead: TimeDelta) -> anyhow::Result<(Timestamp, Value)> {
        let way = Way::to(stage, self.tenants[0]).await?;
        // As exact as the table has it.
        let due = (SystemClock.now() + ahead).trunc_subsecs(6);
        let each = count.div_ceil(self.tenants.len() as u64).max(1);
        let first = self.made.fetch_add(count, Ordering::Relaxed);
        let numbers: Vec<u64> = (first..first + count).collect();
        // A tenant's timers may take several calls.
        let calls: Vec<(TenantId, Vec<u64>)> = numbers
            .chunks(usize::try_from(each)?)
            .zip(&self.tenants)
            .flat_map(|(numbers, tenant)| numbers.chunks(PACK).map(|pack| (*tenant, pack.to_vec())))
            .collect();
        let (calls, next) = (Arc::new(calls), Arc::new(AtomicUsize::new(0)));
        let begun = Instant::now();
        let mut making = JoinSet::new();
        for caller in 0..CALLERS {
            let (way, calls, next) = (way.clone(), Arc::clone(&calls), Arc::clone(&next));
            making.spawn(async move {
                while let Some((tenant, numbers)) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let timers = numbers.iter().map(|number| timer(*number, due)).collect();
                    way.client(caller, *tenant).create_timers(request(timers)).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(made) = making.join_next().await {
            made??;
        }
        let seconds = begun.elapsed().as_secs_f64();
        let left = (due - SystemClock.now()).as_seconds_f64();
        Ok((due, json!({ "count": count, "seconds": seconds, "calls": calls.len(), "left": left })))
    }

    /// Writes timers that only wait, number `from` to before number `to`, spread over all tenants.
    pub(crate) async fn others(&self, admin: &PgPool, from: u64, to: u64) -> anyhow::Result<Value> {
        let tenants: Vec<uuid::Uuid> = self.tenants.iter().map(|tenant| tenant.uuid()).collect();
        let mut begin = from;
        while begin < to {
            let end = to.min(begin + HEAP);
            let written = sqlx::query(OTHERS).bind(&tenants).bind(i64::try_from(begin)?).bind(i64::try_from(end)?);
            written.execute(admin).await?;
            begin = end;
        }
        sqlx::raw_sql("VACUUM (ANALYZE) scheduler.timer").execute(admin).await?;
        Ok(json!({ "count": to }))
    }

    /// Makes timers for `seconds` and the warm-up before, so that `per_second` are due every second, evenly, whatever happens
    /// meanwhile. Gives when the first that counts is due, and how many count.
    pub(crate) async fn pace(&self, stage: &Stage, per_second: u32, seconds: u32) -> anyhow::Result<(Timestamp, u32)> {
        let many = per_second / CALLS_PER_SECOND;
        ensure!(many > 0 && per_second.is_multiple_of(CALLS_PER_SECOND), "a multiple of {CALLS_PER_SECOND} a second");
        let way = Way::to(stage, self.tenants[0]).await?;
        let calls = CALLS_PER_SECOND * (WARM_UP + seconds);
        let first = self.made.fetch_add(u64::from(many * calls), Ordering::Relaxed);
        let apart = TimeDelta::microseconds(1_000_000 / i64::from(per_second));
        let begun = (SystemClock.now() + AHEAD).trunc_subsecs(6);
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / CALLS_PER_SECOND);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut making = JoinSet::new();
        for call in 0..calls {
            ticks.tick().await;
            let tenant = self.tenants[call as usize % self.tenants.len()];
            let due = |n: u32| begun + apart * i32::try_from(n).unwrap_or(i32::MAX);
            let of_call = (call * many..(call + 1) * many).map(|n| timer(first + u64::from(n), due(n)));
            let (mut client, timers) = (way.client(call as usize, tenant), of_call.collect());
            making.spawn(async move { client.create_timers(request(timers)).await.map(drop) });
        }
        while let Some(made) = making.join_next().await {
            made??;
        }
        Ok((begun + TimeDelta::seconds(WARM_UP.into()), per_second * seconds))
    }
}

impl Way {
    /// To the scheduler, once it answers.
    async fn to(stage: &Stage, tenant: TenantId) -> anyhow::Result<Self> {
        let channel = || Ok(Endpoint::from_shared(stage.scheduler.clone())?.connect_lazy());
        let channels = (0..CONNECTIONS).map(|_| channel()).collect::<anyhow::Result<Vec<_>>>()?;
        let way = Self { operator: stage.operator.clone(), channels };
        for connection in 0..CONNECTIONS {
            let greeting = ListTimersRequest { owner: OWNER.to_owned(), page_size: 1, ..Default::default() };
            until(KNOWN_WITHIN, async || way.client(connection, tenant).list_timers(greeting.clone()).await)
                .await
                .context("the scheduler does not answer")?;
        }
        Ok(way)
    }

    fn client(&self, number: usize, tenant: TenantId) -> TimerServiceClient<Connection> {
        let channel = self.channels[number % self.channels.len()].clone();
        TimerServiceClient::new(InterceptedService::new(channel, self.operator.for_tenant(tenant)))
    }
}

fn timer(number: u64, due: Timestamp) -> NewTimer {
    NewTimer { key: format!("booking/{number}"), due_time: Some(contracts::timestamp(due)), ..Default::default() }
}

fn request(timers: Vec<NewTimer>) -> CreateTimersRequest {
    let request_id = uuid::Uuid::new_v4().to_string();
    CreateTimersRequest { owner: OWNER.to_owned(), timers, request_id, ..Default::default() }
}
