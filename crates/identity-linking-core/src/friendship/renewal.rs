//! A friendship that is made anew from LINE's events, beside the one that is kept (L-15).
//!
//! What happens meanwhile counts for both; what is told again of the past counts for the new one alone, so that nobody ever sees it
//! half made. Where nothing was told again, what is kept stands: events go from the archive with their time, and with whoever asked to
//! be forgotten. So does a turn that cannot have been told again: one from before everything that was, and one that was handled when it
//! happened and has gone since.

use kernel::Timestamp;

use super::{Friendship, Seen, Turn};

/// A friendship, and what is made anew of it while that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// What is kept, and shown.
    pub kept: Friendship,
    /// What is made anew; none: nothing is.
    pub anew: Option<Anew>,
}

/// What events tell of a friendship that is made anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anew {
    /// The latest follow or unfollow among them.
    pub turn: Option<Turn>,
    /// When the earliest of those occurred that were told again; none: none was.
    pub told_since: Option<Timestamp>,
}

impl Renewal {
    /// Begins to make it anew, from nothing.
    #[must_use]
    pub fn begin(self) -> Self {
        Self { anew: Some(Anew::default()), ..self }
    }

    /// What is known after a further event; `told_again`: it is told again of the past, with effects off.
    #[must_use]
    pub fn fold(self, seen: &Seen, told_again: bool) -> Self {
        let kept = if told_again && self.anew.is_some() { self.kept } else { self.kept.fold(seen) };
        let anew = self.anew.map(|Anew { turn, told_since }| Anew {
            turn: Turn::later(turn, Turn::of(seen)),
            told_since: if told_again {
                Some(told_since.map_or(seen.at, |since| since.min(seen.at)))
            } else {
                told_since
            },
        });
        Self { kept, anew }
    }

