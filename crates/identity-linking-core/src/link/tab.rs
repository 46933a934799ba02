//! Whether a customer's LINE tab opens (F-35 to F-39, D-7), and why not, in plain words.

use chrono::{Datelike, NaiveDate};
use kernel::Timestamp;

use crate::account::{CHAT_ON_EN, CHAT_ON_JA};
use crate::matching::Assurance;
use crate::tenant::TimeZone;
use crate::word::words;

words! {
    /// A tenant's plan with the platform.
    Plan {
        /// Basic.
        Basic = "BASIC",
        /// Premium.
        Premium = "PREMIUM",
    }
}

/// What staff see as the LINE name of a customer nobody is linked to (F-41).
pub const NOT_LINKED: &str = "未連携";

/// What of a tenant's contract decides about the tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanGate {
    /// Its plan.
    pub plan: Plan,
    /// From this day on, in its zone, the tab is for [`Plan::Premium`] only; none: it never is.
    pub premium_from: Option<NaiveDate>,
}

impl PlanGate {
    /// Whether it is closed on `today`, in the tenant's zone.
    fn is_closed(self, today: NaiveDate) -> bool {
        self.plan == Plan::Basic && self.premium_from.is_some_and(|from| today >= from)
    }

    /// From when on it is closed, for a tenant in `zone`; none: it is not.
    pub fn close_time(self, zone: TimeZone) -> Option<Timestamp> {
        let from = self.premium_from.filter(|_| self.plan == Plan::Basic)?;
        zone.beginning(from)
    }
}

/// Whether a LINE tab opens, or why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineTab {
    /// It opens.
    Open,
    /// Nobody is linked (F-39): the customer is to be asked to link (F-42).
    NotLinked,
    /// The link is less sure than the policy wants for chat (D-7).
    AssuranceTooLow,
    /// The plan does not open it (F-35); another plan does at once (F-36).
    Plan,
    /// LINE's own chat is on wherever the LINE user can be written to, so that what staff write there would be missing (F-37, F-38).
    ChatModeOn,
}

/// Whether a customer's tab opens `today`, in the tenant's zone. `linked` is the surest of the customer's active links, `least`
/// what the policy wants for chat, `chats` whether LINE's own chat is on, for each connected account that knows the linked LINE
/// users: one without is enough to talk by. What the shop itself cannot change, its plan, is said before what it can, and what
/// concerns every customer before what concerns this one.
pub fn line_tab(
    linked: Option<Assurance>,
    least: Assurance,
    gate: PlanGate,
    today: NaiveDate,
    chats: &[bool],
) -> LineTab {
    let closed_by_plan = gate.is_closed(today);
    let closed_by_chat = !chats.is_empty() && chats.iter().all(|is_on| *is_on);
    match linked {
        None => LineTab::NotLinked,
        Some(_) if closed_by_plan => LineTab::Plan,
        Some(_) if closed_by_chat => LineTab::ChatModeOn,
        Some(assurance) if assurance < least => LineTab::AssuranceTooLow,
        Some(_) => LineTab::Open,
    }
}

impl LineTab {
    /// Why it does not open and what opens it, in plain Japanese; empty where it opens.
    pub fn reason_ja(self, gate: PlanGate) -> String {
        match self {
            Self::Open => String::new(),
            Self::NotLinked => "LINEと連携されていません。お客様に連携をご案内ください。".to_owned(),
            Self::AssuranceTooLow => {
                "連携の確かさが、トークに必要な設定に足りません。ご本人を確認して、連携を確定してください。".to_owned()
            }
            Self::Plan => {
                let from = gate.premium_from.map(|day| format!("{}年{}月{}日から", day.year(), day.month(), day.day()));
                format!(
                    "LINEタブは{}プレミアムプランでご利用いただけます。プランをプレミアムに変更すると、すぐに開きます。",
                    from.unwrap_or_default()
                )
            }
            Self::ChatModeOn => CHAT_ON_JA.to_owned(),
        }
    }

