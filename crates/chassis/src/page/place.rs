//! Where a row stands in a list.

use kernel::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// The first moment that a row can hold: 24 November 4714 BC by the Gregorian calendar, UTC
/// (<https://www.postgresql.org/docs/current/datatype-datetime.html>). The last one is behind all that [`Timestamp`] holds.
const FIRST: Timestamp = Timestamp::from_timestamp(-210_866_803_200, 0).unwrap();

/// The place of a row in a list: the sort key.
pub trait Place: Serialize + DeserializeOwned {
    /// Whether a row can stand there. A token that says otherwise was made up, and no statement takes it.
    fn is_possible(&self) -> bool;
}

impl Place for Timestamp {
    fn is_possible(&self) -> bool {
        *self >= FIRST
    }
}

impl<One: Place, Other: Place> Place for (One, Other) {
    fn is_possible(&self) -> bool {
        self.0.is_possible() && self.1.is_possible()
    }
}

/// What can be read is possible.
macro_rules! always {
    ($($of:ty),+) => {
        $(impl Place for $of {
            fn is_possible(&self) -> bool {
                true
            }
        })+
    };
}

always!(Uuid, String, i64);

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, TimeDelta};

    #[test]
    fn a_row_stands_at_any_moment_that_postgres_holds_and_at_no_earlier_one() {
        assert_eq!(FIRST.to_rfc3339(), "-4713-11-24T00:00:00+00:00");
        let early = FIRST - TimeDelta::microseconds(1);
        for (moment, possible) in [
            (DateTime::<chrono::Utc>::MIN_UTC, false),
            (early, false),
            (FIRST, true),
            (DateTime::<chrono::Utc>::MAX_UTC, true),
        ] {
            assert_eq!(moment.is_possible(), possible, "{moment}");
            assert_eq!((moment, Uuid::nil()).is_possible(), possible, "{moment}");
            assert_eq!((7i64, (moment, String::new())).is_possible(), possible, "{moment}");
        }
    }
}
