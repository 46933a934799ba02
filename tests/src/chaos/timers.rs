//! Programs' timers in a run: made, moved and cancelled over gRPC, by callers who repeat a call until it is answered.

use std::time::Duration;

use chrono::TimeDelta;
use contracts::scheduler::v1::cancel_timers_request::Which;
use contracts::scheduler::v1::timer_service_client::TimerServiceClient;
use contracts::scheduler::v1::{
    CancelTimersRequest, CreateTimersRequest, LateMode, LatePolicy, MoveTimerRequest, NewTimer, Timer, TimerKeys,
};
use futures::future::try_join_all;
use kernel::{Clock as _, SystemClock, Timestamp};
use tonic::Code;
use tsunagi::stage::{Connection, Shop, Stage, until};

use super::dice::Dice;

/// Whose they are.
pub(super) const OWNER: &str = "chaos";
/// Timers of a run.
const MADE: u32 = 40;
/// The pause between two.
const BETWEEN: Duration = Duration::from_millis(40);
/// How soon they are due.
const SOON: (Duration, Duration) = (Duration::from_millis(150), Duration::from_secs(5));
/// How late those are said that cannot wait.
const HURRY: i64 = 1;
/// What some timers have in common, a few of them each.
const MERGED: u32 = 3;
/// How long a caller goes on trying.
const DONE_WITHIN: Duration = Duration::from_mins(2);

/// What becomes of a timer that is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// It is said.
    Said,
    /// It is said, unless it is far too late; then it is told that it was missed.
    Told,
    /// It is said, unless it is too late; then it is recorded alone.
    Silent,
    /// It is said, or another that merges into the same.
    Merged(u32),
}

/// How often it comes to an end, said or recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// Once.
    Once,
    /// It was cancelled before it was due: never.
    Never,
    /// It was cancelled when it may have been due: once at most.
    AtMostOnce,
}

/// What a timer of a run must come to.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) key: String,
    /// The version that is said; none where a call that made another was not answered.
    pub(super) generation: Option<i64>,
    pub(super) late: Late,
    pub(super) ends: Ends,
}

/// What every key of a run begins with.
pub(super) fn prefix(seed: u64) -> String {
    format!("run-{seed}/")
}

/// Makes the timers of a run, moves some and cancels some. `turned`: somebody's clock is wrong meanwhile, so that it cannot be told
/// when a timer is due for the scheduler.
pub(super) async fn keep(stage: &Stage, shop: &Shop, seed: u64, turned: bool) -> anyhow::Result<Vec<Wanted>> {
    let client = TimerServiceClient::new(shop.program.connect(&stage.scheduler)?);
    let mut dice = Dice::new(seed);
    let mut under_way = Vec::new();
    for n in 0..MADE {
        let soon = (dice.duration(SOON.0, SOON.1), dice.duration(SOON.0, SOON.1), dice.duration(SOON.0, SOON.1));
        let client = client.clone();
        under_way.push(async move {
            tokio::time::sleep(BETWEEN * n).await;
            one(client, (seed, n), soon, turned).await
        });
    }
    try_join_all(under_way).await
}

/// One timer's life. `soon`: how long from now it is due, how long after that it is moved or cancelled, and when it is due then.
async fn one(
    mut client: TimerServiceClient<Connection>,
    (seed, n): (u64, u32),
    soon: (Duration, Duration, Duration),
    turned: bool,
) -> anyhow::Result<Wanted> {
    let late = match n % 4 {
        0 => Late::Said,
        1 => Late::Told,
        2 => Late::Silent,
        _ => Late::Merged(n % MERGED),
    };
    let key = format!("{}{n}", prefix(seed));
    let due = in_time(soon.0);
    let timer = NewTimer {
        key: key.clone(),
        due_time: Some(contracts::timestamp(due)),
        late_policy: Some(policy(late, &prefix(seed))),
    };
    let request = CreateTimersRequest {
        owner: OWNER.to_owned(),
        timers: vec![timer],
        request_id: uuid::Uuid::new_v4().to_string(),
        ..CreateTimersRequest::default()
    };
    let made = until(DONE_WITHIN, async || client.create_timers(request.clone()).await).await?.into_inner().timers;
    let generation = made.first().map(|timer| timer.generation);
    let wanted = Wanted { key, generation, late, ends: Ends::Once };
    match n % 5 {
        3 => {
            tokio::time::sleep(soon.1 / 2).await;
            moved(&mut client, wanted, soon.2).await
        }
        4 => {
            tokio::time::sleep(soon.1 / 4).await;
            cancelled(&mut client, wanted, due, turned).await
        }
        _ => Ok(wanted),
    }
}

/// Moves it, unless it was said by then.
async fn moved(client: &mut TimerServiceClient<Connection>, wanted: Wanted, soon: Duration) -> anyhow::Result<Wanted> {
    let request = MoveTimerRequest {
        owner: OWNER.to_owned(),
        key: wanted.key.clone(),
        due_time: Some(contracts::timestamp(in_time(soon))),
        ..MoveTimerRequest::default()
    };
    let mut calls = 0;
    let moved: Option<Timer> = until(DONE_WITHIN, async || {
        calls += 1;
        match client.move_timer(request.clone()).await {
            Ok(moved) => Ok(moved.into_inner().timer),
            // It is over: as it was made, or as a call that was not answered moved it.
            Err(refused) if refused.code() == Code::NotFound => Ok(None),
            Err(problem) => Err(problem),
        }
    })
    .await?;
    let as_made = wanted.generation.filter(|_| calls == 1);
    Ok(Wanted { generation: moved.map_or(as_made, |timer| Some(timer.generation)), ..wanted })
}

/// Cancels it. What was cancelled while it stood, or by a call that was answered before it was due, is never said.
async fn cancelled(
    client: &mut TimerServiceClient<Connection>,
    wanted: Wanted,
    due: Timestamp,
    turned: bool,
) -> anyhow::Result<Wanted> {
    let keys = TimerKeys { keys: vec![wanted.key.clone()] };
    let request = CancelTimersRequest { owner: OWNER.to_owned(), which: Some(Which::Keys(keys)) };
    let answer = until(DONE_WITHIN, async || client.cancel_timers(request.clone()).await).await?.into_inner();
    let before = !turned && SystemClock.now() < due;
    let ends = if answer.cancelled_count == 1 || before { Ends::Never } else { Ends::AtMostOnce };
    Ok(Wanted { ends, ..wanted })
}

fn in_time(soon: Duration) -> Timestamp {
    SystemClock.now() + TimeDelta::from_std(soon).unwrap_or_default()
}

fn policy(late: Late, prefix: &str) -> LatePolicy {
    let hurry = || Some(prost_types::Duration { seconds: HURRY, nanos: 0 });
    match late {
        Late::Said => LatePolicy { mode: LateMode::Always.into(), ..LatePolicy::default() },
        Late::Told => LatePolicy { mode: LateMode::UpTo.into(), late_for: hurry(), ..LatePolicy::default() },
        Late::Silent => LatePolicy { mode: LateMode::Skip.into(), late_for: hurry(), ..LatePolicy::default() },
        Late::Merged(into) => {
            LatePolicy { mode: LateMode::Merge.into(), late_for: None, merge_key: format!("{prefix}into-{into}") }
        }
    }
}
