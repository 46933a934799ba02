//! A page for somebody who may see a part of a list (F-72): filled with what is seen among a bounded number of rows, so that no page
//! costs the whole list where little of it is seen.

use kernel::Sight;

use super::{Page, Place};

/// Rows that are looked at in one go for those that are seen.
const LOOKED_AT: i64 = 200;
/// How often, for one page.
const LOOKS: usize = 5;

/// A page of the rows `T` that somebody sees, of a list whose rows have places of the kind `P`. It may hold fewer rows than were asked
/// for, or none, and lead on all the same.
#[derive(Debug)]
pub struct Part<'a, P, T> {
    page: &'a Page<P>,
    /// How many rows one look reads.
    rows: i64,
    looks: usize,
    /// The place of the last row that was looked at.
    after: Option<P>,
    seen: Vec<T>,
    full: bool,
}

/// Rows that are to be read next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look<P> {
    /// Behind this place; none: from the first row on.
    pub after: Option<P>,
    /// At most so many.
    pub rows: i64,
}

impl<'a, P: Clone + Place, T> Part<'a, P, T> {
    /// The page that is asked for, for somebody with this sight. Whoever sees everything has it filled by one look.
    #[must_use]
    pub fn of(page: &'a Page<P>, sight: &Sight) -> Self {
        let (rows, looks) = if *sight == Sight::Everything { (page.rows(), 1) } else { (LOOKED_AT, LOOKS) };
        Self { page, rows, looks, after: page.after.clone(), seen: Vec::new(), full: false }
    }

    /// Which rows are to be read next; none: the page is as full as it gets.
    pub fn look(&mut self) -> Option<Look<P>> {
        if self.full || self.looks == 0 {
            return None;
        }
        self.looks -= 1;
        Some(Look { after: self.after.clone(), rows: self.rows })
    }

    /// Adds what is seen among the rows read, and the places of all of them, in their order.
    pub fn add(&mut self, looked: Vec<P>, seen: Vec<T>) {
        let is_last = i64::try_from(looked.len()).is_ok_and(|count| count < self.rows);
        self.after = looked.into_iter().next_back().or(self.after.take());
        self.seen.extend(seen);
        let is_enough = i64::try_from(self.seen.len()).is_ok_and(|count| count >= self.page.rows());
        self.full = is_last || is_enough;
    }

    /// The page, and the token of the next one; empty at the end.
    pub fn cut(self, place: impl FnOnce(&T) -> P) -> (Vec<T>, String) {
        match self.after.filter(|_| !self.full) {
            Some(after) => (self.seen, self.page.token(&after)),
            None => self.page.cut(self.seen, place),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::identity::v1::ListCustomersRequest;
    use proptest::prelude::*;
    use uuid::Uuid;

    /// Rows stand at their numbers.
    impl Place for usize {
        fn is_possible(&self) -> bool {
            true
        }
    }

    fn asked(page_size: i32, page_token: String) -> Page<usize> {
        Page::asked(Uuid::nil().into(), &ListCustomersRequest { page_size, page_token }).unwrap()
    }

    /// Every page of a list of which `is_seen` tells what is seen, and how often each looked.
    fn pages(sight: &Sight, size: i32, is_seen: &[bool]) -> Vec<(Vec<usize>, usize)> {
        let (mut pages, mut token) = (Vec::new(), String::new());
        loop {
            let page = asked(size, token);
            let (mut part, mut looks) = (Part::of(&page, sight), 0);
            while let Some(Look { after, rows }) = part.look() {
                looks += 1;
                let behind = after.map_or(0, |after| after + 1);
                let looked: Vec<usize> = (behind..is_seen.len()).take(usize::try_from(rows).unwrap()).collect();
                let seen = looked.iter().copied().filter(|row| is_seen[*row]).collect();
                part.add(looked, seen);
            }
            let (rows, next) = part.cut(|last| *last);
            pages.push((rows, looks));
            if next.is_empty() {
                return pages;
            }
            token = next;
        }
    }

    proptest! {
        #[test]
        fn pages_hold_what_is_seen_once_in_its_order_however_little_it_is(
            length in 0usize..2_600, every in 1usize..1_500, first in 0usize..1_500, size in 1i32..250,
        ) {
            let is_seen: Vec<bool> = (0..length).map(|row| row >= first && (row - first).is_multiple_of(every)).collect();
            let wanted: Vec<usize> = (0..length).filter(|row| is_seen[*row]).collect();
            let pages = pages(&Sight::nothing(), size, &is_seen);
            prop_assert!(pages.iter().all(|(rows, looks)| *looks <= LOOKS && rows.len() <= usize::try_from(size.min(200)).unwrap()));
            prop_assert_eq!(pages.into_iter().flat_map(|(rows, _)| rows).collect::<Vec<_>>(), wanted);
        }

        #[test]
        fn whoever_sees_everything_gets_full_pages_by_one_look_each(length in 0usize..900, size in 1i32..250) {
            let pages = pages(&Sight::Everything, size, &vec![true; length]);
            let full = usize::try_from(size.min(200)).unwrap();
            prop_assert!(pages.iter().rev().skip(1).all(|(rows, _)| rows.len() == full));
            prop_assert!(pages.iter().all(|(_, looks)| *looks == 1));
            prop_assert_eq!(pages.into_iter().flat_map(|(rows, _)| rows).collect::<Vec<_>>(), (0..length).collect::<Vec<_>>());
        }
    }
}
