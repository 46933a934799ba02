//! Timers made in bulk.

use std::collections::{HashMap, HashSet};

use chassis::audit::{self, Actor};
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::idempotency::{self, Begun};
use chassis::postgres::Database;
use chassis::request::fields::Fields;
use contracts::scheduler::v1::{CreateTimersRequest, CreateTimersResponse, NewTimer};
use prost::Message as _;
use scheduler_core::timer::{LatePolicy, Timer};
use scheduler_core::{Key, Owner, generation};
use serde_json::json;
use tonic::{Request, Status};

use super::fields;
use crate::grpc::refusal::Refusal;
use crate::postgres::{self, timer};

const METHOD: &str = "/tsunagi.scheduler.v1.TimerService/CreateTimers";
/// Most timers of one call.
const MOST: usize = 1_000;

pub(super) async fn create(
    database: &Database,
    request: Request<CreateTimersRequest>,
) -> Result<CreateTimersResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let mut timers = read(&request)?;
    let mut tx = database.tenant(caller.tenant()).await?;
    let begun = idempotency::begin(&mut tx, METHOD, &request.request_id, &request.encode_to_vec()).await?;
    if let Begun::Again(answer) = begun {
        return Ok(again(timers, &answer)?);
    }
    let made_at = generation::next(None, postgres::now(&mut tx).await?);
    for timer in &mut timers {
        timer.generation = made_at;
    }
    let made = if request.replace {
        timer::put_all(&mut tx, &timers).await?
    } else {
        timer::add_all(&mut tx, &timers).await?
    };
    if made.len() < timers.len() {
        return Err(refuse::already_exists("KEY_TAKEN").into());
    }
    let generations: HashMap<&Key, i64> = made.iter().map(|timer| (&timer.key, timer.generation)).collect();
    for timer in &mut timers {
        timer.generation = generations.get(&timer.key).copied().unwrap_or(timer.generation);
    }
    let subject = format!("timers/{}", request.owner);
    let detail = json!({ "count": timers.len(), "replace": request.replace });
    audit::record(&mut tx, &Actor::of(&caller), "timer.create", &subject, detail).await?;
    idempotency::finish(&mut tx, METHOD, &request.request_id, &kept(&timers)).await?;
    tx.commit().await?;
    Ok(tell(&timers))
}

/// The timers of a request, without a generation yet.
fn read(request: &CreateTimersRequest) -> Result<Vec<Timer>, Status> {
    let mut fields = Fields::new();
    let owner = fields::owner(&mut fields, &request.owner);
    let count = match request.timers.len() {
        0 => Err("is required"),
        1..=MOST => Ok(()),
        _ => Err("are more than 1,000"),
    };
    let timers = fields.take("timers", count).and_then(|()| {
        let mut keys = HashSet::new();
        let each = request.timers.iter().enumerate();
        let read: Vec<Option<Timer>> = each
            .map(|(place, wire)| {
                if !keys.insert(wire.key.as_str()) {
                    fields.wrong(&format!("timers[{place}].key"), "comes twice");
                }
                one(&mut fields, place, wire, owner.as_ref())
            })
            .collect();
        read.into_iter().collect()
    });
    fields.all(|| timers)
}

fn one(fields: &mut Fields, place: usize, wire: &NewTimer, owner: Option<&Owner>) -> Option<Timer> {
    let key = fields.take(&format!("timers[{place}].key"), Key::parse(&wire.key));
    let due = fields::due(fields, &format!("timers[{place}].due_time"), wire.due_time.as_ref());
    let policy = fields::policy(fields, &format!("timers[{place}].late_policy"), wire.late_policy.as_ref());
    let policy = policy?.unwrap_or_else(LatePolicy::default);
    Some(Timer { owner: owner?.clone(), key: key?, generation: 0, due: due?, policy })
}

fn tell(timers: &[Timer]) -> CreateTimersResponse {
    CreateTimersResponse { timers: timers.iter().map(fields::tell).collect() }
}

/// What is kept of the answer: the generations alone, one for all where they are the same. The rest is in the request.
fn kept(timers: &[Timer]) -> Vec<u8> {
    let mut generations: Vec<i64> = timers.iter().map(|timer| timer.generation).collect();
    generations.dedup();
    if generations.len() > 1 {
        generations = timers.iter().map(|timer| timer.generation).collect();
    }
    generations.into_iter().flat_map(i64::to_be_bytes).collect()
}

/// The answer given before, from what was kept of it.
fn again(mut timers: Vec<Timer>, kept: &[u8]) -> Result<CreateTimersResponse, Status> {
    let (generations, _) = kept.as_chunks::<8>();
    let generations: Vec<i64> = generations.iter().map(|bytes| i64::from_be_bytes(*bytes)).collect();
    let last = generations.last().copied();
    for (place, timer) in timers.iter_mut().enumerate() {
        let kept = generations.get(place).copied().or(last);
        timer.generation = kept.ok_or_else(|| Status::internal("internal error"))?;
    }
    Ok(tell(&timers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Timestamp;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_answer_is_given_again_from_what_was_kept(generations in prop::collection::vec(1i64..4, 1..9)) {
            let timer = |(number, generation): (usize, &i64)| Timer {
                owner: Owner::named("booking").unwrap(),
                key: Key::parse(&format!("k{number}")).unwrap(),
                generation: *generation,
                due: Timestamp::UNIX_EPOCH,
                policy: LatePolicy::Late,
            };
            let timers: Vec<Timer> = generations.iter().enumerate().map(timer).collect();
            let kept = kept(&timers);
            prop_assert!(generations.iter().any(|one| *one != generations[0]) || kept.len() == 8);
            prop_assert_eq!(again(timers.clone(), &kept).unwrap(), tell(&timers));
        }
    }
}
