//! What holds of every case: of any at all, and of those that people with similar names and shared phones make.

use super::*;
use crate::matching::{Alike, MAX_CANDIDATES};
use crate::matching::{OwnRecord, explain};
use crate::{NameKeys, NamePart, PersonName, Reading};
use proptest::prelude::*;
use proptest::sample::select;
use uuid::Uuid;

fn id(n: u128) -> CustomerId {
    Uuid::from_u128(n).into()
}

/// Few customers, so that they meet often.
fn any_customer() -> impl Strategy<Value = CustomerId> {
    (1u128..7).prop_map(id)
}

fn any_candidate() -> impl Strategy<Value = Candidate> {
    let rarely = || prop::bool::weighted(0.2);
    (any_customer(), select(Likeness::ALL), any::<bool>(), rarely(), rarely()).prop_map(
        |(customer, name, has_mobile, has_other_line_user, told_apart)| Candidate {
            customer,
            name,
            has_mobile,
            has_other_line_user,
            told_apart,
        },
    )
}

/// What a case is made of.
type Parts = (LinkMethod, OnNoMatch, Option<Linked>, Option<OwnRecord>, Vec<Candidate>);

fn any_parts(candidates: impl Strategy<Value = Vec<Candidate>>) -> impl Strategy<Value = Parts> {
    let linked = (any_customer(), any::<bool>()).prop_map(|(customer, provisional)| Linked { customer, provisional });
    let own =
        (any_customer(), any::<bool>(), any::<bool>(), select(Likeness::ALL), prop::bool::weighted(0.8), any::<bool>())
            .prop_map(|(customer, has_other_line_user, told_by_others, name, has_mobile, told_apart)| OwnRecord {
                customer,
                has_other_line_user,
                told_by_others,
                name,
                has_mobile,
                told_apart,
            });
    let (linked, own) = (proptest::option::of(linked), proptest::option::weighted(0.3, own));
    (select(LinkMethod::ALL), select(OnNoMatch::ALL), linked, own, candidates)
}

fn case_of((method, on_no_match, linked, own, candidates): Parts) -> Case {
    Case::new(method, on_no_match, linked, own, candidates)
}

/// A person of a family of similar names: how the name is written, how it is read, which of two phones is there.
fn any_person() -> impl Strategy<Value = (NameKeys, u8)> {
    let family = select(&[("高橋", "たかはし"), ("髙橋", "タカハシ"), ("タカハシ", ""), ("高　橋", "ﾀｶﾊｼ")]);
    let given = select(&[("恵", "めぐみ"), ("惠", "ケイ"), ("めぐみ", ""), ("ﾒｸﾞﾐ", ""), ("ケイ", "")]);
    (family, given, any::<bool>(), any::<bool>(), 0u8..3).prop_map(|(family, given, is_split, has_reading, phone)| {
        let part = |text: &str| NamePart::optional(text).unwrap();
        let reading = |text: &str| Reading::optional(if has_reading { text } else { "" }).unwrap();
        let name = if is_split {
            PersonName::new(part(family.0), part(given.0), reading(family.1), reading(given.1))
        } else {
            PersonName::new(part(&format!("{} {}", family.0, given.0)), None, None, None)
        };
        (NameKeys::of(&name.unwrap()), phone)
    })
}

/// The case of somebody of that family among the others; phone 0 is none.
fn any_family_parts() -> impl Strategy<Value = Parts> {
    let records = proptest::collection::vec((any_person(), prop::bool::weighted(0.2)), 0..6);
    let candidates = (any_person(), records).prop_map(|((typed, phone), records)| {
        let of = |(at, ((keys, has), has_other_line_user)): (u128, &((NameKeys, u8), bool))| Candidate {
            customer: id(at),
            name: typed.likeness(keys),
            has_mobile: phone != 0 && phone == *has,
            has_other_line_user: *has_other_line_user,
            told_apart: false,
        };
        (1..).zip(&records).map(of).collect()
    });
    any_parts(candidates)
}

