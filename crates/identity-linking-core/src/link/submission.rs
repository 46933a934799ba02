//! What a form's submission leads to, before LINE is asked or anything is compared. Whoever taps twice, comes back from LINE's
//! dialog, or never saw its address, sends the same once more: it is one submission, and the last dialog is the one that counts.

use kernel::{LinkAttemptId, Timestamp};

use super::{FormTokenState, IssuedFormToken};
use crate::inquiry::InquiryText;
use crate::matching::Refusal;
use crate::{MobileNumber, PersonName};

/// Most dialogs of LINE that one submission is led to: nobody asks LINE without end.
const MOST_DIALOGS: u32 = 10;

/// What somebody typed into a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Typed<'a> {
    /// The name; none once it is erased.
    pub name: Option<&'a PersonName>,
    /// The mobile number, where the form asks for it.
    pub mobile: Option<&'a MobileNumber>,
    /// The inquiry, where the form asks for it.
    pub inquiry: Option<&'a InquiryText>,
}

/// What was submitted with a form token before.
#[derive(Clone, Copy, Debug)]
pub struct Earlier<'a> {
    /// The attempt it is kept as.
    pub attempt: LinkAttemptId,
    /// What was typed.
    pub typed: Typed<'a>,
    /// Until when LINE's word is waited for; none: it is decided.
    pub confirm_until: Option<Timestamp>,
}

/// What a submission is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submission {
    /// The first one with its token: it is kept, and LINE is asked who it was.
    First,
    /// This attempt once more, before LINE's word about it: LINE is asked once more, and nothing is kept twice.
    Again(LinkAttemptId),
    /// An inquiry once more, and LINE is not asked any more: the shop has it.
    Known,
    /// Nothing comes of it.
    Refused(Refusal),
}

impl Submission {
    /// What a submission at `now` is, by its token and what was submitted with that before.
    pub fn of(token: &IssuedFormToken, typed: Typed<'_>, earlier: Option<Earlier<'_>>, now: Timestamp) -> Self {
        let state = token.state(now);
        let Some(refusal) = state.refusal() else { return Self::First };
        let same = earlier.filter(|earlier| state == FormTokenState::Used && earlier.typed == typed);
        match same {
            Some(Earlier { attempt, confirm_until: Some(until), .. })
                if now < until && token.dialogs < MOST_DIALOGS =>
            {
                Self::Again(attempt)
            }
            Some(Earlier { typed: Typed { inquiry: Some(_), .. }, .. }) => Self::Known,
            _ => Self::Refused(refusal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::LinkMethod;
    use crate::{CallingRegion, NamePart};
    use chrono::TimeDelta;
    use chrono_tz::Asia::Tokyo;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn token(is_used: bool, is_over: bool, dialogs: u32, now: Timestamp) -> IssuedFormToken {
        IssuedFormToken {
            account: Uuid::nil().into(),
            friend: Uuid::nil().into(),
            method: LinkMethod::InquiryForm,
            expire_time: now + TimeDelta::minutes(if is_over { -1 } else { 1 }),
            use_time: is_used.then_some(now),
            attempt: is_used.then(|| Uuid::from_u128(1).into()),
            dialogs,
            refusals: 0,
        }
    }

    proptest! {
        #[test]
        fn only_the_same_claim_with_a_used_token_goes_on_and_only_while_line_is_waited_for(
            is_used: bool, is_over: bool, dialogs in 0u32..20, other_name: bool, other_mobile: bool, other_text: bool, has_text: bool,
            left in proptest::option::of(-100i64..100),
        ) {
            let name = |given| PersonName::new(None, NamePart::parse(given).ok(), None, None).unwrap();
            let mobile = |number| MobileNumber::optional(number, CallingRegion::of_zone(Tokyo)).unwrap();
            let names = [name("花子"), name("はなこ")];
            let mobiles = [mobile("09012345678"), mobile("09012345679")];
            let texts = [InquiryText::parse("一").ok(), InquiryText::parse("二").ok()];
            let typed = |name: bool, mobile: bool, text: bool| Typed {
                name: Some(&names[usize::from(name)]),
                mobile: mobiles[usize::from(mobile)].as_ref(),
                inquiry: texts[usize::from(text)].as_ref().filter(|_| has_text),
            };
            let now = Timestamp::UNIX_EPOCH + TimeDelta::days(1);
            let attempt = Uuid::from_u128(1).into();
            let confirm_until = left.map(|left| now + TimeDelta::seconds(left));
            let earlier = Earlier { attempt, typed: typed(false, false, false), confirm_until };
            let earlier = is_used.then_some(earlier);
            let token = token(is_used, is_over, dialogs, now);
            let submission = Submission::of(&token, typed(other_name, other_mobile, other_text), earlier, now);

            let same = !(other_name || other_mobile || (other_text && has_text));
            let asks = left.is_some_and(|left| left > 0) && dialogs < MOST_DIALOGS;
            let expected = match token.state(now) {
                FormTokenState::Fresh => Submission::First,
                FormTokenState::Expired => Submission::Refused(Refusal::TokenExpired),
                FormTokenState::Used if same && asks => Submission::Again(attempt),
                FormTokenState::Used if same && has_text => Submission::Known,
                FormTokenState::Used => Submission::Refused(Refusal::TokenUsed),
            };
            prop_assert_eq!(submission, expected);
        }
    }

    #[test]
    fn what_is_erased_is_the_same_as_nothing() {
        let name = PersonName::new(None, NamePart::parse("花子").ok(), None, None).unwrap();
        let typed = Typed { name: Some(&name), mobile: None, inquiry: None };
        let now = Timestamp::UNIX_EPOCH;
        let earlier = Earlier {
            attempt: Uuid::nil().into(),
            typed: Typed { name: None, ..typed },
            confirm_until: Some(now + TimeDelta::minutes(1)),
        };
        let submission = Submission::of(&token(true, false, 1, now), typed, Some(earlier), now);
        assert_eq!(submission, Submission::Refused(Refusal::TokenUsed));
    }
}
