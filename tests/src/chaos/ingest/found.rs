//! What the services keep of what LINE sent, held against LINE's books.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::ensure;
use uuid::Uuid;

use super::books::{Books, Said};

/// What was found, row by row.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// The events of the archive.
    pub(super) seen: Vec<Uuid>,
    /// The events that each of their consumers has handled.
    pub(super) handled: BTreeMap<&'static str, Vec<Uuid>>,
    /// The messages of friends that staff are shown.
    pub(super) shown: Vec<Said>,
}

impl Found {
    /// Whether every event is in the archive once and was handled once by each consumer, and every message is shown once, to the
    /// letter, as its writer's, but for those that were taken back.
    ///
    /// # Errors
    /// When something is lost, doubled, changed or invented.
    pub(super) fn agrees(&self, books: &Books) -> anyhow::Result<()> {
        let (sent, lasting) = (books.events(), books.lasting());
        let seen = once("events in the archive", &self.seen)?;
        ensure!(seen == sent, "LINE sent {} events, the archive has {}", sent.len(), seen.len());
        for (service, handled) in &self.handled {
            let handled = once(service, handled)?;
            let (missed, invented) = (lasting.difference(&handled).count(), handled.difference(&sent).count());
            ensure!((missed, invented) == (0, 0), "{service} handled {missed} too few, and {invented} LINE never sent");
        }
        let (shown, said) = (once("messages", &self.shown)?, books.said());
        let (lost, wrong) = (said.difference(&shown).count(), shown.difference(&said).count());
        ensure!(
            (lost, wrong) == (0, 0),
            "of {} messages {lost} are not shown, and {wrong} are shown that stand nowhere",
            said.len()
        );
        Ok(())
    }
}

/// Each of them, none of which may be there twice.
fn once<T: Clone + Ord>(what: &str, rows: &[T]) -> anyhow::Result<BTreeSet<T>> {
    let each: BTreeSet<T> = rows.iter().cloned().collect();
    ensure!(each.len() == rows.len(), "{} of {what} are there twice", rows.len() - each.len());
    Ok(each)
}

#[cfg(test)]
mod tests {
    use super::super::books::tests::{books, id};
    use super::*;

    const CONSUMERS: [&str; 2] = ["identity-linking", "messaging-outbox"];

    fn said(user: &str, message: &str, text: &str) -> Said {
        (user.to_owned(), message.to_owned(), text.to_owned())
    }

    /// Two messages and a third that is taken back, all of it where it belongs.
    fn all_well() -> Found {
        let events: Vec<Uuid> = (1..=4).map(id).collect();
        Found {
            seen: events.clone(),
            handled: CONSUMERS.map(|service| (service, events.clone())).into(),
            shown: vec![said("U1", "m1", "one"), said("U2", "m2", "two")],
        }
    }

    fn why(change: impl FnOnce(&mut Found)) -> String {
        let mut found = all_well();
        change(&mut found);
        found.agrees(&books()).map_or_else(|error| error.to_string(), |()| "all well".to_owned())
    }

    #[test]
    fn what_stands_in_the_books_once_is_well_and_what_was_taken_back_may_never_have_come() {
        assert_eq!(why(|_| ()), "all well");
        assert_eq!(
            why(|found| found.handled.values_mut().for_each(|events| events.retain(|e| *e != id(3)))),
            "all well"
        );
    }

    #[test]
    fn an_event_that_is_lost_doubled_or_invented_is_told() {
        assert_eq!(why(|found| found.seen.truncate(3)), "LINE sent 4 events, the archive has 3");
        assert_eq!(why(|found| found.seen.push(id(9))), "LINE sent 4 events, the archive has 5");
        assert_eq!(why(|found| found.seen[0] = id(9)), "LINE sent 4 events, the archive has 4");
        assert_eq!(why(|found| found.seen.push(id(1))), "1 of events in the archive are there twice");
        for service in CONSUMERS {
            let of = |change: fn(&mut Vec<Uuid>)| why(|found| change(found.handled.get_mut(service).unwrap()));
            assert_eq!(of(|events| events.truncate(3)), format!("{service} handled 1 too few, and 0 LINE never sent"));
            assert_eq!(of(|events| events.push(id(9))), format!("{service} handled 0 too few, and 1 LINE never sent"));
            assert_eq!(of(|events| events.push(id(1))), format!("1 of {service} are there twice"));
        }
    }

    #[test]
    fn a_message_that_is_lost_doubled_changed_anothers_or_taken_back_is_told() {
        let told = |lost: u32, wrong: u32| {
            format!("of 2 messages {lost} are not shown, and {wrong} are shown that stand nowhere")
        };
        assert_eq!(why(|found| found.shown.truncate(1)), told(1, 0));
        assert_eq!(why(|found| found.shown.push(found.shown[0].clone())), "1 of messages are there twice");
        assert_eq!(why(|found| found.shown[0].2 = "onf".to_owned()), told(1, 1));
        assert_eq!(why(|found| found.shown[0].0 = "U2".to_owned()), told(1, 1));
        assert_eq!(why(|found| found.shown.push(said("U1", "m3", "three"))), told(0, 1));
        // Twice under two IDs is invented as well.
        assert_eq!(why(|found| found.shown.push(said("U1", "m9", "one"))), told(0, 1));
    }
}
