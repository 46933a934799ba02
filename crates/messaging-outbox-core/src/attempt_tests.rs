use super::*;
use proptest::prelude::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

fn push() -> Attempt {
    Attempt {
        method: SendMethod::Push,
        policy: SendPolicy::ReplyFirst,
        attempts: 1,
        first_time: at(0),
        in_doubt: false,
        token_renewed: false,
        reply_until: None,
        has_recipient: true,
    }
}

fn reply() -> Attempt {
    Attempt { method: SendMethod::Reply, reply_until: Some(at(50)), ..push() }
}

#[test]
fn an_unknown_push_is_repeated_until_lines_memory_is_nearly_over_and_uncertain_after_it() {
    assert!(matches!(next(&push(), Outcome::Unknown, at(1), 0.5), Next::Again(_)));
    assert_eq!(next(&push(), Outcome::Unknown, at(23 * 3_600), 0.5), Next::Uncertain);
    let in_doubt = Attempt { in_doubt: true, ..push() };
    assert_eq!(next(&in_doubt, Outcome::RateLimited(None), at(23 * 3_600), 0.5), Next::Uncertain);
    assert_eq!(next(&in_doubt, Outcome::MonthlyLimit, at(23 * 3_600), 0.5), Next::Uncertain);
}

#[test]
fn a_push_that_was_always_definitely_refused_may_wait_for_ever() {
    let month_later = at(30 * 86_400);
    assert_eq!(next(&push(), Outcome::MonthlyLimit, month_later, 0.5), Next::WaitForQuota);
    assert!(matches!(next(&push(), Outcome::RateLimited(None), month_later, 0.5), Next::Again(_)));
}

#[test]
fn lines_own_waiting_time_is_kept() {
    let told = Duration::from_secs(7);
    assert_eq!(next(&push(), Outcome::RateLimited(Some(told)), at(1), 0.0), Next::Again(told));
}

#[test]
fn an_access_token_is_renewed_once() {
    assert_eq!(next(&push(), Outcome::Unauthorized, at(1), 0.5), Next::RenewToken);
    let renewed = Attempt { token_renewed: true, ..push() };
    assert_eq!(next(&renewed, Outcome::Unauthorized, at(1), 0.5), Next::Refused(FailureKind::Unauthorized));
    let in_doubt = Attempt { in_doubt: true, ..renewed };
    assert_eq!(next(&in_doubt, Outcome::Unauthorized, at(1), 0.5), Next::Uncertain);
}

#[test]
fn a_definitely_refused_reply_goes_by_push_where_it_may() {
    assert_eq!(next(&reply(), Outcome::InvalidReplyToken, at(1), 0.5), Next::Push);
    let only = Attempt { policy: SendPolicy::ReplyOnly, ..reply() };
    assert_eq!(next(&only, Outcome::InvalidReplyToken, at(1), 0.5), Next::Refused(FailureKind::Expired));
    let unnamed = Attempt { has_recipient: false, ..reply() };
    assert_eq!(next(&unnamed, Outcome::InvalidReplyToken, at(1), 0.5), Next::Refused(FailureKind::Expired));
}

#[test]
fn a_reply_in_doubt_is_repeated_with_its_token_and_then_uncertain() {
    assert!(matches!(next(&reply(), Outcome::Unknown, at(1), 0.5), Next::Again(_)));
    assert_eq!(next(&reply(), Outcome::Unknown, at(49), 0.5), Next::Uncertain);
    let in_doubt = Attempt { in_doubt: true, attempts: 2, ..reply() };
    assert_eq!(next(&in_doubt, Outcome::InvalidReplyToken, at(3), 0.5), Next::Uncertain);
    assert_eq!(next(&in_doubt, Outcome::Refused, at(3), 0.5), Next::Uncertain, "the token may be used");
    assert_eq!(next(&reply(), Outcome::Refused, at(3), 0.5), Next::Refused(FailureKind::Refused));
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Accepted),
        Just(Outcome::Refused),
        Just(Outcome::InvalidReplyToken),
        Just(Outcome::Unauthorized),
        Just(Outcome::RateLimited(None)),
        Just(Outcome::MonthlyLimit),
        Just(Outcome::NotSent),
        Just(Outcome::Unknown),
    ]
}

proptest! {
    /// Plays a whole life of a message against a LINE that may accept at any unknown outcome, and counts.
    #[test]
    fn whatever_happens_no_message_is_accepted_twice_and_none_waits_for_ever(
        starts_with_reply: bool,
        reply_only: bool,
        outcomes in prop::collection::vec((any_outcome(), any::<bool>()), 1..60),
        jitter in 0.0f64..1.0,
    ) {
        let mut attempt = if starts_with_reply { reply() } else { push() };
        if reply_only { attempt.policy = SendPolicy::ReplyOnly; }
        let (mut now, mut accepted_by_key, mut accepted_by_token, mut key_time) = (at(0), false, false, None);
        let mut accepted = 0;
        for (outcome, secretly_accepted) in outcomes {
            // What LINE really does: the key and the token each work once, and the key is forgotten after 24 hours.
            let remembered = key_time.is_some_and(|time| now - time < TimeDelta::hours(24));
            let outcome = match (attempt.method, outcome) {
                (SendMethod::Push, Outcome::Accepted | Outcome::Unknown) if accepted_by_key && remembered => outcome,
                (SendMethod::Push, Outcome::Accepted) => { accepted += 1; accepted_by_key = true; outcome }
                (SendMethod::Push, Outcome::Unknown) if secretly_accepted => { accepted += 1; accepted_by_key = true; outcome }
                // In whatever words LINE refuses the used token.
                (SendMethod::Reply, Outcome::Accepted) if accepted_by_token && secretly_accepted => Outcome::Refused,
                (SendMethod::Reply, Outcome::Accepted) if accepted_by_token => Outcome::InvalidReplyToken,
                (SendMethod::Reply, Outcome::Accepted) => { accepted += 1; accepted_by_token = true; outcome }
                (SendMethod::Reply, Outcome::Unknown) if secretly_accepted && !accepted_by_token => {
                    accepted += 1; accepted_by_token = true; outcome
                }
                // Once it accepted the key, LINE answers 409, whatever else it would have said about the message.
                (SendMethod::Push, Outcome::Refused | Outcome::InvalidReplyToken) if accepted_by_key => Outcome::Accepted,
                _ => outcome,
            };
            if attempt.method == SendMethod::Push { key_time.get_or_insert(now); }
            let decision = next(&attempt, outcome, now, jitter);
            prop_assert!(accepted <= 1, "accepted {accepted} times");
            match decision {
                Next::Accepted => { prop_assert_eq!(accepted, 1); return Ok(()); }
                Next::Refused(_) => { prop_assert_eq!(accepted, 0, "shown as refused, and sent again by staff"); return Ok(()); }
                Next::Uncertain => return Ok(()),
                Next::Again(wait) => {
                    now += TimeDelta::from_std(wait).unwrap();
                    attempt.in_doubt |= outcome.leaves_doubt();
                    attempt.attempts += 1;
                }
                Next::RenewToken => attempt.token_renewed = true,
                Next::WaitForQuota => { now += TimeDelta::hours(5); attempt.attempts += 1; }
                Next::Push => {
                    prop_assert_eq!(accepted, 0, "a push after a reply that LINE took");
                    attempt = Attempt { method: SendMethod::Push, attempts: 1, first_time: now, reply_until: None, ..attempt };
                }
            }
        }
    }
}
