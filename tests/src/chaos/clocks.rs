//! Clocks that are wrong while a run goes on. LINE's and the database's are right: they are other machines'.

use std::fmt;
use std::time::Duration;

use anyhow::Context as _;
use chrono::TimeDelta;

use super::dice::Dice;
use crate::platform::Platform;
use crate::service::Service;

/// How far a clock jumps at most.
pub(super) const FARTHEST: TimeDelta = TimeDelta::hours(6);
/// One of three jumps is of minutes: less than a form token lives.
const MINUTES: (u32, u32) = (2, 59);
/// The others are of hours, of so many minutes at least.
const HOURS: u32 = 75;
/// How far apart the clocks of replicas are, each to its side.
const APART: TimeDelta = TimeDelta::milliseconds(2_500);

/// Clocks that are wrong for a while.
#[derive(Clone, Copy, Debug)]
pub enum WrongClock {
    /// The clock of a service, or of all, jumps, and back.
    Jump {
        /// Whose; none: everybody's.
        whose: Option<Service>,
        /// How far ahead; behind, where it is negative.
        by: TimeDelta,
        /// How long it is wrong.
        lasts: Duration,
    },
    /// The clocks of two instances of a service are five seconds apart. Of identity-linking a second one takes part for it.
    Apart {
        /// Of which.
        whose: Service,
        /// How long it takes part.
        lasts: Duration,
    },
}

impl WrongClock {
    /// Draws one.
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let lasts = dice.duration(Duration::from_secs(2), Duration::from_secs(6));
        if dice.number(0, 4) == 0 {
            return Self::Apart { whose: *dice.one(&[Service::IdentityLinking, Service::Scheduler]), lasts };
        }
        let whose = *dice.one(&[Some(Service::IdentityLinking), Some(Service::Scheduler), None]);
        let farthest = u32::try_from(FARTHEST.num_minutes()).unwrap_or(u32::MAX);
        let minutes = match dice.number(0, 2) {
            0 => dice.number(MINUTES.0, MINUTES.1),
            _ => dice.number(HOURS, farthest),
        };
        let by = TimeDelta::minutes(minutes.into());
        Self::Jump { whose, by: if dice.number(0, 1) == 0 { by } else { -by }, lasts }
    }

    /// Puts the clocks wrong, and right again.
    pub(super) async fn strike(self, platform: &mut Platform) -> anyhow::Result<()> {
        let clocks = platform.clocks().context("no clocks of its own")?;
        match self {
            Self::Jump { whose, by, lasts } => {
                for service in Service::ALL.into_iter().filter(|service| whose.is_none_or(|whose| whose == *service)) {
                    (0..platform.replicas(service)).for_each(|index| clocks.put(service, index, by));
                }
                tokio::time::sleep(lasts).await;
            }
            Self::Apart { whose, lasts } => {
                clocks.put(whose, 0, APART);
                clocks.put(whose, 1, -APART);
                let is_alone = platform.replicas(whose) == 1;
                if is_alone {
                    platform.add_replica(whose).await?;
                }
                tokio::time::sleep(lasts).await;
                if is_alone {
                    platform.remove_replica(whose).await?;
                }
            }
        }
        platform.clocks().context("no clocks of its own")?.put_right();
        Ok(())
    }
}

impl fmt::Display for WrongClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jump { whose, by, lasts } => {
                let whose =
                    whose.map_or("all clocks jump".to_owned(), |whose| format!("{}'s clock jumps", whose.binary()));
                write!(f, "{whose}, {} min, for {} ms", by.num_minutes(), lasts.as_millis())
            }
            Self::Apart { whose, lasts } => {
                write!(f, "two {} 5 s apart, for {} ms", whose.binary(), lasts.as_millis())
            }
        }
    }
}
