//! Pages of lists.

use chassis::page;
use serde::Serialize;

/// Which page is asked for.
#[derive(Debug)]
pub(crate) struct Asked<P> {
    /// How many rows.
    pub(crate) size: i64,
    /// The place of the last row of the page before.
    pub(crate) after: Option<P>,
}

impl<P: Serialize> Asked<P> {
    /// How many rows to read: one more than the page, to know whether another follows.
    pub(crate) fn rows(&self) -> i64 {
        self.size + 1
    }

    /// The page among the rows read, and the token of the next one; empty at the end.
    pub(crate) fn cut<T>(&self, mut rows: Vec<T>, place: impl FnOnce(&T) -> P) -> (Vec<T>, String) {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        if rows.len() <= size {
            return (rows, String::new());
        }
        rows.truncate(size);
        let next = rows.last().map(|last| page::encode(&place(last))).unwrap_or_default();
        (rows, next)
    }
}