    /// The same in plain English.
    pub fn reason_en(self, gate: PlanGate) -> String {
        match self {
            Self::Open => String::new(),
            Self::NotLinked => "The customer is not linked to LINE. Ask the customer to link.".to_owned(),
            Self::AssuranceTooLow => {
                "The link is less sure than your settings want for chat. Check who it is, and confirm the link."
                    .to_owned()
            }
            Self::Plan => {
                let from = gate.premium_from.map(|day| format!("Since {day} the"));
                format!(
                    "{} LINE tab is part of the premium plan. It opens at once when the plan is changed to premium.",
                    from.as_deref().unwrap_or("The")
                )
            }
            Self::ChatModeOn => CHAT_ON_EN.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_tab_opens_for_links_that_are_sure_enough_under_a_plan_that_has_it() {
        let day = |day| NaiveDate::from_ymd_opt(2025, 1, day).unwrap();
        let basic = PlanGate { plan: Plan::Basic, premium_from: Some(day(10)) };
        let premium = PlanGate { plan: Plan::Premium, ..basic };
        let never = PlanGate { premium_from: None, ..basic };
        let (name, both) = (Assurance::Name, Assurance::NameAndMobile);
        for (linked, least, gate, today, tab) in [
            (None, name, premium, day(9), LineTab::NotLinked),
            (None, name, basic, day(10), LineTab::NotLinked),
            (Some(name), name, basic, day(9), LineTab::Open),
            (Some(name), name, basic, day(10), LineTab::Plan),
            (Some(name), both, basic, day(10), LineTab::Plan),
            (Some(name), name, premium, day(10), LineTab::Open),
            (Some(name), name, never, day(10), LineTab::Open),
            (Some(name), both, premium, day(10), LineTab::AssuranceTooLow),
            (Some(Assurance::Proven), both, premium, day(10), LineTab::Open),
        ] {
            assert_eq!(line_tab(linked, least, gate, today, &[]), tab, "{linked:?} {least:?} {gate:?} {today}");
            assert_eq!(line_tab(linked, least, gate, today, &[true, false]), tab, "one account is enough to talk by");
            let closed = matches!(tab, LineTab::NotLinked | LineTab::Plan);
            let wanted = if closed { tab } else { LineTab::ChatModeOn };
            assert_eq!(
                line_tab(linked, least, gate, today, &[true, true]),
                wanted,
                "{linked:?} {least:?} {gate:?} {today}"
            );
        }
    }

    proptest! {
        #[test]
        fn the_gate_closes_at_the_moment_from_which_the_tab_is_closed(
            zone in prop::sample::select(vec!["Asia/Tokyo", "UTC", "America/Sao_Paulo", "Pacific/Apia"]),
            premium: bool, from in prop::option::of(0i64..9_000), now in 1_300_000_000i64..2_000_000_000,
        ) {
            let zone = TimeZone::parse(zone).unwrap();
            let first = NaiveDate::from_ymd_opt(2010, 1, 1).unwrap();
            let gate = PlanGate {
                plan: if premium { Plan::Premium } else { Plan::Basic },
                premium_from: from.map(|days| first + chrono::TimeDelta::days(days)),
            };
            let now = Timestamp::from_timestamp(now, 0).unwrap();
            prop_assert_eq!(gate.close_time(zone).is_some_and(|time| now >= time), gate.is_closed(zone.day(now)));
        }
    }

    #[test]
    fn a_closed_tab_says_why_in_both_languages_and_an_open_one_says_nothing() {
        let gate = PlanGate { plan: Plan::Basic, premium_from: NaiveDate::from_ymd_opt(2025, 1, 10) };
        for tab in [LineTab::NotLinked, LineTab::AssuranceTooLow, LineTab::Plan, LineTab::ChatModeOn] {
            let (ja, en) = (tab.reason_ja(gate), tab.reason_en(gate));
            assert!(ja.ends_with('。') && en.ends_with('.') && en.is_ascii(), "{ja} {en}");
        }
        assert!(LineTab::Plan.reason_ja(gate).contains("2025年1月10日から"));
        assert!(LineTab::Plan.reason_en(gate).starts_with("Since 2025-01-10 the LINE tab"));
        assert_eq!((LineTab::Open.reason_ja(gate), LineTab::Open.reason_en(gate)), (String::new(), String::new()));
    }
}
