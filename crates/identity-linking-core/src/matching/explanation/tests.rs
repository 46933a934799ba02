//! Every decision in words.

use super::*;
use crate::matching::{Assurance, Candidate, OnNoMatch, Refusal, decide};
use std::collections::HashMap;
use uuid::Uuid;

fn all() -> impl Iterator<Item = (LinkMethod, Outcome, Reason)> {
    let each = |method: &'static LinkMethod| {
        Outcome::ALL.iter().flat_map(move |outcome| Reason::ALL.iter().map(move |reason| (*method, *outcome, *reason)))
    };
    LinkMethod::ALL.iter().flat_map(each)
}

fn alike(whole_key: usize) -> Alike {
    Alike { whole_key, same_name: whole_key, reading: 1, variant: 1, mobile: 3 }
}

#[test]
fn everything_is_told_in_both_languages_and_no_two_alike() {
    for alike in [Alike::default(), alike(1), alike(2), alike(MAX_CANDIDATES)] {
        let mut told = HashMap::new();
        for (method, outcome, reason) in all() {
            let words = explain(method, &Decision::bare(outcome, reason, Action::Nothing), &alike);
            assert!(words.ja.ends_with("。") && !words.ja.contains("。。"), "{}", words.ja);
            assert!(words.en.ends_with('.') && words.en.is_ascii() && !words.en.contains("  "), "{}", words.en);
            assert!(words.ja.matches('。').count() <= 2 && words.en.matches('.').count() <= 2);
            let which = (method, outcome, reason);
            assert_eq!(told.insert(words.ja, which), None, "{which:?}");
            assert_eq!(told.insert(words.en, which), None, "{which:?}");
        }
    }
}

#[test]
fn what_is_done_beyond_a_link_is_told() {
    let id = Uuid::from_u128(1).into();
    let assurance = Assurance::Proven;
    let words =
        |outcome, action| explain(LinkMethod::BookingPage, &Decision::bare(outcome, Reason::None, action), &alike(1));
    for (outcome, action) in [
        (Outcome::Linked, Action::Absorb { survivor: id, absorbed: id, assurance }),
        (Outcome::CreatedNew, Action::LinkOwnRecord { customer: id, assurance }),
        (Outcome::Refused, Action::OpenTakeover { customer: id }),
    ] {
        let (plain, more) = (words(outcome, Action::Nothing), words(outcome, action));
        assert!(plain.ja != more.ja && plain.en != more.en, "{}", outcome.as_str());
    }
    let held =
        |action| explain(LinkMethod::LinkForm, &Decision::bare(Outcome::Held, Reason::PolicyHold, action), &alike(1));
    let (by_policy, told_apart) = (held(Action::Hold), held(Action::HoldToldApart));
    assert!(by_policy.ja != told_apart.ja && by_policy.en != told_apart.en);
}

#[test]
fn a_decision_reads_like_this() {
    let candidate = |n: u128, name, has_mobile| Candidate {
        customer: Uuid::from_u128(n).into(),
        name,
        has_mobile,
        has_other_line_user: false,
        told_apart: false,
    };
    let ones =
        [candidate(1, Likeness::Same, true), candidate(2, Likeness::Same, true), candidate(3, Likeness::Variant, true)];
    let case = Case::new(LinkMethod::LinkForm, OnNoMatch::Create, None, None, ones);
    let words = explain(case.method(), &decide(&case), &Alike::of(&case));
    assert_eq!(
        words.ja,
        "連携フォームからの連携について、氏名と携帯電話番号がともに一致する顧客が2件あり、どの顧客か特定できないため、\
         連携を保留し、担当者の確認待ちとしました。照合結果は、氏名が同じ顧客2件、異体字などの違いのみの顧客1件、\
         携帯電話番号が同じ顧客3件です。"
    );
    assert_eq!(
        words.en,
        "Link form: 2 customers have both name and mobile number and which one is meant cannot be told, so the attempt waits \
         for staff to review it. Customers compared: 2 with the same name, 1 with a name that differs in variant characters \
         only, 3 with the same mobile number."
    );
    let refused = explain(LinkMethod::LinkForm, &Decision::refused(Refusal::TokenExpired), &Alike::default());
    assert_eq!(
        refused.ja,
        "連携フォームからの連携について、フォームの有効期限が切れていたため、連携は行いませんでした。"
    );
    assert_eq!(refused.en, "Link form: the form had expired, so nothing was linked.");
}

#[test]
fn what_a_review_led_to_is_told_in_both_languages_and_no_two_alike() {
    let told: Vec<Explanation> = [Outcome::Linked, Outcome::CreatedNew, Outcome::Refused, Outcome::Held]
        .into_iter()
        .map(explain_review)
        .collect();
    for (at, words) in told.iter().enumerate() {
        assert!(words.ja.ends_with('。') && words.en.ends_with('.') && words.en.is_ascii());
        assert!(told[at + 1..].iter().all(|other| other.ja != words.ja && other.en != words.en), "{words:?}");
    }
}

#[test]
fn a_full_list_is_told_as_at_least_so_many() {
    let decision = Decision::bare(Outcome::Held, Reason::AmbiguousName, Action::Hold);
    let words = explain(LinkMethod::InquiryForm, &decision, &alike(MAX_CANDIDATES));
    assert!(words.ja.contains("20件以上") && words.en.contains("20 or more"));
}
