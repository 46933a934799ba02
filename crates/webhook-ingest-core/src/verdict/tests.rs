use chrono::{DateTime, TimeDelta};
use line_types::signature::{ChannelSecret, VerifyingKey, sign};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::account::KeyGrant;
use crate::key::KeyHash;

const BOT: &str = "U8e742f61d673b39c7fff3cecb7536ef0";
const NEW: &str = "8c570fa6dd201bb328f1c1eac23a96d8";
const OLD: &str = "00000000000000000000000000000000";
const LIMIT: usize = 4_000;

fn now() -> Timestamp {
    DateTime::from_timestamp_millis(1_700_000_000_000).unwrap()
}

fn secret(text: &str) -> ChannelSecret {
    ChannelSecret::parse(text).unwrap()
}

/// A secret that ends so many milliseconds from now.
fn granted(text: &str, ends_in: Option<i64>) -> SecretGrant {
    let expires = ends_in.map(|millis| now() + TimeDelta::milliseconds(millis));
    SecretGrant { key: VerifyingKey::new(&secret(text)), expires }
}

/// An account of tenant 1 with the key `kkk…`, the two secrets of a rotation and a bot.
fn account() -> Account {
    Account {
        tenant: Uuid::from_u128(1).into(),
        id: Uuid::from_u128(2).into(),
        version: 1,
        bot_user_id: Some(BOT.to_owned()),
        keys: vec![KeyGrant { hash: KeyHash::of(&"k".repeat(43)), expires: None }],
        secrets: vec![granted(NEW, None), granted(OLD, Some(1_000))],
    }
}

fn key_of(tenant: u128, letter: &str) -> String {
    format!("{}.{}", Uuid::from_u128(tenant), letter.repeat(43))
}

