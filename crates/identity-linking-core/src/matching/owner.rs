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

/// Whose an activity is that was not on record. `linked` is the customer that the LINE user who submits is linked to, `own_records`
/// are his own records that nobody is linked to; both only where his form token is good.
///
/// The one customer on the whole key, whoever is linked to it. Of several, whom he is linked to, as that was settled; else the own
/// record that was made first, so that somebody who cannot be told from another has one of his own, however often he comes. Else a
/// new one.
pub fn owner(on_whole_key: &[CustomerId], linked: Option<CustomerId>, own_records: &[CustomerId]) -> Owner {
    let [first, others @ ..] = on_whole_key else { return Owner::New };
    if others.iter().all(|other| other == first) {
        return Owner::Record(*first);
    }
    let is_among = |one: &CustomerId| on_whole_key.contains(one);
    if let Some(linked) = linked.filter(is_among) {
        return Owner::Record(linked);
    }
    // What was made first has the least ID.
    own_records.iter().copied().filter(is_among).min().map_or(Owner::New, Owner::OwnRecord)
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

    #[test]
    fn one_who_matches_has_it_and_of_several_whoever_is_his() {
        const NONE: [u128; 0] = [];
        let of = |key: &[u128], linked: Option<u128>, own: &[u128]| {
            let all = |ids: &[u128]| ids.iter().copied().map(customer).collect::<Vec<_>>();
            owner(&all(key), linked.map(customer), &all(own))
        };
        for (key, linked, own, expected) in [
            (&NONE[..], None, &NONE[..], Owner::New),
            // What he is linked to, or made before, does not matter where it is not on the key.
            (&[], Some(1), &[2], Owner::New),
            (&[1], None, &[], Owner::Record(customer(1))),
            (&[1], Some(2), &[3], Owner::Record(customer(1))),
            (&[1], None, &[1], Owner::Record(customer(1))),
            (&[1, 2], None, &[], Owner::New),
            (&[1, 2], Some(3), &[4], Owner::New),
            (&[1, 2], Some(2), &[], Owner::Record(customer(2))),
            (&[1, 2, 3], Some(2), &[3], Owner::Record(customer(2))),
            (&[1, 2, 3], Some(4), &[3], Owner::OwnRecord(customer(3))),
            (&[1, 2, 3, 4], None, &[4, 3, 9], Owner::OwnRecord(customer(3))),
        ] {
            assert_eq!(of(key, linked, own), expected, "{key:?} {linked:?} {own:?}");
        }
    }

    proptest! {
        #[test]
        fn nobody_has_it_who_does_not_match_and_whoever_booked_once_has_one_record(
            key in any_customers(), linked in proptest::option::of(1u128..5), own in any_customers(),
        ) {
            let linked = linked.map(customer);
            let first = owner(&key, linked, &own);
            match first {
                Owner::Record(on) => prop_assert!(key.contains(&on)),
                Owner::OwnRecord(on) => prop_assert!(key.contains(&on) && own.contains(&on)),
                Owner::New => {
                    // What is made is his own record on the key: the next one makes no other.
                    let made = customer(9);
                    let (mut key, mut own) = (key.clone(), own.clone());
                    key.push(made);
                    own.push(made);
                    prop_assert_ne!(owner(&key, linked, &own), Owner::New);
                }
            }
            let (mut other_key, mut other_own) = (key, own);
            other_key.reverse();
            other_own.reverse();
            prop_assert_eq!(owner(&other_key, linked, &other_own), first, "no order matters");
        }

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
