//! The rules as a table.

use super::*;
use crate::matching::{OwnRecord, Refusal};
use uuid::Uuid;

/// The customer the LINE user is linked to, the one made at submission, and two others.
const LINKED: u128 = 1;
const OWN: u128 = 2;
const A: u128 = 3;
const B: u128 = 4;

fn id(n: u128) -> CustomerId {
    Uuid::from_u128(n).into()
}

/// A candidate, in short: `=` the same name, `r` the reading, `v` a variant, `x` another; `+` with the mobile number, `-`
/// without; `!` another LINE user has it; `#` told apart.
fn candidate((customer, signs): (u128, &str)) -> Candidate {
    let name = match signs.as_bytes()[0] {
        b'=' => Likeness::Same,
        b'r' => Likeness::Reading,
        b'v' => Likeness::Variant,
        _ => Likeness::Other,
    };
    let (has_mobile, has_other_line_user) = (signs.contains('+'), signs.contains('!'));
    Candidate { customer: id(customer), name, has_mobile, has_other_line_user, told_apart: signs.contains('#') }
}

/// How the LINE user stands: `-` linked to nobody, `P` to a provisional customer, `C` to another; `o` with a record made at
/// submission, `O` with one that another LINE user has by now, `s` with one that a stranger told something of, `n` with one whose
/// name staff changed since, `m` whose number; `#` told apart from it.
fn standing(text: &str) -> (Option<Linked>, Option<OwnRecord>) {
    let linked = match text.as_bytes()[0] {
        b'P' => Some(true),
        b'C' => Some(false),
        _ => None,
    };
    let own = text.contains(['o', 'O', 's']).then(|| OwnRecord {
        customer: id(OWN),
        has_other_line_user: text.contains('O'),
        told_by_others: text.contains('s'),
        name: if text.contains('n') { Likeness::Other } else { Likeness::Same },
        has_mobile: !text.contains('m'),
        told_apart: text.contains('#'),
    });
    (linked.map(|provisional| Linked { customer: id(LINKED), provisional }), own)
}

/// A decision, in short: outcome, reason, action, and how many suspicions.
fn told(decision: &Decision) -> String {
    let name =
        |customer: CustomerId| ["?", "L", "O", "A", "B"][usize::try_from(customer.uuid().as_u128()).unwrap_or(0)];
    let action = match decision.action {
        Action::Nothing => "nothing".to_owned(),
        Action::Hold => "hold".to_owned(),
        Action::HoldToldApart => "hold apart".to_owned(),
        Action::HoldChanged => "hold changed".to_owned(),
        Action::Create { assurance } => format!("create {}", assurance.as_str()),
        Action::Link { customer, assurance } => format!("link {} {}", name(customer), assurance.as_str()),
        Action::LinkOwnRecord { customer, assurance } => format!("own {} {}", name(customer), assurance.as_str()),
        Action::Absorb { survivor, absorbed, assurance } => {
            format!("{} absorbs {} {}", name(survivor), name(absorbed), assurance.as_str())
        }
        Action::OpenTakeover { customer } => format!("takeover {}", name(customer)),
    };
    let (outcome, reason) = (decision.outcome.as_str(), decision.reason.as_str());
    format!("{outcome} / {reason}: {action}, {}", decision.suspicions.len())
}

use LinkMethod::{BookingPage, FirstMessage, InquiryForm, LandingPage, LinkForm};
use OnNoMatch::{Create, Hold};

