//! How long a secret stays valid beside the one that replaces it.

use chrono::TimeDelta;

use crate::Unfit;

/// How long the one before may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Where nothing is asked for.
    pub usual: TimeDelta,
    /// At most.
    pub longest: TimeDelta,
}

/// Channel secrets: webhooks under way during LINE's rotation.
pub const CHANNEL_SECRET_KEEP: Keep = Keep { usual: TimeDelta::minutes(15), longest: TimeDelta::hours(24) };
/// Webhook keys: the time until the new address is entered at LINE.
pub const WEBHOOK_KEY_KEEP: Keep = Keep { usual: TimeDelta::hours(1), longest: TimeDelta::days(30) };

/// Former secrets, or keys, that an account may have beside the current one; of more, those that end first go. Whoever repeats a
/// rotation whose answer was lost must not end what LINE still uses.
pub const FORMER: i64 = 8;

/// How long the one before stays valid; zero ends all former ones at once.
///
/// # Errors
/// When more than the longest time, or less than nothing, is asked for.
pub fn keep_previous(asked: Option<TimeDelta>, keep: Keep) -> Result<TimeDelta, Unfit> {
    match asked {
        None => Ok(keep.usual),
        Some(asked) if asked < TimeDelta::zero() => Err(Unfit("is negative")),
        Some(asked) if asked > keep.longest => Err(Unfit("is too long")),
        Some(asked) => Ok(asked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_what_was_asked_for_within_its_bounds() {
        assert_eq!(keep_previous(None, CHANNEL_SECRET_KEEP), Ok(TimeDelta::minutes(15)));
        assert_eq!(keep_previous(Some(TimeDelta::zero()), CHANNEL_SECRET_KEEP), Ok(TimeDelta::zero()));
        assert_eq!(keep_previous(Some(TimeDelta::hours(24)), CHANNEL_SECRET_KEEP), Ok(TimeDelta::hours(24)));
        assert!(keep_previous(Some(TimeDelta::hours(25)), CHANNEL_SECRET_KEEP).is_err());
        assert!(keep_previous(Some(TimeDelta::hours(25)), WEBHOOK_KEY_KEEP).is_ok());
        assert!(keep_previous(Some(TimeDelta::seconds(-1)), WEBHOOK_KEY_KEEP).is_err());
    }
}
