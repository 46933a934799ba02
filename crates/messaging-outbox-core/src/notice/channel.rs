//! By which channels a notice goes, and where each stands.
//!
//! ```text
//! PENDING ──▶ DELIVERED | FAILED | EXPIRED | NO_CHANNEL
//! ```

use super::NoticeKind;

/// A way to reach staff. The codes are those of `tsunagi.messaging.v1.NoticeChannel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NoticeChannel {
    /// A push of the staff account to the member's LINE.
    Line,
    /// An e-mail to the member.
    Email,
    /// A call of the tenant's own endpoint.
    Webhook,
}

impl NoticeChannel {
    /// Every channel.
    pub const ALL: [Self; 3] = [Self::Line, Self::Email, Self::Webhook];

    /// The channel's number, as the proto has it.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Line => 1,
            Self::Email => 2,
            Self::Webhook => 3,
        }
    }

    /// The channel of that number.
    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.code() == code)
    }

    /// The channel's name, as the proto's value without its prefix.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Line => "LINE",
            Self::Email => "EMAIL",
            Self::Webhook => "WEBHOOK",
        }
    }
}

/// Where a notice stands on one channel. The codes are those of `tsunagi.messaging.v1.NoticeState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeliveryState {
    /// On its way.
    Pending,
    /// LINE, the mail server or the endpoint took it.
    Delivered,
    /// It was refused, or nobody can find out whether it was taken.
    Failed,
    /// It was not worth telling any more before it could be delivered.
    Expired,
    /// The member, or the tenant, has no such channel.
    NoChannel,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Delivered, Self::Failed, Self::Expired, Self::NoChannel];

    /// The state's number, as the proto has it.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Pending => 1,
            Self::Delivered => 2,
            Self::Failed => 3,
            Self::Expired => 4,
            Self::NoChannel => 5,
        }
    }

    /// The state of that number.
    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// The state's name, as the proto's value without its prefix.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Delivered => "DELIVERED",
            Self::Failed => "FAILED",
            Self::Expired => "EXPIRED",
            Self::NoChannel => "NO_CHANNEL",
        }
    }
}

/// When e-mail is used. The codes are those of `tsunagi.messaging.v1.EmailUse`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EmailUse {
    /// Never.
    Never,
    /// For staff whom LINE does not reach by the same rule.
    WithoutLine,
    /// Always.
    Always,
}

impl EmailUse {
    /// Every use.
    pub const ALL: [Self; 3] = [Self::Never, Self::WithoutLine, Self::Always];

    /// The use's number, as the proto has it.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Never => 1,
            Self::WithoutLine => 2,
            Self::Always => 3,
        }
    }

    /// The use of that number.
    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|email| email.code() == code)
    }
}

/// By which channels a tenant tells of one kind of notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// By LINE.
    pub line: bool,
    /// By e-mail.
    pub email: EmailUse,
    /// By webhook.
    pub webhook: bool,
}

impl Rule {
    /// The rule of a tenant that set none: LINE, e-mail where that does not reach, and the webhook.
    #[must_use]
    pub const fn usual(_kind: NoticeKind) -> Self {
        Self { line: true, email: EmailUse::WithoutLine, webhook: true }
    }
}

/// Where somebody can be reached now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts, each true or false")]
pub struct Reach {
    /// The member may act at all; nobody else is told anything.
    pub active: bool,
    /// The member is bound on LINE.
    pub line: bool,
    /// The member has an e-mail address, and there is a mail server.
    pub email: bool,
    /// The tenant has a webhook that is not stopped.
    pub webhook: bool,
}

/// The channels of a new notice, and where each stands at first. `over`: its time has passed already. The webhook is left out where
/// the tenant has none: that nobody set one up is no loss of every single notice.
#[must_use]
pub fn plan(rule: Rule, reach: Reach, over: bool) -> Vec<(NoticeChannel, DeliveryState)> {
    let state = |reachable: bool| match (reach.active && reachable, over) {
        (false, _) => DeliveryState::NoChannel,
        (true, true) => DeliveryState::Expired,
        (true, false) => DeliveryState::Pending,
    };
    let by_email = match rule.email {
        EmailUse::Never => false,
        EmailUse::WithoutLine => !(rule.line && reach.line),
        EmailUse::Always => true,
    };
    let mut planned = Vec::with_capacity(NoticeChannel::ALL.len());
    if rule.line {
        planned.push((NoticeChannel::Line, state(reach.line)));
    }
    if by_email {
        planned.push((NoticeChannel::Email, state(reach.email)));
    }
    if rule.webhook && reach.webhook {
        planned.push((NoticeChannel::Webhook, state(true)));
    }
    planned
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: Reach = Reach { active: true, line: true, email: true, webhook: true };

    fn any_rule() -> impl Strategy<Value = Rule> {
        (any::<bool>(), prop::sample::select(EmailUse::ALL.to_vec()), any::<bool>())
            .prop_map(|(line, email, webhook)| Rule { line, email, webhook })
    }

    fn any_reach() -> impl Strategy<Value = Reach> {
        any::<[bool; 4]>().prop_map(|[active, line, email, webhook]| Reach { active, line, email, webhook })
    }

    #[test]
    fn codes_come_back() {
        for channel in NoticeChannel::ALL {
            assert_eq!(NoticeChannel::from_code(channel.code()), Some(channel));
        }
        for state in DeliveryState::ALL {
            assert_eq!(DeliveryState::from_code(state.code()), Some(state));
        }
        for email in EmailUse::ALL {
            assert_eq!(EmailUse::from_code(email.code()), Some(email));
        }
        assert_eq!((NoticeChannel::from_code(0), DeliveryState::from_code(0)), (None, None));
    }

    #[test]
    fn e_mail_stands_in_for_line_and_is_not_sent_beside_it_unless_asked_for() {
        use DeliveryState::{NoChannel, Pending};
        let usual = Rule::usual(NoticeKind::Digest);
        let (line, email, webhook) = (NoticeChannel::Line, NoticeChannel::Email, NoticeChannel::Webhook);
        assert_eq!(plan(usual, ALL, false), [(line, Pending), (webhook, Pending)]);
        let without = Reach { line: false, webhook: false, ..ALL };
        assert_eq!(plan(usual, without, false), [(line, NoChannel), (email, Pending)]);
        let always = Rule { email: EmailUse::Always, ..usual };
        assert_eq!(plan(always, ALL, false), [(line, Pending), (email, Pending), (webhook, Pending)]);
        assert_eq!(plan(Rule { line: false, ..usual }, ALL, false), [(email, Pending), (webhook, Pending)]);
    }

    proptest! {
        #[test]
        fn nothing_is_on_its_way_to_who_is_inactive_or_when_its_time_is_over(
            rule in any_rule(), reach in any_reach(), over: bool,
        ) {
            let planned = plan(rule, reach, over);
            let pending = planned.iter().filter(|(_, state)| *state == DeliveryState::Pending).count();
            prop_assert!(pending == 0 || (reach.active && !over));
            for channel in NoticeChannel::ALL {
                prop_assert!(planned.iter().filter(|(planned, _)| *planned == channel).count() <= 1);
            }
        }

        #[test]
        fn whoever_can_be_reached_by_a_channel_the_rule_names_is_reached(rule in any_rule(), mut reach in any_reach()) {
            reach.active = true;
            let named = (rule.line && reach.line)
                || (rule.email != EmailUse::Never && reach.email)
                || (rule.webhook && reach.webhook);
            let pending = plan(rule, reach, false).iter().any(|(_, state)| *state == DeliveryState::Pending);
            prop_assert_eq!(named, pending);
        }
    }
}
