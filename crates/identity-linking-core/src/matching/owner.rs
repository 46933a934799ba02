//! Whose the activity of a submission is (F-07, F-08, F-15, F-44). It stands whatever becomes of the link.

use kernel::{CustomerId, FriendId};

/// Whose an activity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A customer on record.
    Record(CustomerId),
    /// The own record of the LINE user who submits: made at a submission of his, because nobody or several matched.
    OwnRecord(CustomerId),
    /// A customer that is made for it: an own record from then on.
    New,
}

/// An activity of a submission as it is on record already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The customer it is on.
    pub customer: CustomerId,
    /// The LINE user with whose form token it came; none: it came without one that was good.
    pub by: Option<FriendId>,
    /// Whether its customer is an own record of that LINE user.
    pub own: bool,
}

/// Whose an activity is that comes again under its reference: it stays with whom it is. Where that is the own record of the LINE
/// user who submits (`by`, by a form token that is good), is as what was typed, and is linked to nobody yet, it is his own record
/// still, so that whoever comes again, as LINE was away, is decided about as the first time.
pub fn owner_again(before: Submitted, by: Option<FriendId>, on_whole_key: &[CustomerId], has_line_user: bool) -> Owner {
    let is_his = before.own && before.by.is_some() && before.by == by;
    if is_his && !has_line_user && on_whole_key.contains(&before.customer) {
        Owner::OwnRecord(before.customer)
    } else {
        Owner::Record(before.customer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn customer(n: u128) -> CustomerId {
        Uuid::from_u128(n).into()
    }

    fn any_customers() -> impl Strategy<Value = Vec<CustomerId>> {
        proptest::collection::vec((1u128..5).prop_map(customer), 0..4)
    }

    fn any_user() -> impl Strategy<Value = Option<FriendId>> {
        proptest::option::of((1u128..4).prop_map(|n| FriendId::from(Uuid::from_u128(n))))
    }

    proptest! {
        #[test]
        fn what_comes_again_stays_and_is_his_own_record_for_whoever_brought_it_alone(
            on in 1u128..5, before_by in any_user(), own: bool, by in any_user(), key in any_customers(), linked: bool,
        ) {
            let before = Submitted { customer: customer(on), by: before_by, own };
            match owner_again(before, by, &key, linked) {
                Owner::New => prop_assert!(false, "it is on record"),
                Owner::Record(stays) => prop_assert_eq!(stays, before.customer),
                Owner::OwnRecord(stays) => {
                    prop_assert_eq!(stays, before.customer);
                    prop_assert!(own && !linked && by.is_some() && by == before_by && key.contains(&stays));
                }
            }
            let again = owner_again(Submitted { own: true, by: Some(Uuid::nil().into()), ..before }, Some(Uuid::nil().into()),
                &[before.customer], false);
            prop_assert_eq!(again, Owner::OwnRecord(before.customer));
        }
    }
}
