//! Whether a customer's LINE tab opens (F-35, F-39, D-7).

use chrono::NaiveDate;

use crate::matching::Assurance;
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

/// Whether a LINE tab opens, or why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineTab {
    /// It opens.
    Open,
    /// Nobody is linked (F-39): the customer is to be asked to link (F-42).
    NotLinked,
    /// The link is less sure than the policy wants for chat (D-7).
    AssuranceTooLow,
    /// The plan does not open it (F-35).
    Plan,
}

/// Whether a customer's tab opens `today`, in the tenant's zone. `linked` is the surest of the customer's active links, `least`
/// what the policy wants for chat. What the shop itself cannot change, its plan, is said before what it can.
pub fn line_tab(linked: Option<Assurance>, least: Assurance, gate: PlanGate, today: NaiveDate) -> LineTab {
    let closed_by_plan = gate.plan == Plan::Basic && gate.premium_from.is_some_and(|from| today >= from);
    match linked {
        None => LineTab::NotLinked,
        Some(_) if closed_by_plan => LineTab::Plan,
        Some(assurance) if assurance < least => LineTab::AssuranceTooLow,
        Some(_) => LineTab::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(line_tab(linked, least, gate, today), tab, "{linked:?} {least:?} {gate:?} {today}");
        }
    }
}