fn any_case_parts() -> impl Strategy<Value = Parts> {
    prop_oneof![any_parts(proptest::collection::vec(any_candidate(), 0..9)), any_family_parts()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn two_on_the_whole_key_never_link_to_either(parts in any_case_parts()) {
        let case = case_of(parts);
        let linked_customer = decide(&case).action.linked_customer();
        let on_key: Vec<CustomerId> = case.on_whole_key().map(|one| one.customer).collect();
        if on_key.len() > 1 {
            prop_assert_eq!(linked_customer, None);
        }
        // And what is linked is the one on the key, or the LINE user's own.
        if let Some(customer) = linked_customer {
            prop_assert!(on_key == [customer] || case.own_record().is_some_and(|own| own.customer == customer));
        }
    }

    #[test]
    fn who_is_on_the_whole_key_comes_first(parts in any_case_parts()) {
        let case = case_of(parts);
        let on_key = |one: &Candidate| case.method().is_whole_key(one.name, one.has_mobile);
        prop_assert!(case.candidates().iter().skip_while(|one| on_key(one)).all(|one| !on_key(one)));
    }

    #[test]
    fn nobody_loses_a_customer(parts in any_case_parts()) {
        let case = case_of(parts);
        let decision = decide(&case);
        if let Some(customer) = decision.action.linked_customer() {
            let taken = case.candidates().iter().any(|one| one.customer == customer && one.has_other_line_user);
            prop_assert!(!taken);
            prop_assert!(!case.own_record().is_some_and(|own| own.customer == customer && own.has_other_line_user));
        }
        if let Some(linked) = case.linked() {
            match decision.action {
                Action::Absorb { absorbed, survivor, .. } => {
                    prop_assert!(linked.provisional && absorbed == linked.customer && survivor != absorbed);
                    prop_assert!(case.method() != LinkMethod::InquiryForm);
                }
                Action::Nothing | Action::OpenTakeover { .. } | Action::HoldToldApart | Action::HoldChanged => {}
                action => prop_assert!(false, "{action:?}"),
            }
        }
    }

    #[test]
    fn no_form_joins_whom_somebody_told_apart(parts in any_case_parts()) {
        let case = case_of(parts);
        let own = case.own_record().filter(|own| own.told_apart).map(|own| own.customer);
        let apart = |customer| {
            own == Some(customer) || case.candidates().iter().any(|one| one.customer == customer && one.told_apart)
        };
        match decide(&case).action {
            Action::Link { customer, .. } | Action::LinkOwnRecord { customer, .. } | Action::Absorb { survivor: customer, .. } => prop_assert!(!apart(customer)),
            Action::OpenTakeover { customer } => prop_assert!(!apart(customer)),
            _ => {}
        }
    }

    #[test]
    fn what_others_told_something_of_is_nobodys_for_certain(parts in any_case_parts()) {
        let case = case_of(parts);
        let told_by_others = case.own_record().is_some_and(|own| own.told_by_others);
        match decide(&case).action {
            Action::LinkOwnRecord { assurance, .. } => {
                let expected = if told_by_others { case.method().assurance() } else { Assurance::Proven };
                prop_assert_eq!(assurance, expected);
            }
            Action::Create { assurance } => prop_assert_eq!(assurance, Assurance::Proven),
            Action::Link { assurance, .. } | Action::Absorb { assurance, .. } => {
                prop_assert_eq!(assurance, case.method().assurance());
            }
            Action::Nothing | Action::Hold | Action::HoldToldApart | Action::HoldChanged | Action::OpenTakeover { .. } => {}
        }
    }

    #[test]
    fn every_decision_has_the_reason_and_the_action_of_its_outcome(parts in any_case_parts()) {
        let case = case_of(parts);
        let Decision { outcome, reason, action, .. } = decide(&case);
        let has_reason = reason != Reason::None;
        match outcome {
            Outcome::Linked => {
                prop_assert!(!has_reason && matches!(action, Action::Link { .. } | Action::Absorb { .. }), "{action:?}");
            }
            Outcome::AlreadyLinked => prop_assert!(action == Action::Nothing && case.linked().is_some()),
            Outcome::CreatedNew => {
                prop_assert!(has_reason && matches!(action, Action::Create { .. } | Action::LinkOwnRecord { .. }), "{action:?}");
            }
            Outcome::Held => prop_assert!(has_reason && matches!(action, Action::Hold | Action::HoldToldApart | Action::HoldChanged)),
            Outcome::Refused => {
                prop_assert!(has_reason && matches!(action, Action::Nothing | Action::OpenTakeover { .. }), "{action:?}");
            }
        }
    }

    #[test]
    fn a_variant_links_nobody_and_a_reading_none_by_name_alone(parts in any_case_parts()) {
        let case = case_of(parts);
        if let Action::Link { customer, .. } | Action::Absorb { survivor: customer, .. } = decide(&case).action {
            let one = case.candidates().iter().find(|one| one.customer == customer).unwrap();
            prop_assert!(one.name == Likeness::Same || (one.name == Likeness::Reading && one.has_mobile));
            prop_assert_eq!(one.has_mobile, case.method() != LinkMethod::InquiryForm);
        }
    }

    #[test]
    fn order_and_repetition_change_nothing(
        (parts, shuffled) in any_case_parts().prop_flat_map(|parts| {
            let twice: Vec<Candidate> = parts.4.iter().chain(&parts.4).copied().collect();
            (Just(parts), Just(twice).prop_shuffle())
        })
    ) {
        let again = case_of((parts.0, parts.1, parts.2, parts.3, shuffled));
        let case = case_of(parts);
        prop_assert_eq!(decide(&case), decide(&again));
        prop_assert_eq!(case, again);
    }

    #[test]
    fn a_kept_case_is_decided_the_same(parts in any_case_parts()) {
        let case = case_of(parts);
        let decision = decide(&case);
        let kept = serde_json::to_string(&(&case, &decision)).unwrap();
        let (again, stored): (Case, Decision) = serde_json::from_str(&kept).unwrap();
        prop_assert_eq!(&decide(&again), &stored);
        prop_assert_eq!((again, stored), (case, decision));
    }

    #[test]
    fn suspicions_are_of_two_customers_each_pair_once_with_signs(parts in any_case_parts()) {
        let case = case_of(parts);
        let decision = decide(&case);
        let mut pairs: Vec<_> = Vec::new();
        for Suspicion { customer, other, signs } in &decision.suspicions {
            prop_assert!(!signs.is_empty() && signs.is_sorted() && *customer != Some(*other));
            prop_assert_eq!(customer.is_none(), matches!(decision.action, Action::Create { .. }));
            let pair = customer.map_or((*other, None), |one| (one.min(*other), Some(one.max(*other))));
            prop_assert!(!pairs.contains(&pair));
            pairs.push(pair);
            if let Action::Absorb { absorbed, .. } = decision.action {
                prop_assert!(*other != absorbed && *customer != Some(absorbed));
            }
        }
        prop_assert!(pairs.len() <= MAX_CANDIDATES * MAX_CANDIDATES);
        let words = explain(case.method(), &decision, &Alike::of(&case));
        prop_assert!(!words.ja.is_empty() && !words.en.is_empty());
    }
}
