//! The rules, in their order.

use kernel::CustomerId;

use super::{Action, Assurance, Candidate, Case, Decision, Linked, Outcome, Reason, Suspicion};
use super::{DuplicateSign, LinkMethod, OnNoMatch};
use crate::Likeness;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

/// How many candidates other than the LINE user's own customer are on the whole key.
enum Others {
    None,
    One(Candidate),
    Several,
}

/// Decides a case. Total: every case has a decision, and equal cases have equal ones.
///
/// 1. The LINE user is linked to a customer: an inquiry changes nothing (D-9). With another method the link stays, too, unless
///    that customer is provisional, is not on the whole key, and exactly one other is: that one absorbs it (D-9).
/// 2. Linked to nobody, several on the whole key: held, never guessed (D-5).
/// 3. Linked to nobody, one on the whole key: linked, unless it is linked to another LINE user (D-6). Where somebody who knows told
///    the two apart before, it is held, and no take-over is asked for again: no form undoes what a person said.
/// 4. Linked to nobody, none on the whole key: the tenant's policy creates a customer or holds (D-1).
///
/// Where there were too many attempts at a customer on the whole key, what would be linked or taken over is held instead, right or
/// not: whoever guesses learns nothing, and whom the guesses were aimed at is not turned away, for staff can say who it is.
pub fn decide(case: &Case) -> Decision {
    let decision = match case.linked() {
        Some(linked) => decide_linked(case, linked),
        None => decide_unlinked(case),
    };
    if case.is_tried_too_often() && decision.action.reaches_for_a_customer() {
        return Decision { outcome: Outcome::Held, reason: Reason::RateLimited, action: Action::Hold, ..decision };
    }
    decision
}

/// Rule 1.
fn decide_linked(case: &Case, linked: Linked) -> Decision {
    if !case.method().compares_mobile() {
        return Decision::bare(Outcome::AlreadyLinked, Reason::None, Action::Nothing);
    }
    // What was made of the same words has the whole key, though it is no candidate.
    let is_own = case.own_record().is_some_and(|own| own.customer == linked.customer);
    let is_on_key = is_own || case.on_whole_key().any(|one| one.customer == linked.customer);
    match (others(case, Some(linked.customer)), is_on_key) {
        (Others::None, true) => stays(case, Reason::None),
        (Others::None, false) => {
            let mut decision = stays(case, near_miss(case));
            if linked.provisional && !is_own {
                let others = case.candidates().iter().filter(|one| one.customer != linked.customer);
                decision.suspicions.extend(suspicions(Some(linked.customer), others));
            }
            decision
        }
        (Others::One(one), false) if linked.provisional => join(case, &one, Some(linked.customer)),
        (Others::One(_), false) => Decision {
            suspicions: own_suspicions(case, None),
            ..Decision::bare(Outcome::Refused, Reason::LineUserHasOtherCustomer, Action::Nothing)
        },
        (Others::One(_), true) | (Others::Several, _) => {
            let mut decision = stays(case, ambiguity(case.method()));
            decision.suspicions.extend(suspicions_among(case));
            decision
        }
    }
}

/// Rules 2 to 4.
fn decide_unlinked(case: &Case) -> Decision {
    match others(case, None) {
        Others::Several => {
            let mut decision = Decision {
                suspicions: own_suspicions(case, None),
                ..Decision::bare(Outcome::Held, ambiguity(case.method()), Action::Hold)
            };
            // A name alone is no sign: namesakes are common.
            if case.method().compares_mobile() {
                decision.suspicions.extend(suspicions_among(case));
            }
            decision
        }
        Others::One(one) => join(case, &one, None),
        Others::None if case.method() == LinkMethod::FirstMessage => create(case),
        Others::None => match case.on_no_match() {
            OnNoMatch::Create => create(case),
            OnNoMatch::Hold => Decision {
                suspicions: own_suspicions(case, None),
                ..Decision::bare(Outcome::Held, Reason::PolicyHold, Action::Hold)
            },
        },
    }
}

/// One customer is on the whole key: it is linked, absorbing the provisional one where there is one, unless another LINE user
/// has it.
fn join(case: &Case, one: &Candidate, absorbed: Option<CustomerId>) -> Decision {
    let (survivor, assurance) = (one.customer, case.method().assurance());
    let decision = match absorbed {
        _ if one.has_other_line_user && one.told_apart => {
            Decision::bare(Outcome::Refused, Reason::CustomerHasOtherLineUser, Action::Nothing)
        }
        _ if one.has_other_line_user => taken(survivor),
        _ if one.told_apart => Decision::bare(Outcome::Held, Reason::PolicyHold, Action::HoldToldApart),
        None => Decision::bare(Outcome::Linked, Reason::None, Action::Link { customer: survivor, assurance }),
        Some(absorbed) => {
            Decision::bare(Outcome::Linked, Reason::None, Action::Absorb { survivor, absorbed, assurance })
        }
    };
    Decision { suspicions: own_suspicions(case, absorbed), ..decision }
}

