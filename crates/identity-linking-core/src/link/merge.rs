//! Taking back that a customer absorbed a provisional one (D-9).

use kernel::CustomerId;

/// What taking a merge back does to the link that it moved. The absorbed customer is given back either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undo {
    /// The link moves back.
    MoveBack,
    /// The link ended meanwhile, and stays so.
    LeaveEnded,
}

/// Whether a merge can be taken back, and how. `survivor`: the customer that absorbed the other; `current`: the one its LINE user is
/// linked to now. None where it was taken back before, or the LINE user is linked to somebody else since: of merges that followed
/// each other, the latest is taken back first.
pub fn undo(is_undone: bool, survivor: CustomerId, current: Option<CustomerId>) -> Option<Undo> {
    match current {
        _ if is_undone => None,
        None => Some(Undo::LeaveEnded),
        Some(current) => (current == survivor).then_some(Undo::MoveBack),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_merge_is_taken_back_once_and_from_the_survivor_alone() {
        let [survivor, other] = [1, 2].map(|number| CustomerId::from(Uuid::from_u128(number)));
        assert_eq!(undo(false, survivor, Some(survivor)), Some(Undo::MoveBack));
        assert_eq!(undo(false, survivor, None), Some(Undo::LeaveEnded));
        assert_eq!(undo(false, survivor, Some(other)), None);
        for current in [None, Some(survivor), Some(other)] {
            assert_eq!(undo(true, survivor, current), None);
        }
    }
}
