use super::*;
use crate::matching::{Linked, OwnRecord};
use uuid::Uuid;

fn id(n: u128) -> CustomerId {
    Uuid::from_u128(n).into()
}

fn candidate(n: u128, name: Likeness, has_mobile: bool) -> Candidate {
    Candidate { customer: id(n), name, has_mobile, has_other_line_user: false }
}

#[test]
fn the_one_on_the_whole_key_is_linked() {
    let case = Case::new(LinkMethod::LinkForm, OnNoMatch::Create, None, None, [candidate(1, Likeness::Same, true)]);
    let action = Action::Link { customer: id(1), assurance: Assurance::NameAndMobile };
    assert_eq!(decide(&case), Decision::bare(Outcome::Linked, Reason::None, action));
    let _ = (Linked { customer: id(1), provisional: true }, OwnRecord { customer: id(1), has_other_line_user: false });
}