/// A customer of the LINE user's own: the one made at submission, else a new one with a suspicion for every near miss.
fn create(case: &Case) -> Decision {
    // What a LINE user made himself is his for certain (D-7), unless others told something of it, too.
    let told_by_others = case.own_record().is_some_and(|own| own.told_by_others);
    let assurance = if told_by_others { case.method().assurance() } else { Assurance::Proven };
    let decision = match case.own_record() {
        Some(own) if case.own_on_whole_key().is_none() => {
            let is_named = matches!(own.name, Likeness::Same | Likeness::Reading);
            let reason = if is_named { Reason::PhoneMismatch } else { Reason::NameMismatch };
            Decision::bare(Outcome::Held, reason, Action::HoldChanged)
        }
        Some(own) if own.has_other_line_user && own.told_apart => {
            Decision::bare(Outcome::Refused, Reason::CustomerHasOtherLineUser, Action::Nothing)
        }
        Some(own) if own.has_other_line_user => taken(own.customer),
        Some(own) if own.told_apart => Decision::bare(Outcome::Held, Reason::PolicyHold, Action::HoldToldApart),
        Some(own) => {
            let action = Action::LinkOwnRecord { customer: own.customer, assurance };
            Decision::bare(Outcome::CreatedNew, near_miss(case), action)
        }
        None => Decision::bare(Outcome::CreatedNew, near_miss(case), Action::Create { assurance }),
    };
    let own = case.own_record().map(|own| own.customer);
    Decision { suspicions: suspicions(own, case.candidates()).collect(), ..decision }
}

/// Another LINE user has the customer: never taken from it in silence (D-6, L-03).
fn taken(customer: CustomerId) -> Decision {
    Decision::bare(Outcome::Refused, Reason::CustomerHasOtherLineUser, Action::OpenTakeover { customer })
}

/// The LINE user keeps the customer it is linked to.
fn stays(case: &Case, reason: Reason) -> Decision {
    Decision {
        suspicions: own_suspicions(case, None),
        ..Decision::bare(Outcome::AlreadyLinked, reason, Action::Nothing)
    }
}

fn others(case: &Case, but: Option<CustomerId>) -> Others {
    let mut others = case.on_whole_key().filter(|one| Some(one.customer) != but);
    // A record of his that somebody else has by now is one more who has the same name and number (D-5).
    let is_elsewhere = case.own_on_whole_key().is_some_and(|own| own.has_other_line_user && Some(own.customer) != but);
    match (others.next(), others.next()) {
        (None, _) => Others::None,
        (Some(one), None) if !is_elsewhere => Others::One(*one),
        (Some(_), _) => Others::Several,
    }
}

fn ambiguity(method: LinkMethod) -> Reason {
    if method.compares_mobile() { Reason::AmbiguousNameAndMobile } else { Reason::AmbiguousName }
}

/// Why nothing is on the whole key.
fn near_miss(case: &Case) -> Reason {
    let has_name = |one: &Candidate| matches!(one.name, Likeness::Same | Likeness::Reading);
    let candidates = case.candidates();
    if candidates.is_empty() {
        Reason::NoMatch
    } else if case.method().compares_mobile() && candidates.iter().any(has_name) {
        Reason::PhoneMismatch
    } else {
        Reason::NameMismatch
    }
}

/// Every candidate may be the customer made at submission twice (F-17), but for the one that is just being absorbed.
fn own_suspicions(case: &Case, absorbed: Option<CustomerId>) -> Vec<Suspicion> {
    let Some(own) = case.own_record() else { return Vec::new() };
    let left = case.candidates().iter().filter(|one| Some(one.customer) != absorbed);
    suspicions(Some(own.customer), left).collect()
}

/// A suspicion of `customer` and each of the others.
fn suspicions<'a>(
    customer: Option<CustomerId>,
    others: impl IntoIterator<Item = &'a Candidate>,
) -> impl Iterator<Item = Suspicion> {
    others.into_iter().map(move |one| Suspicion { customer, other: one.customer, signs: one.signs() })
}

/// A suspicion of each pair on the whole key.
fn suspicions_among(case: &Case) -> Vec<Suspicion> {
    let ones: Vec<&Candidate> = case.on_whole_key().collect();
    let pairs = ones.iter().enumerate().flat_map(|(at, one)| ones[at + 1..].iter().map(move |other| (*one, *other)));
    pairs
        .map(|(one, other)| Suspicion {
            customer: Some(one.customer),
            other: other.customer,
            signs: common(one, other),
        })
        .collect()
}

/// What two candidates have in common, as far as both are like what was typed.
fn common(one: &Candidate, other: &Candidate) -> Vec<DuplicateSign> {
    let shared = Candidate { name: one.name.max(other.name), has_mobile: one.has_mobile && other.has_mobile, ..*one };
    shared.signs()
}
