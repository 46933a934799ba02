//! What it takes to link a LINE user to a customer whom somebody who knows has chosen: staff, or the LINE user linked until then.

use kernel::CustomerId;

use super::Linked;

/// What it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The LINE user is linked to nobody: a link begins.
    Begin,
    /// The LINE user has a provisional customer: the chosen one absorbs it (D-9).
    Absorb(CustomerId),
    /// The LINE user is linked to the chosen customer already.
    Already,
    /// The LINE user is linked to another customer, and that link must end first.
    Bound,
}

/// What it takes to link a LINE user, who is linked as `linked`, to `chosen`.
pub fn way_to(linked: Option<Linked>, chosen: CustomerId) -> Way {
    match linked {
        None => Way::Begin,
        Some(linked) if linked.customer == chosen => Way::Already,
        Some(linked) if linked.provisional => Way::Absorb(linked.customer),
        Some(_) => Way::Bound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn only_a_provisional_customer_gives_way() {
        let (chosen, other) = (CustomerId::from(Uuid::from_u128(1)), CustomerId::from(Uuid::from_u128(2)));
        let linked = |customer, provisional| Some(Linked { customer, provisional });
        assert_eq!(way_to(None, chosen), Way::Begin);
        assert_eq!(way_to(linked(chosen, true), chosen), Way::Already);
        assert_eq!(way_to(linked(other, true), chosen), Way::Absorb(other));
        assert_eq!(way_to(linked(other, false), chosen), Way::Bound);
    }
}
