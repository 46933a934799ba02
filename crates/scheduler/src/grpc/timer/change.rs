//! Timers moved and cancelled.

use chassis::audit::{self, Actor};
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::postgres::Database;
use chassis::request::fields::Fields;
use contracts::scheduler::v1::cancel_timers_request::Which;
use contracts::scheduler::v1::{CancelTimersRequest, CancelTimersResponse, MoveTimerRequest, MoveTimerResponse};
use scheduler_core::timer::Timer;
use scheduler_core::{Key, generation};
use serde_json::json;
use tonic::Request;

use super::fields;
use crate::grpc::refusal::Refusal;
use crate::postgres::{self, timer};

/// Most keys of one call.
const MOST_KEYS: usize = 1_000;

pub(super) async fn shift(
    database: &Database,
    request: Request<MoveTimerRequest>,
) -> Result<MoveTimerResponse, Refusal> {
    let (caller, request) = (Caller::of(&request), request.into_inner());
    let mut read = Fields::new();
    let owner = fields::owner(&mut read, &request.owner);
    let key = read.take("key", Key::parse(&request.key));
    let due = fields::due(&mut read, "due_time", request.due_time.as_ref());
    let policy = fields::policy(&mut read, "late_policy", request.late_policy.as_ref());
    let (owner, key, due, policy) = read.all(|| Some((owner?, key?, due?, policy?)))?;
    let mut tx = database.tenant(caller.tenant()).await?;
    let stands = timer::lock(&mut tx, &owner, &key).await?.ok_or_else(|| refuse::not_found("TIMER"))?;
    if request.generation != 0 && request.generation != stands.generation {
        return Err(refuse::aborted("GENERATION_MISMATCH").into());
    }
    let policy = policy.unwrap_or_else(|| stands.policy.clone());
    if (due, &policy) == (stands.due, &stands.policy) {
        tx.rollback().await?;
        return Ok(MoveTimerResponse { timer: Some(fields::tell(&stands)) });
    }
    let now = postgres::now(&mut tx).await?;
    let moved = Timer { generation: generation::next(Some(stands.generation), now), due, policy, ..stands };
    timer::put_all(&mut tx, std::slice::from_ref(&moved)).await?;
    let subject = format!("timer/{}/{}", request.owner, request.key);
    let detail = json!({ "generation": moved.generation });
    audit::record(&mut tx, &Actor::of(&caller), "timer.move", &subject, detail).await?;
    tx.commit().await?;
    Ok(MoveTimerResponse { timer: Some(fields::tell(&moved)) })
}

/// Which timers are to be cancelled.
enum Wanted {
    Keys(Vec<Key>),
    Prefix(String),
}

pub(super) async fn cancel(
    database: &Database,
    request: Request<CancelTimersRequest>,
) -> Result<CancelTimersResponse, Refusal> {
    let (caller, request) = (Caller::of(&request), request.into_inner());
    let mut read = Fields::new();
    let owner = fields::owner(&mut read, &request.owner);
    let wanted = wanted(&mut read, request.which);
    let (owner, wanted) = read.all(|| owner.zip(wanted))?;
    let mut tx = database.tenant(caller.tenant()).await?;
    let (cancelled, by) = match &wanted {
        Wanted::Keys(keys) => (timer::cancel(&mut tx, &owner, keys).await?, "keys"),
        Wanted::Prefix(prefix) => (timer::cancel_prefix(&mut tx, &owner, prefix).await?, "prefix"),
    };
    if cancelled > 0 {
        let subject = format!("timers/{}", owner.as_str());
        let detail = json!({ "count": cancelled, "by": by });
        audit::record(&mut tx, &Actor::of(&caller), "timer.cancel", &subject, detail).await?;
    }
    tx.commit().await?;
    let full = cancelled >= timer::MOST_CANCELLED.unsigned_abs();
    Ok(CancelTimersResponse {
        cancelled_count: i32::try_from(cancelled).unwrap_or(i32::MAX),
        more: full && matches!(wanted, Wanted::Prefix(_)),
    })
}

fn wanted(read: &mut Fields, which: Option<Which>) -> Option<Wanted> {
    match which {
        None => {
            read.wrong("which", "is required");
            None
        }
        Some(Which::KeyPrefix(prefix)) => fields::prefix(read, &prefix).map(|()| Wanted::Prefix(prefix)),
        Some(Which::Keys(keys)) if keys.keys.is_empty() || keys.keys.len() > MOST_KEYS => {
            read.wrong("keys.keys", "are none, or more than 1,000");
            None
        }
        Some(Which::Keys(keys)) => {
            let each = keys.keys.iter().enumerate();
            let keys: Vec<Option<Key>> =
                each.map(|(place, key)| read.take(&format!("keys.keys[{place}]"), Key::parse(key))).collect();
            keys.into_iter().collect::<Option<Vec<Key>>>().map(Wanted::Keys)
        }
    }
}
