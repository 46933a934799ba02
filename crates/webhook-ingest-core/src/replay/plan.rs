//! What a replay would publish, counted.

use std::collections::BTreeMap;

use kernel::{AccountId, Timestamp};

use super::{Fate, Past, Standing};

/// What a replay would publish.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// How many events, by account and LINE's type.
    pub counts: BTreeMap<(AccountId, String), u64>,
    /// When the first of them occurred, and the last.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Events that were asked for and whose bodies are gone; they are in no other count.
    pub missing: u64,
    /// Events among those counted from whose bodies something was cut out.
    pub redacted: u64,
}

impl Plan {
    /// Counts an event.
    pub fn count(&mut self, past: &Past, fate: Fate) {
        match fate {
            Fate::PassedBy => {}
            Fate::Gone => self.missing += 1,
            Fate::Published { .. } => {
                *self.counts.entry((past.account, past.event_type.clone())).or_default() += 1;
                let at = past.occurred_at;
                self.span = Some(self.span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
                self.redacted += u64::from(past.standing == Standing::Redacted);
            }
        }
    }

    /// How many events altogether.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.counts.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::replay::tests::{any_past, at, rule};
    use crate::replay::{Filter, Mode, portion};

    proptest! {
        /// The count before and the work afterwards take the same events.
        #[test]
        fn what_is_counted_is_what_is_published(
            pasts in prop::collection::vec(any_past(), 0..60),
            rebuild: bool,
            size in 1usize..9,
        ) {
            let mode = if rebuild { Mode::Rebuild } else { Mode::Redrive };
            let rule = rule(mode, Filter { types: vec!["message".to_owned()], ..Filter::default() });
            let rule = if rebuild { super::super::tests::rule(mode, Filter::default()) } else { rule };
            let mut plan = Plan::default();
            for past in &pasts {
                plan.count(past, rule.fate(past, at(0)));
            }
            let (mut published, mut skipped) = (0, 0);
            for rows in pasts.chunks(size) {
                let portion = portion(&rule, rows.to_vec(), (size, u64::MAX), at(0));
                published += portion.due.len() as u64;
                skipped += portion.skipped;
            }
            prop_assert_eq!((plan.events(), plan.missing), (published, skipped));
            prop_assert!(plan.redacted <= plan.events());
            prop_assert_eq!(plan.span.is_some(), plan.events() > 0);
            prop_assert!(plan.span.is_none_or(|(first, last)| first <= last));
        }
    }
}