/// Method, policy, how the LINE user stands, the candidates, the decision.
type Row = (LinkMethod, OnNoMatch, &'static str, &'static [(u128, &'static str)], &'static str);

#[rustfmt::skip]
const TABLE: &[Row] = &[
    // Linked, an inquiry: nothing happens, whatever is known (1a, D-9).
    (InquiryForm, Create, "P", &[], "ALREADY_LINKED / NONE: nothing, 0"),
    (InquiryForm, Create, "C", &[(A, "=")], "ALREADY_LINKED / NONE: nothing, 0"),
    (InquiryForm, Hold, "P", &[(A, "="), (B, "=")], "ALREADY_LINKED / NONE: nothing, 0"),
    // Linked to the one that matches (1b).
    (LinkForm, Create, "C", &[(LINKED, "=+")], "ALREADY_LINKED / NONE: nothing, 0"),
    (LinkForm, Create, "P", &[(LINKED, "r+"), (A, "=-")], "ALREADY_LINKED / NONE: nothing, 0"),
    // Linked to a provisional one, another matches (1c).
    (LinkForm, Create, "P", &[(A, "=+")], "LINKED / NONE: A absorbs L NAME_AND_MOBILE, 0"),
    (BookingPage, Hold, "P", &[(A, "r+"), (LINKED, "=-")], "LINKED / NONE: A absorbs L NAME_AND_MOBILE, 0"),
    (LandingPage, Create, "P", &[(A, "=+!")], "REFUSED / CUSTOMER_HAS_OTHER_LINE_USER: takeover A, 0"),
    // Linked to one that is not provisional, another matches (1d).
    (LinkForm, Create, "C", &[(A, "=+")], "REFUSED / LINE_USER_HAS_OTHER_CUSTOMER: nothing, 0"),
    (LinkForm, Create, "C", &[(A, "=+!")], "REFUSED / LINE_USER_HAS_OTHER_CUSTOMER: nothing, 0"),
    // Linked, and several match (1e).
    (LinkForm, Create, "P", &[(A, "=+"), (B, "=+")], "ALREADY_LINKED / AMBIGUOUS_NAME_AND_MOBILE: nothing, 1"),
    (LinkForm, Create, "P", &[(LINKED, "=+"), (A, "=+")], "ALREADY_LINKED / AMBIGUOUS_NAME_AND_MOBILE: nothing, 1"),
    (LinkForm, Create, "C", &[(LINKED, "=+"), (B, "r+")], "ALREADY_LINKED / AMBIGUOUS_NAME_AND_MOBILE: nothing, 1"),
    (LinkForm, Create, "P", &[(LINKED, "=+"), (A, "=+"), (B, "=+")], "ALREADY_LINKED / AMBIGUOUS_NAME_AND_MOBILE: nothing, 3"),
    // Linked, and none matches (1f).
    (LinkForm, Create, "P", &[], "ALREADY_LINKED / NO_MATCH: nothing, 0"),
    (LinkForm, Create, "P", &[(A, "=-"), (LINKED, "x+")], "ALREADY_LINKED / PHONE_MISMATCH: nothing, 1"),
    (LinkForm, Create, "C", &[(A, "x+")], "ALREADY_LINKED / NAME_MISMATCH: nothing, 0"),
    // Linked to nobody, several match: held, whatever the policy (2, D-5).
    (InquiryForm, Create, "-", &[(A, "="), (B, "=")], "HELD / AMBIGUOUS_NAME: hold, 0"),
    (LinkForm, Create, "-", &[(A, "=+"), (B, "=+")], "HELD / AMBIGUOUS_NAME_AND_MOBILE: hold, 1"),
    (LinkForm, Hold, "-", &[(A, "=+"), (B, "r+!")], "HELD / AMBIGUOUS_NAME_AND_MOBILE: hold, 1"),
    (BookingPage, Create, "-o", &[(A, "=+"), (B, "=+")], "HELD / AMBIGUOUS_NAME_AND_MOBILE: hold, 3"),
    // Linked to nobody, one matches (3).
    (InquiryForm, Create, "-", &[(A, "="), (B, "r")], "LINKED / NONE: link A NAME, 0"),
    (LinkForm, Hold, "-", &[(A, "=+"), (B, "=-")], "LINKED / NONE: link A NAME_AND_MOBILE, 0"),
    (BookingPage, Create, "-", &[(A, "r+"), (B, "v+")], "LINKED / NONE: link A NAME_AND_MOBILE, 0"),
    (LandingPage, Create, "-o", &[(A, "=+")], "LINKED / NONE: link A NAME_AND_MOBILE, 1"),
    (LinkForm, Create, "-", &[(A, "=+!")], "REFUSED / CUSTOMER_HAS_OTHER_LINE_USER: takeover A, 0"),
    (InquiryForm, Hold, "-", &[(A, "=!")], "REFUSED / CUSTOMER_HAS_OTHER_LINE_USER: takeover A, 0"),
    // The one that matches was told apart from the LINE user before.
    (InquiryForm, Create, "-", &[(A, "=#")], "HELD / POLICY_HOLD: hold apart, 0"),
    (LinkForm, Create, "-", &[(A, "=+#"), (B, "=-")], "HELD / POLICY_HOLD: hold apart, 0"),
    (LinkForm, Create, "P", &[(A, "=+#")], "HELD / POLICY_HOLD: hold apart, 0"),
    (LinkForm, Create, "-", &[(A, "=+!#")], "REFUSED / CUSTOMER_HAS_OTHER_LINE_USER: nothing, 0"),
    (LinkForm, Create, "P", &[(A, "=+!#")], "REFUSED / CUSTOMER_HAS_OTHER_LINE_USER: nothing, 0"),
    (LinkForm, Create, "C", &[(A, "=+#")], "REFUSED / LINE_USER_HAS_OTHER_CUSTOMER: nothing, 0"),
    (LinkForm, Create, "-", &[(A, "=+#"), (B, "=+")], "HELD / AMBIGUOUS_NAME_AND_MOBILE: hold, 1"),
    (LinkForm, Create, "-", &[(A, "=-#")], "CREATED_NEW / PHONE_MISMATCH: create PROVEN, 1"),
    (LinkForm, Create, "C", &[(LINKED, "=+#")], "ALREADY_LINKED / NONE: nothing, 0"),
    // Linked to nobody, none matches: the policy says (4, D-1).
    (LinkForm, Create, "-", &[], "CREATED_NEW / NO_MATCH: create PROVEN, 0"),
    (LinkForm, Create, "-", &[(A, "=-"), (B, "x+")], "CREATED_NEW / PHONE_MISMATCH: create PROVEN, 2"),
    (LinkForm, Create, "-", &[(A, "r-")], "CREATED_NEW / PHONE_MISMATCH: create PROVEN, 1"),
    (LinkForm, Create, "-", &[(A, "x+")], "CREATED_NEW / NAME_MISMATCH: create PROVEN, 1"),
    (LinkForm, Create, "-", &[(A, "v+")], "CREATED_NEW / NAME_MISMATCH: create PROVEN, 1"),
    (LinkForm, Create, "-", &[(A, "v-")], "CREATED_NEW / NAME_MISMATCH: create PROVEN, 1"),
    (InquiryForm, Create, "-", &[(A, "r")], "CREATED_NEW / NAME_MISMATCH: create PROVEN, 1"),
    (InquiryForm, Create, "-", &[(A, "v")], "CREATED_NEW / NAME_MISMATCH: create PROVEN, 1"),
    (InquiryForm, Create, "-", &[(A, "x+")], "CREATED_NEW / NO_MATCH: create PROVEN, 0"),
    (LinkForm, Hold, "-", &[(A, "=-")], "HELD / POLICY_HOLD: hold, 0"),
    (InquiryForm, Hold, "-", &[], "HELD / POLICY_HOLD: hold, 0"),
    // With a record made at submission.
    (BookingPage, Create, "-o", &[], "CREATED_NEW / NO_MATCH: own O PROVEN, 0"),
    (BookingPage, Create, "-o", &[(A, "=-")], "CREATED_NEW / PHONE_MISMATCH: own O PROVEN, 1"),
    (BookingPage, Create, "-s", &[], "CREATED_NEW / NO_MATCH: own O NAME_AND_MOBILE, 0"),
    (LandingPage, Create, "-s", &[(A, "=-")], "CREATED_NEW / PHONE_MISMATCH: own O NAME_AND_MOBILE, 1"),
    (BookingPage, Create, "-o", &[(OWN, "=+")], "CREATED_NEW / NO_MATCH: own O PROVEN, 0"),
    (BookingPage, Create, "-O", &[(A, "x+")], "REFUSED / CUSTOMER_HAS_OTHER_LINE_USER: takeover O, 1"),
    // Two have the whole key then, and one of them is somebody else's: nobody can tell (D-5).
    (BookingPage, Create, "-O", &[(A, "=+")], "HELD / AMBIGUOUS_NAME_AND_MOBILE: hold, 1"),
    (BookingPage, Hold, "-O", &[(A, "r+!")], "HELD / AMBIGUOUS_NAME_AND_MOBILE: hold, 1"),
    (BookingPage, Create, "PO", &[(A, "=+")], "ALREADY_LINKED / AMBIGUOUS_NAME_AND_MOBILE: nothing, 1"),
    (BookingPage, Create, "-o", &[(A, "=+")], "LINKED / NONE: link A NAME_AND_MOBILE, 1"),
    // Staff made somebody else of the record meanwhile.
    (BookingPage, Create, "-on", &[(A, "=-")], "HELD / NAME_MISMATCH: hold changed, 1"),
    (BookingPage, Create, "-onm", &[], "HELD / NAME_MISMATCH: hold changed, 0"),
    (LandingPage, Create, "-om", &[], "HELD / PHONE_MISMATCH: hold changed, 0"),
    (BookingPage, Create, "-om", &[(A, "=+")], "LINKED / NONE: link A NAME_AND_MOBILE, 1"),
    (BookingPage, Create, "-On", &[], "HELD / NAME_MISMATCH: hold changed, 0"),
    (BookingPage, Create, "-Om", &[(A, "=+")], "LINKED / NONE: link A NAME_AND_MOBILE, 1"),
    // Somebody said that the record is not his.
    (BookingPage, Create, "-o#", &[], "HELD / POLICY_HOLD: hold apart, 0"),
    (BookingPage, Create, "-O#", &[], "REFUSED / CUSTOMER_HAS_OTHER_LINE_USER: nothing, 0"),
    (BookingPage, Hold, "-o", &[(A, "v-")], "HELD / POLICY_HOLD: hold, 1"),
    (BookingPage, Create, "Po", &[(A, "=+")], "LINKED / NONE: A absorbs L NAME_AND_MOBILE, 1"),
    (BookingPage, Create, "Co", &[(A, "=-")], "ALREADY_LINKED / PHONE_MISMATCH: nothing, 1"),
    // A first message, where it registers: nothing is compared (D-2).
    (FirstMessage, Create, "-", &[(A, "=+")], "CREATED_NEW / NO_MATCH: create PROVEN, 0"),
    (FirstMessage, Hold, "-", &[], "CREATED_NEW / NO_MATCH: create PROVEN, 0"),
    (FirstMessage, Create, "C", &[], "ALREADY_LINKED / NONE: nothing, 0"),
];

#[test]
fn the_rules_are_these() {
    for (method, policy, line_user, candidates, expected) in TABLE {
        let (linked, own) = standing(line_user);
        let case = Case::new(*method, *policy, linked, own, candidates.iter().copied().map(candidate));
        assert_eq!(told(&decide(&case)), *expected, "{} {line_user} {candidates:?}", method.as_str());
    }
}

#[test]
fn whom_too_many_attempts_were_aimed_at_is_held_for_staff() {
    let of = |line_user: &str, ones: &[(u128, &str)]| {
        let (linked, own) = standing(line_user);
        let case = Case::new(LinkForm, Create, linked, own, ones.iter().copied().map(candidate));
        told(&decide(&case.tried_too_often()))
    };
    for (line_user, signs) in [("-", "=+"), ("P", "=+"), ("-", "=+!"), ("-", "r+")] {
        assert_eq!(of(line_user, &[(A, signs)]), "HELD / RATE_LIMITED: hold, 0", "{line_user} {signs}");
    }
    assert_eq!(of("C", &[(LINKED, "=+")]), "ALREADY_LINKED / NONE: nothing, 0");
    assert_eq!(of("-", &[(A, "=+"), (B, "=+")]), "HELD / AMBIGUOUS_NAME_AND_MOBILE: hold, 1");
}

#[test]
fn who_is_linked_to_the_record_made_at_submission_matches_it() {
    let linked = Some(Linked { customer: id(OWN), provisional: false });
    let own = Some(OwnRecord {
        customer: id(OWN),
        has_other_line_user: false,
        told_by_others: false,
        name: Likeness::Same,
        has_mobile: true,
        told_apart: false,
    });
    let of = |ones: &[(u128, &str)]| {
        told(&decide(&Case::new(BookingPage, Create, linked, own, ones.iter().copied().map(candidate))))
    };
    assert_eq!(of(&[(A, "=-")]), "ALREADY_LINKED / NONE: nothing, 1");
    assert_eq!(of(&[(A, "=+")]), "ALREADY_LINKED / AMBIGUOUS_NAME_AND_MOBILE: nothing, 1");
}

#[test]
fn suspicions_say_who_and_why() {
    use crate::matching::DuplicateSign::{SameMobile, SameName, SameReading, VariantName};
    let of = |line_user: &str, ones: &[(u128, &str)]| {
        let (linked, own) = standing(line_user);
        decide(&Case::new(LinkForm, Create, linked, own, ones.iter().copied().map(candidate))).suspicions
    };
    let suspicion = |customer: Option<u128>, other: u128, signs: &[DuplicateSign]| Suspicion {
        customer: customer.map(id),
        other: id(other),
        signs: signs.to_vec(),
    };
    let near = [(A, "v+"), (B, "r-")];
    assert_eq!(of("-", &near), [suspicion(None, A, &[VariantName, SameMobile]), suspicion(None, B, &[SameReading])]);
    assert_eq!(of("-o", &near)[0], suspicion(Some(OWN), A, &[VariantName, SameMobile]));
    assert_eq!(of("P", &near)[1], suspicion(Some(LINKED), B, &[SameReading]));
    let several = [(A, "=+"), (B, "=+")];
    assert_eq!(of("-", &several), [suspicion(Some(A), B, &[SameName, SameMobile])]);
    assert_eq!(of("-", &[(A, "=+"), (B, "r+")]), [suspicion(Some(A), B, &[SameReading, SameMobile])]);
}

#[test]
fn the_nearest_come_first_and_no_more_than_the_most() {
    let ones = [(6, "=-"), (5, "x+"), (4, "r-"), (3, "r+"), (2, "v+"), (1, "v-"), (9, "=+"), (7, "x-")].map(candidate);
    let order = |case: &Case| case.candidates().iter().map(|one| one.customer.uuid().as_u128()).collect::<Vec<_>>();
    assert_eq!(order(&Case::new(LinkForm, Create, None, None, ones)), [9, 3, 2, 5, 6, 4, 1]);
    assert_eq!(order(&Case::new(InquiryForm, Create, None, None, ones)), [6, 9, 3, 4, 1, 2]);
    let many = (100..200).map(|n| candidate((n, "=-"))).chain([candidate((200, "=+")), candidate((201, "=+"))]);
    let case = Case::new(LinkForm, Create, None, None, many);
    assert_eq!((case.candidates().len(), &order(&case)[..2]), (crate::matching::MAX_CANDIDATES, &[200, 201][..]));
}

#[test]
fn a_case_kept_under_other_rules_is_not_decided_again() {
    let case = Case::new(LinkForm, Create, None, None, [candidate((A, "=+"))]);
    let kept = serde_json::to_value(&case).unwrap();
    assert_eq!(kept["rules"], 1);
    assert_eq!((&kept["method"], &kept["candidates"][0]["name"]), (&"LINK_FORM".into(), &"SAME".into()));
    let mut other = kept.clone();
    other["rules"] = 2.into();
    assert!(serde_json::from_value::<Case>(other).unwrap_err().to_string().contains("rules 2"));
    assert_eq!(serde_json::from_value::<Case>(kept).unwrap(), case);
}

#[test]
fn a_decision_is_kept_in_words() {
    let case = Case::new(LinkForm, Create, None, None, [candidate((A, "=+"))]);
    let kept = serde_json::to_value(decide(&case)).unwrap();
    assert_eq!(
        kept,
        serde_json::json!({
            "outcome": "LINKED",
            "reason": "NONE",
            "action": { "do": "LINK", "customer": id(A), "assurance": "NAME_AND_MOBILE" },
            "suspicions": [],
        })
    );
    let refused = serde_json::to_value(Decision::refused(Refusal::TokenUsed)).unwrap();
    assert_eq!((&refused["reason"], &refused["action"]["do"]), (&"TOKEN_USED".into(), &"NOTHING".into()));
}
