//! Waiting for a state.

use std::fmt::{Debug, Display, Formatter};
use std::time::{Duration, Instant};

const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// What one look at the world says: the state is there, or what was seen instead.
pub trait Outcome {
    /// What the state is told by, once reached.
    type Reached;
    /// The value, or a description of what was seen instead.
    fn into_reached(self) -> Result<Self::Reached, String>;
}

impl<T> Outcome for Option<T> {
    type Reached = T;
    fn into_reached(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing".to_owned())
    }
}

impl<T, E: Debug> Outcome for Result<T, E> {
    type Reached = T;
    fn into_reached(self) -> Result<T, String> {
        self.map_err(|seen| format!("{seen:?}"))
    }
}

/// The state was not reached within its deadline.
#[derive(thiserror::Error)]
#[error("not reached within {within:?} ({looks} looks); last seen: {last}")]
pub struct NotReached {
    within: Duration,
    looks: u32,
    last: String,
}

impl Debug for NotReached {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        Display::fmt(self, formatter)
    }
}

/// Looks again and again, in short intervals, until `look` answers `Some` or `Ok`, and returns what it answered.
///
/// A look that hangs is given up at the deadline. The error tells the last `Err` seen, so let `look` say in it what it found.
pub async fn eventually<L, O>(within: Duration, mut look: L) -> Result<O::Reached, NotReached>
where
    L: AsyncFnMut() -> O,
    O: Outcome,
{
    let deadline = Instant::now() + within;
    let mut pause = SHORTEST_PAUSE;
    let mut looks = 0;
    let mut last = String::from("nothing");
    loop {
        looks += 1;
        match tokio::time::timeout_at(deadline.into(), look()).await.map(Outcome::into_reached) {
            Ok(Ok(reached)) => return Ok(reached),
            Ok(Err(seen)) => last = seen,
            Err(_) => last.push_str(", then a look that did not end"),
        }
        if Instant::now() + pause >= deadline {
            return Err(NotReached { within, looks, last });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_state_reached_at_the_third_look_is_returned() {
        let mut looks = 0;
        let reached = eventually(Duration::from_secs(5), || {
            looks += 1;
            std::future::ready((looks == 3).then_some("there"))
        });
        assert_eq!(reached.await.unwrap(), "there");
        assert_eq!(looks, 3);
    }

    #[tokio::test]
    async fn a_state_never_reached_tells_what_was_seen_last() {
        let mut count = 0;
        let error = eventually(Duration::from_millis(40), || {
            count += 1;
            std::future::ready(Err::<(), _>(format!("{count} rows")))
        });
        let error = error.await.unwrap_err().to_string();
        assert!(error.contains("not reached within 40ms"), "{error}");
        assert!(error.contains(&format!("last seen: \"{count} rows\"")), "{error}");
    }

    #[tokio::test]
    async fn a_look_that_hangs_is_given_up_at_the_deadline() {
        let error = eventually(Duration::from_millis(20), std::future::pending::<Option<()>>).await.unwrap_err();
        assert!(error.to_string().contains("a look that did not end"), "{error}");
    }
}
