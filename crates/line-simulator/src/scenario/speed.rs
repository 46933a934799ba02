//! How fast a scenario is played.

use std::fmt;
use std::str::FromStr;

use crate::clock::MAX_SPEED;

/// How fast a scenario or a recording goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speed {
    /// So many times as fast as time goes.
    Times(u32),
    /// Without waiting: the next step comes as soon as the webhooks of the one before were tried once. The simulated clock
    /// stands at each step's exact moment, so that two plays of one seed say the same.
    Max,
}

/// What is no speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a speed is a whole number from 1 to {MAX_SPEED}, or `max`")]
pub struct SpeedError;

impl FromStr for Speed {
    type Err = SpeedError;

    fn from_str(text: &str) -> Result<Self, SpeedError> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let times = text.parse().ok().filter(|times| (1..=MAX_SPEED).contains(times));
        times.map(Self::Times).ok_or(SpeedError)
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Times(times) => write!(f, "{times}"),
            Self::Max => f.write_str("max"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_a_whole_number_or_max() {
        assert_eq!("60".parse(), Ok(Speed::Times(60)));
        assert_eq!("max".parse(), Ok(Speed::Max));
        for wrong in ["0", "-1", "1.5", "", "fast", "100001"] {
            assert_eq!(wrong.parse::<Speed>(), Err(SpeedError), "{wrong}");
        }
    }
}
