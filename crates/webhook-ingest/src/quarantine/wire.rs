//! Quarantined bodies as the API tells them.

use std::collections::HashSet;

use chassis::request::etag;
use contracts::ingest::v1 as wire;
use contracts::timestamp;
use kernel::Timestamp;
use webhook_ingest_core::{Event, Explanation, Obstacle, QuarantineReason, Standing, Window};

use super::table::{Quarantined, State};

pub(super) fn body(row: &Quarantined) -> wire::QuarantinedBody {
    wire::QuarantinedBody {
        body_id: row.body.to_string(),
        account_id: row.account.to_string(),
        reason: reason(row.reason).into(),
        receive_time: Some(timestamp(row.verified_at)),
        size: row.size,
        state: state(row.state).into(),
        settle_time: row.settled_at.map(timestamp),
        principal_id: row.principal.map(|id| id.to_string()).unwrap_or_default(),
        staff_id: row.staff.map(|id| id.to_string()).unwrap_or_default(),
        etag: etag::of(row.version),
    }
}

const fn reason(reason: QuarantineReason) -> wire::QuarantineReason {
    match reason {
        QuarantineReason::WrongDestination => wire::QuarantineReason::WrongDestination,
        QuarantineReason::Unreadable => wire::QuarantineReason::Unreadable,
        QuarantineReason::OutsideWindow => wire::QuarantineReason::OutsideWindow,
    }
}

/// The reason asked for, if one is stated.
pub(super) fn asked_reason(asked: i32) -> Result<Option<QuarantineReason>, &'static str> {
    Ok(match wire::QuarantineReason::try_from(asked).map_err(|_| "does not exist")? {
        wire::QuarantineReason::Unspecified => None,
        wire::QuarantineReason::WrongDestination => Some(QuarantineReason::WrongDestination),
        wire::QuarantineReason::Unreadable => Some(QuarantineReason::Unreadable),
        wire::QuarantineReason::OutsideWindow => Some(QuarantineReason::OutsideWindow),
    })
}

const fn state(state: State) -> wire::QuarantineState {
    match state {
        State::Waiting => wire::QuarantineState::Waiting,
        State::Released => wire::QuarantineState::Released,
        State::Dropped => wire::QuarantineState::Dropped,
    }
}

/// The state asked for, if one is stated.
pub(super) fn asked_state(asked: i32) -> Result<Option<State>, &'static str> {
    Ok(match wire::QuarantineState::try_from(asked).map_err(|_| "does not exist")? {
        wire::QuarantineState::Unspecified => None,
        wire::QuarantineState::Waiting => Some(State::Waiting),
        wire::QuarantineState::Released => Some(State::Released),
        wire::QuarantineState::Dropped => Some(State::Dropped),
    })
}

pub(super) fn explanation(told: Explanation) -> wire::QuarantineExplanation {
    wire::QuarantineExplanation { ja: told.ja, en: told.en }
}

pub(super) const fn obstacle(obstacle: Option<Obstacle>) -> wire::ReleaseObstacle {
    match obstacle {
        None => wire::ReleaseObstacle::Unspecified,
        Some(Obstacle::BotUnknown) => wire::ReleaseObstacle::BotUnknown,
        Some(Obstacle::WrongDestination) => wire::ReleaseObstacle::WrongDestination,
        Some(Obstacle::Unreadable) => wire::ReleaseObstacle::Unreadable,
        Some(Obstacle::OutsideWindow) => wire::ReleaseObstacle::OutsideWindow,
        Some(Obstacle::OutOfReach) => wire::ReleaseObstacle::OutOfReach,
    }
}

/// An event of a body that was received then.
pub(super) fn event(
    event: &Event,
    accepted: &HashSet<u128>,
    window: Window,
    received: Timestamp,
    now: Timestamp,
) -> wire::QuarantinedEvent {
    use wire::QuarantinedEventStanding as Told;
    let standing = match window.standing(event.id, received, now) {
        _ if accepted.contains(&event.id.0) => Told::Accepted,
        Standing::Inside => Told::InsideWindow,
        Standing::Outside => Told::OutsideWindow,
        Standing::OutOfReach => Told::OutOfReach,
    };
    wire::QuarantinedEvent {
        webhook_event_id: event.id.to_string(),
        event_type: event.event_type.clone(),
        occur_time: Some(timestamp(event.occurred_at)),
        place: event.place.into(),
        standing: standing.into(),
    }
}
