//! Replays: which events of the archive are published once more, whether anything may follow from them, and how far one
//! portion brings a replay (L-15, R-5).
//!
//! A replay goes through the archive in the order of event IDs, in portions. What it was counted to publish and what it publishes
//! is decided by one rule ([`Rule::fate`]), so that the count before and the work afterwards cannot differ in what they take.

mod plan;
mod portion;
mod rule;

pub use plan::Plan;
pub use portion::{Due, Place, Portion, portion};
pub use rule::{Fate, Filter, KNOWN_DAYS, MOST_ACCOUNTS, MOST_TYPES, Mode, Past, Rule, Standing, Wrong};

#[cfg(test)]
mod tests {
    use kernel::Timestamp;
    use proptest::prelude::*;
    use ulid::Ulid;
    use uuid::Uuid;

    use super::*;

    /// So many seconds after 1970.
    pub(super) fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(seconds, 0).unwrap()
    }

    /// An event of that ID.
    pub(super) fn past(id: u128) -> Past {
        Past {
            account: Uuid::from_u128(1).into(),
            event: Ulid(id),
            event_type: "message".to_owned(),
            occurred_at: at(1_000),
            received_at: at(1_001),
            body: Uuid::from_u128(id).into(),
            place: 0,
            size: 100,
            standing: Standing::Whole,
        }
    }

    /// A rule that takes what was received before the year 2033.
    pub(super) fn rule(mode: Mode, filter: Filter) -> Rule {
        Rule { mode, filter, received_before: at(2_000_000_000) }
    }

    pub(super) fn any_past() -> impl Strategy<Value = Past> {
        let standing = prop_oneof![Just(Standing::Whole), Just(Standing::Redacted), Just(Standing::Gone)];
        let kind = prop_oneof![Just("message"), Just("follow"), Just("unfollow")];
        (0u128..4, any::<u128>(), kind, 0i64..4_000_000_000, 0i64..4_000_000_000, standing).prop_map(
            |(account, event, kind, occurred, received, standing)| Past {
                account: Uuid::from_u128(account).into(),
                event: Ulid(event),
                event_type: kind.to_owned(),
                occurred_at: at(occurred),
                received_at: at(received),
                standing,
                ..past(1)
            },
        )
    }
}