    /// Whether anything was told again of it: else it stands as it stood.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.anew.as_ref().is_some_and(|anew| anew.told_since.is_some())
    }

    /// The kept turn, where events tell another: whether it stands is to be asked.
    #[must_use]
    pub fn doubted(&self) -> Option<&Turn> {
        let anew = self.anew.as_ref().filter(|anew| anew.told_since.is_some())?;
        self.kept.turn.as_ref().filter(|kept| anew.turn.as_ref() != Some(kept))
    }

    /// What was made anew takes the place of what was kept. `gone`: the event of the kept turn was handled when it happened, and was
    /// not told again.
    #[must_use]
    pub fn replace(self, gone: bool) -> Friendship {
        let Renewal { kept, anew } = self;
        let Some((Anew { turn, .. }, since)) = anew.and_then(|anew| anew.told_since.map(|since| (anew, since))) else {
            return kept;
        };
        let stands = |kept: &Turn| gone || kept.at < since;
        Friendship { first_seen: kept.first_seen.min(since), turn: Turn::later(kept.turn.filter(stands), turn.clone()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::friendship::tests::any_seen;

    fn begun(events: &[Seen]) -> Friendship {
        let (first, rest) = events.split_first().unwrap();
        rest.iter().fold(Friendship::begin(first), Friendship::fold)
    }

    /// The end of a rebuild in which `told` was told again, as the inbox has it: it knows what happened by its event IDs.
    fn end(renewal: Renewal, happened: &[Seen], told: &[Seen]) -> Friendship {
        let is_of = |turn: &Turn, events: &[Seen]| events.iter().any(|seen| seen.event_id == turn.event_id);
        let gone = renewal.doubted().is_some_and(|turn| is_of(turn, happened) && !is_of(turn, told));
        renewal.replace(gone)
    }

    /// Events with an ID of their own each.
    fn numbered(events: Vec<Seen>, from: usize) -> Vec<Seen> {
        events.into_iter().enumerate().map(|(n, seen)| Seen { event_id: format!("E{:03}", from + n), ..seen }).collect()
    }

    proptest! {
        /// Whatever was kept, right or wrong, whatever order the past is told in and whatever happens meanwhile.
        #[test]
        fn what_is_made_anew_is_what_the_events_tell(
            past in prop::collection::vec(any_seen(), 1..8),
            wrong in prop::collection::vec(any_seen(), 0..3),
            told in prop::collection::vec((any_seen(), any::<bool>()), 0..8),
        ) {
            let past = numbered(past, 0);
            let wrong = numbered(wrong, 100);
            let kept = wrong.iter().fold(begun(&past), Friendship::fold);
            let mut renewal = Renewal { kept: kept.clone(), anew: None }.begin();
            let (mut live, mut all) = (kept, past.clone());
            for (place, (seen, is_live)) in told.into_iter().enumerate() {
                // What is told again is of the past, in any order and several times.
                let seen = if is_live { numbered(vec![seen], 200 + place).remove(0) } else { past[place % past.len()].clone() };
                renewal = renewal.fold(&seen, !is_live);
                if is_live {
                    live = live.fold(&seen);
                    all.push(seen);
                }
                prop_assert_eq!(&renewal.kept, &live, "what is shown is what is lived");
            }
            for seen in past.iter().rev() {
                renewal = renewal.fold(seen, true);
            }
            let replaced = end(renewal, &all, &past);
            let told_since = past.iter().map(|seen| seen.at).min().unwrap();
            // Nothing tells a wrong turn from before everything that is told from one that nobody can tell again.
            let before = live.turn.filter(|turn| turn.at < told_since);
            prop_assert_eq!(replaced.turn, Turn::later(before, begun(&all).turn));
            prop_assert_eq!(replaced.first_seen, live.first_seen);
        }

        /// Whatever part of the past is gone from the archive: what was right is right still.
        #[test]
        fn what_was_right_stays_right_whatever_of_it_is_gone(
            past in prop::collection::vec((any_seen(), any::<bool>()), 1..8),
            meanwhile in prop::collection::vec(any_seen(), 0..4),
        ) {
            let (past, is_kept): (Vec<Seen>, Vec<bool>) = past.into_iter().unzip();
            let past = numbered(past, 0);
            let told: Vec<Seen> = past.iter().zip(is_kept).filter(|(_, kept)| *kept).map(|(seen, _)| seen.clone()).collect();
            let mut all = past.clone();
            let mut renewal = Renewal { kept: begun(&past), anew: None }.begin();
            for seen in numbered(meanwhile, 100) {
                renewal = renewal.fold(&seen, false);
                all.push(seen);
            }
            for seen in &told {
                renewal = renewal.fold(seen, true);
            }
            prop_assert_eq!(renewal.is_told(), !told.is_empty());
            prop_assert_eq!(end(renewal, &all, &told), begun(&all));
        }

        /// So it does where nobody remembers any more what was handled, if what is gone is the oldest.
        #[test]
        fn what_is_older_than_the_archive_stays(
            past in prop::collection::vec(any_seen(), 1..8), cut in 0i64..7, meanwhile in prop::collection::vec(any_seen(), 0..4),
        ) {
            let past = numbered(past, 0);
            let mut renewal = Renewal { kept: begun(&past), anew: None }.begin();
            let mut all = past.clone();
            for seen in numbered(meanwhile, 100) {
                renewal = renewal.fold(&seen, false);
                all.push(seen);
            }
            for seen in past.iter().filter(|seen| seen.at.timestamp_millis() >= cut) {
                renewal = renewal.fold(seen, true);
            }
            prop_assert_eq!(renewal.replace(false), begun(&all));
        }

        #[test]
        fn where_nothing_is_made_anew_an_event_told_again_is_an_event(events in prop::collection::vec(any_seen(), 1..6)) {
            let (first, rest) = events.split_first().unwrap();
            let begin = Renewal { kept: Friendship::begin(first), anew: None };
            let renewal = rest.iter().fold(begin, |renewal, seen| renewal.fold(seen, true));
            prop_assert_eq!(renewal.replace(false), begun(&events));
        }
    }
}
