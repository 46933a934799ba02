//! What came while Postgres was away waits in the spill and has its place in its senders' lanes only when it has moved. What came later
//! and is in its lane already waits for it; but not for what does not move.

use std::time::{Duration, Instant};

/// After so long without a pack moved though Postgres is there, nobody waits for what is left.
pub const STILL: Duration = Duration::from_mins(1);
/// Nobody waits longer than this, whatever moves.
pub const LONGEST: Duration = Duration::from_mins(15);
/// Who has not looked for so long does not know since when nothing moves.
const UNSEEN: Duration = Duration::from_secs(10);

/// What has not moved to Postgres.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unmoved {
    /// Packs and bodies that are known to wait.
    pub waiting: u64,
    /// Up to which pack all have moved.
    pub floor: u64,
}

/// How long it has been waited for, as one replica sees it.
#[derive(Clone, Copy, Debug)]
struct Wait {
    seen: Unmoved,
    looked: Instant,
    /// When something moved, or came, last.
    moved: Instant,
    begun: Instant,
}

/// Whether what came later is to wait.
#[derive(Clone, Copy, Debug, Default)]
pub struct Behind(Option<Wait>);

impl Behind {
    /// Takes what was seen at `now`, which only who reaches Postgres looks for; none: nobody could tell, and it is taken to be as before.
    /// Whether bodies that are in their lanes wait.
    pub fn waits(&mut self, seen: Option<Unmoved>, now: Instant) -> bool {
        let Some(seen) = seen.or(self.0.map(|wait| wait.seen)) else { return false };
        if seen.waiting == 0 {
            self.0 = None;
            return false;
        }
        let anew = Wait { seen, looked: now, moved: now, begun: now };
        let wait = match self.0 {
            Some(wait) if now.saturating_duration_since(wait.looked) > UNSEEN => anew,
            Some(wait) if wait.seen == seen => Wait { looked: now, ..wait },
            // What nobody waited for any more is one thing; what came behind it since is waited for by itself.
            Some(wait) if !is_still(&wait, wait.looked) => Wait { seen, looked: now, moved: now, ..wait },
            _ => anew,
        };
        self.0 = Some(wait);
        !is_over(&wait, now)
    }
}

fn is_still(wait: &Wait, now: Instant) -> bool {
    now.saturating_duration_since(wait.moved) >= STILL
}

fn is_over(wait: &Wait, now: Instant) -> bool {
    is_still(wait, now) || now.saturating_duration_since(wait.begun) >= LONGEST
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What was seen: so much waits, behind this pack.
    type Seen = Option<(u64, u64)>;

    /// What follows from looks, each so many seconds after the one before.
    fn looks(looks: &[(u64, Seen)]) -> Vec<bool> {
        let (mut behind, mut now) = (Behind::default(), Instant::now());
        let look = |(later, seen): &(u64, Seen)| {
            now += Duration::from_secs(*later);
            behind.waits(seen.map(|(waiting, floor)| Unmoved { waiting, floor }), now)
        };
        looks.iter().map(look).collect()
    }

    #[test]
    fn it_is_waited_for_until_all_has_moved() {
        assert_eq!(
            looks(&[(0, Some((0, 5))), (1, Some((2, 5))), (1, Some((1, 6))), (1, Some((0, 7)))]),
            [false, true, true, false]
        );
    }

    #[test]
    fn what_does_not_move_is_waited_for_a_minute_and_what_comes_behind_it_all_the_same() {
        let mut still = vec![(1, Some((1, 5))); 61];
        still.extend([(1, Some((3, 5))), (1, Some((1, 5))), (1, Some((1, 5)))]);
        let waits = looks(&still);
        assert!(waits[..60].iter().all(|waits| *waits));
        assert_eq!(waits[60..], [false, true, true, true]);
    }

    #[test]
    fn what_came_behind_a_pack_that_stays_for_ever_is_waited_for() {
        let mut stays = vec![(9, Some((1, 5))); 200];
        stays.extend([(9, Some((4, 5))), (9, Some((2, 5)))]);
        assert_eq!(looks(&stays)[198..], [false, false, true, true]);
    }

    #[test]
    fn what_moves_once_a_minute_is_not_waited_for_without_end() {
        let slow: Vec<_> = (0..400).map(|look| (9, Some((1, look / 7)))).collect();
        assert!(looks(&slow).contains(&false));
    }

    #[test]
    fn while_postgres_is_away_nobody_looks_and_the_time_does_not_count() {
        assert_eq!(looks(&[(0, Some((1, 5))), (3_600, Some((1, 5))), (9, Some((1, 5)))]), [true, true, true]);
    }

    #[test]
    fn who_cannot_ask_goes_by_what_was_seen_last() {
        assert_eq!(looks(&[(0, None), (1, Some((0, 5))), (1, None)]), [false; 3]);
        assert_eq!(looks(&[(0, Some((1, 5))), (1, None)]), [true; 2]);
        let mut silent = vec![(0, Some((1, 5)))];
        silent.extend(vec![(5, None); 13]);
        assert_eq!(looks(&silent).last(), Some(&false), "not for ever");
    }

    proptest! {
        /// However much moves and comes, nobody who looks on waits longer than a quarter of an hour.
        #[test]
        fn the_wait_ends(seen in prop::collection::vec((1u64..20, 0u64..50), 100..400)) {
            let seen: Vec<_> = seen.into_iter().map(|(waiting, floor)| (9, Some((waiting, floor)))).collect();
            let waits = looks(&seen);
            let longest = waits.split(|waits| !waits).map(<[bool]>::len).max().unwrap_or(0);
            prop_assert!(longest as u64 * 9 <= LONGEST.as_secs() + 9);
        }
    }
}
