//! Who submitted a form: LINE alone says (L-04). A submitted attempt waits until the event `accountLink` tells the result of LINE's
//! dialog (<https://developers.line.biz/en/reference/messaging-api/#account-link-event>): `ok` with the LINE user, or `failed` with
//! nobody.

use chrono::TimeDelta;
use kernel::{AccountId, FriendId, Timestamp};

use crate::matching::Refusal;

/// How long LINE's word is waited for: LINE's link token lives ten minutes.
pub const CONFIRMED_WITHIN: TimeDelta = TimeDelta::minutes(15);
/// How far the clock that an attempt was kept by may be from LINE's. LINE ends its link token by its own clock, so a clock of ours
/// that jumped by hours undoes nothing that LINE confirmed; a word from farther away is no answer to this dialog.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::hours(12);

/// An attempt as far as its confirmation is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The account the form belongs to.
    pub account: AccountId,
    /// The LINE user whom the form was given to.
    pub friend: FriendId,
    /// When it was submitted.
    pub submit_time: Timestamp,
    /// What was decided already; none: it waits.
    pub decided: Option<Decided>,
}

/// What was decided of an attempt, as far as its confirmation is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// LINE's word came, for or against.
    ByLine,
    /// Nobody waited any longer for LINE's word.
    Unheard,
}

/// What the event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// This LINE user confirmed.
    Ok(FriendId),
    /// Not confirmed; LINE does not say by whom.
    Failed,
}

/// What follows from an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The LINE user submitted it: it is decided by matching.
    Match,
    /// Nothing is linked, for this reason.
    Refuse(Refusal),
    /// LINE's word came before: a repetition changes nothing.
    Known,
}

/// Judges LINE's word of `told_time` (LINE's clock) about an attempt of an account. What the sweep had given up is taken up again
/// when the word had been given in time and only came late.
pub fn judge(attempt: &Pending, account: AccountId, confirmation: Confirmation, told_time: Timestamp) -> Verdict {
    if attempt.decided == Some(Decided::ByLine) {
        return Verdict::Known;
    }
    let earliest = attempt.submit_time - CLOCKS_DIFFER;
    let latest = attempt.submit_time + CONFIRMED_WITHIN + CLOCKS_DIFFER;
    let in_time = (earliest..=latest).contains(&told_time);
    match confirmation {
        Confirmation::Ok(friend) if friend == attempt.friend && account == attempt.account && in_time => Verdict::Match,
        Confirmation::Ok(_) | Confirmation::Failed => Verdict::Refuse(Refusal::NotConfirmedByLine),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn pending(decided: Option<Decided>) -> Pending {
        Pending {
            account: Uuid::from_u128(1).into(),
            friend: Uuid::from_u128(2).into(),
            submit_time: Timestamp::UNIX_EPOCH + TimeDelta::days(1),
            decided,
        }
    }

    #[test]
    fn late_words_that_were_given_in_time_still_count() {
        let attempt = pending(Some(Decided::Unheard));
        let in_time = attempt.submit_time + TimeDelta::minutes(3);
        assert_eq!(judge(&attempt, attempt.account, Confirmation::Ok(attempt.friend), in_time), Verdict::Match);
    }

    #[test]
    fn a_clock_that_jumped_by_hours_undoes_nothing_that_line_confirmed() {
        let attempt = pending(None);
        for hours in [-6, -1, 1, 6] {
            let told = attempt.submit_time + TimeDelta::hours(hours);
            assert_eq!(
                judge(&attempt, attempt.account, Confirmation::Ok(attempt.friend), told),
                Verdict::Match,
                "{hours}"
            );
        }
    }

    proptest! {
        #[test]
        fn only_the_users_own_word_in_time_for_that_account_leads_to_matching(
            ok: bool, same_friend: bool, same_account: bool, after in -50_000i64..50_000, heard: bool, unheard: bool,
        ) {
            let decided = if heard { Some(Decided::ByLine) } else { unheard.then_some(Decided::Unheard) };
            let attempt = pending(decided);
            let friend = if same_friend { attempt.friend } else { Uuid::from_u128(9).into() };
            let account = if same_account { attempt.account } else { Uuid::from_u128(9).into() };
            let confirmation = if ok { Confirmation::Ok(friend) } else { Confirmation::Failed };
            let verdict = judge(&attempt, account, confirmation, attempt.submit_time + TimeDelta::seconds(after));
            let right = ok && same_friend && same_account && (-43_200..=44_100).contains(&after);
            let expected = match (heard, right) {
                (true, _) => Verdict::Known,
                (false, true) => Verdict::Match,
                (false, false) => Verdict::Refuse(Refusal::NotConfirmedByLine),
            };
            prop_assert_eq!(verdict, expected);
        }
    }
}
