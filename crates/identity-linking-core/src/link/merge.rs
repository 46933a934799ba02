//! Taking back that a customer absorbed a provisional one (D-9).

use kernel::LinkId;

/// What taking a merge back does to the link that it moved. The absorbed customer is given back either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undo {
    /// The link moves back.
    MoveBack,
    /// The link ended meanwhile, and stays so.
    LeaveEnded,
}

/// Whether a merge can be taken back, and how. `moved`: the link that the merge began; `current`: the one its LINE user has now. None
/// where it was taken back before, or the LINE user is linked by another link since.
pub fn undo(is_undone: bool, moved: LinkId, current: Option<LinkId>) -> Option<Undo> {
    match current {
        _ if is_undone => None,
        None => Some(Undo::LeaveEnded),
        Some(current) => (current == moved).then_some(Undo::MoveBack),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_merge_is_taken_back_once_and_never_against_a_later_link() {
        let [moved, later] = [1, 2].map(|number| LinkId::from(Uuid::from_u128(number)));
        assert_eq!(undo(false, moved, Some(moved)), Some(Undo::MoveBack));
        assert_eq!(undo(false, moved, None), Some(Undo::LeaveEnded));
        assert_eq!(undo(false, moved, Some(later)), None);
        for current in [None, Some(moved), Some(later)] {
            assert_eq!(undo(true, moved, current), None);
        }
    }
}