/// A body with one event per time given, in milliseconds.
fn body_at(destination: &str, times: &[i64]) -> Bytes {
    let event = |(place, at): (usize, &i64)| format!(r#"{{"type":"follow","timestamp":{at},"nth":{place}}}"#);
    let events: Vec<String> = times.iter().enumerate().map(event).collect();
    Bytes::from(format!(r#"{{"destination":"{destination}","events":[{}]}}"#, events.join(",")))
}

fn signed(text: &str, body: &Bytes) -> Presented {
    Presented::of([sign(&secret(text), body).as_bytes()])
}

/// The decision on a request, as whoever receives one comes to it step by step.
fn decide(account: Account, key: &str, presented: Presented, body: &Bytes) -> Verdict {
    let mut accounts = Accounts::default();
    accounts.put(account);
    let account = match account_of(&accounts, key, now()) {
        Ok(account) => account,
        Err(refusal) => return refusal.into(),
    };
    match SizeLimit(LIMIT).check(body.len() as u64) {
        Ok(()) => admit(account, presented, body, Window::of_days(90), now()),
        Err(refusal) => refusal.into(),
    }
}

fn check(presented: Presented, body: &Bytes) -> (u16, usize, Option<QuarantineReason>, Option<FindingKind>) {
    let verdict = decide(account(), &key_of(1, "k"), presented, body);
    (verdict.answer.status(), verdict.keep.events.len(), verdict.keep.quarantine, verdict.finding)
}

fn fresh() -> Bytes {
    body_at(BOT, &[now().timestamp_millis()])
}

#[test]
fn a_former_secret_proves_nothing_from_its_end_on() {
    for (ends_in, status, finding) in
        [(1, 200, None), (0, 401, Some(FindingKind::SignatureWrong)), (-1, 401, Some(FindingKind::SignatureWrong))]
    {
        let account = Account { secrets: vec![granted(NEW, None), granted(OLD, Some(ends_in))], ..account() };
        let verdict = decide(account, &key_of(1, "k"), signed(OLD, &fresh()), &fresh());
        assert_eq!((verdict.answer.status(), verdict.finding), (status, finding), "ends in {ends_in} ms");
    }
}

#[test]
fn a_signed_body_is_accepted_with_its_events() {
    assert_eq!(check(signed(NEW, &fresh()), &fresh()), (200, 1, None, None));
}

#[test]
fn lines_address_test_is_answered_and_nothing_is_kept() {
    let body = body_at(BOT, &[]);
    let verdict = decide(account(), &key_of(1, "k"), signed(NEW, &body), &body);
    assert_eq!(verdict.answer, Answer::Accepted);
    assert!(verdict.keep.is_nothing());
}

#[test]
fn the_old_secret_still_proves_a_body_during_a_rotation() {
    let verdict = |text: &str| decide(account(), &key_of(1, "k"), signed(text, &fresh()), &fresh());
    assert!(verdict(OLD).by_old_secret && verdict(OLD).answer == Answer::Accepted);
    assert!(!verdict(NEW).by_old_secret);
}

#[test]
fn without_a_proof_nothing_is_kept() {
    use FindingKind::{SignatureMissing, SignatureWrong};
    assert_eq!(check(Presented::Missing, &fresh()), (401, 0, None, Some(SignatureMissing)));
    assert_eq!(check(Presented::Unusable, &fresh()), (401, 0, None, Some(SignatureWrong)));
    assert_eq!(check(signed("another", &fresh()), &fresh()), (401, 0, None, Some(SignatureWrong)));
    assert_eq!(check(signed(NEW, &body_at(BOT, &[])), &fresh()), (401, 0, None, Some(SignatureWrong)));
}

#[test]
fn what_a_secret_not_known_here_may_have_signed_is_held_and_answered_as_unproved() {
    let held = |account: Account, presented: Presented, body: &Bytes| {
        let verdict = decide(account, &key_of(1, "k"), presented, body);
        assert!(verdict.hold.is_none() || verdict.answer == Answer::Unproved);
        verdict.hold.is_some()
    };
    let (body, stranger) = (fresh(), signed("another", &fresh()));
    assert!(held(account(), stranger, &body));
    // A former secret that has ended, too: it was issued anew more than once, perhaps.
    let ended = Account { secrets: vec![granted(NEW, None), granted(OLD, Some(0))], ..account() };
    assert!(held(ended, signed(OLD, &body), &body));
    assert!(!held(account(), signed(NEW, &body), &body), "it is proved");
    assert!(!held(account(), Presented::Missing, &body) && !held(account(), Presented::Unusable, &body));
    assert!(!held(Account { bot_user_id: None, ..account() }, stranger, &body), "the bot is not known");
    assert!(!held(Account { secrets: Vec::new(), ..account() }, stranger, &body), "it is answered 503");
    let foreign = body_at("U00000000000000000000000000000000", &[now().timestamp_millis()]);
    assert!(!held(account(), signed("another", &foreign), &foreign), "for another bot");
    let old = body_at(BOT, &[now().timestamp_millis() - TimeDelta::days(2).num_milliseconds()]);
    assert!(!held(account(), signed("another", &old), &old), "too old");
}

#[test]
fn an_unknown_key_and_another_tenants_key_are_alike() {
    for key in [key_of(1, "x"), key_of(2, "k"), "nonsense".to_owned(), String::new()] {
        let verdict = decide(account(), &key, signed(NEW, &fresh()), &fresh());
        assert_eq!(verdict, Verdict::nothing(Answer::UnknownKey, None), "{key}");
    }
}

#[test]
fn a_body_for_another_bot_is_quarantined() {
    let reason = QuarantineReason::WrongDestination;
    let body = body_at("U00000000000000000000000000000000", &[now().timestamp_millis()]);
    assert_eq!(check(signed(NEW, &body), &body), (200, 0, Some(reason), Some(FindingKind::WrongDestination)));
    // LINE has not told the bot yet: every destination will do.
    let unconfirmed = Account { bot_user_id: None, ..account() };
    assert_eq!(decide(unconfirmed, &key_of(1, "k"), signed(NEW, &body), &body).keep.events.len(), 1);
}

#[test]
fn a_signed_body_that_is_no_webhook_is_quarantined() {
    let body = Bytes::from_static(b"hello");
    let expected = (200, 0, Some(QuarantineReason::Unreadable), Some(FindingKind::UnreadableBody));
    assert_eq!(check(signed(NEW, &body), &body), expected);
}

#[test]
fn a_faulty_or_late_event_leaves_its_neighbours_alone() {
    let fresh = now().timestamp_millis();
    let late = body_at(BOT, &[fresh, fresh - TimeDelta::days(91).num_milliseconds()]);
    let expected = (200, 1, Some(QuarantineReason::OutsideWindow), Some(FindingKind::OutsideWindow));
    assert_eq!(check(signed(NEW, &late), &late), expected);
    let faulty = Bytes::from(format!(
        r#"{{"destination":"{BOT}","events":[{{"type":"follow","timestamp":{fresh}}},{{"type":7}}]}}"#
    ));
    let expected = (200, 1, Some(QuarantineReason::Unreadable), Some(FindingKind::UnreadableBody));
    assert_eq!(check(signed(NEW, &faulty), &faulty), expected);
}

#[test]
fn an_account_whose_secret_has_not_come_yet_cannot_be_judged() {
    let verdict =
        decide(Account { secrets: Vec::new(), ..account() }, &key_of(1, "k"), signed(NEW, &fresh()), &fresh());
    assert_eq!(verdict, Verdict::nothing(Answer::Unavailable, None));
}

#[test]
fn the_limit_itself_is_taken_and_one_byte_more_is_not() {
    let padded = |size: usize| {
        let mut body = fresh().to_vec();
        body.resize(size, b' ');
        Bytes::from(body)
    };
    let (whole, over) = (padded(LIMIT), padded(LIMIT + 1));
    assert_eq!(check(signed(NEW, &whole), &whole), (200, 1, None, None));
    assert_eq!(check(signed(NEW, &over), &over), (413, 0, None, Some(FindingKind::BodyTooLarge)));
}

fn any_body() -> impl Strategy<Value = Bytes> {
    let times = prop::collection::vec(-200i64..200, 0..4);
    let days = |days: Vec<i64>| {
        let at: Vec<i64> = days.iter().map(|days| (now() + TimeDelta::days(*days)).timestamp_millis()).collect();
        body_at(BOT, &at)
    };
    prop_oneof![
        times.clone().prop_map(days),
        times.prop_map(|at| body_at("Uother", &at)),
        prop::collection::vec(any::<u8>(), 0..LIMIT + 50).prop_map(Bytes::from),
        "[{}\\[\\]\":a-z0-9,]{0,80}".prop_map(Bytes::from),
    ]
}

proptest! {
    /// Whatever arrives has one verdict, and the promises of the crate's page hold of it.
    #[test]
    fn every_request_has_one_verdict(
        body in any_body(),
        key in prop_oneof![3 => Just(key_of(1, "k")), 1 => Just(key_of(2, "k")), 1 => ".{0,60}"],
        by in prop_oneof![Just(Some(NEW)), Just(Some(OLD)), Just(Some("stranger")), Just(None)],
        unconfirmed: bool,
        secretless in prop::bool::weighted(0.1),
    ) {
        let presented = by.map_or(Presented::Missing, |by| signed(by, &body));
        let mut account = account();
        if unconfirmed { account.bot_user_id = None; }
        if secretless { account.secrets.clear(); }
        let known = key == key_of(1, "k");
        let proved = known && !secretless && body.len() <= LIMIT && matches!(by, Some(NEW | OLD));
        let verdict = decide(account, &key, presented, &body);
        prop_assert_eq!(verdict.answer == Answer::Accepted, proved);
        prop_assert_eq!(verdict.answer == Answer::UnknownKey, !known);
        if !proved {
            prop_assert!(verdict.keep.is_nothing());
        } else if verdict.keep.is_nothing() {
            let reading = crate::read(&body).unwrap();
            prop_assert!(reading.events.is_empty() && reading.faulty == 0);
        }
        prop_assert_eq!(verdict.by_old_secret, proved && by == Some(OLD));
        prop_assert_eq!(verdict.keep.quarantine.map(QuarantineReason::finding), verdict.finding.filter(|_| proved));
        if !known { prop_assert_eq!(verdict.finding, None); }
        if verdict.hold.is_some() {
            prop_assert!(known && !secretless && !unconfirmed && by == Some("stranger"));
            prop_assert_eq!(verdict.answer, Answer::Unproved);
            prop_assert_eq!(crate::read(&body).unwrap().destination, BOT);
        }
    }
}
