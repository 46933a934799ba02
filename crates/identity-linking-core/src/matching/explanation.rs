//! A decision in words, for staff (L-01). No name, number or ID is in them.

use super::{Action, Case, Decision, LinkMethod, MAX_CANDIDATES, Outcome, Reason};
use crate::Likeness;

#[cfg(test)]
mod tests;

/// How many customers were alike, and in what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alike {
    /// On the method's whole key.
    pub whole_key: usize,
    /// With the same name.
    pub same_name: usize,
    /// Whose reading was typed.
    pub reading: usize,
    /// With the same name but for variant characters.
    pub variant: usize,
    /// With the mobile number.
    pub mobile: usize,
}

/// A decision in words: one or two sentences in each language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// In Japanese.
    pub ja: String,
    /// In English.
    pub en: String,
}

impl Alike {
    /// Counts the candidates of a case; without a case nothing was compared, and the default says so.
    pub fn of(case: &Case) -> Self {
        let named = |name: Likeness| case.candidates().iter().filter(|one| one.name == name).count();
        Self {
            whole_key: case.on_whole_key().count(),
            same_name: named(Likeness::Same),
            reading: named(Likeness::Reading),
            variant: named(Likeness::Variant),
            mobile: case.candidates().iter().filter(|one| one.has_mobile).count(),
        }
    }

    /// What was alike at all, with its words: name, reading, variant, mobile number.
    fn parts(&self, words: [&'static str; 4]) -> impl Iterator<Item = (&'static str, usize)> {
        let counts = [self.same_name, self.reading, self.variant, self.mobile];
        words.into_iter().zip(counts).filter(|(_, count)| *count > 0)
    }
}

/// Says a decision in words. Total: every method, outcome and reason is told, and different reasons read differently.
pub fn explain(method: LinkMethod, decision: &Decision, alike: &Alike) -> Explanation {
    Explanation {
        ja: format!(
            "{}について、{}ため、{}{}",
            japanese::method(method),
            japanese::reason(method, decision, alike),
            japanese::outcome(decision),
            japanese::counts(alike)
        ),
        en: format!(
            "{}: {}, so {}.{}",
            english::method(method),
            english::reason(method, decision, alike),
            english::outcome(decision),
            english::counts(alike)
        ),
    }
}

/// Says what became of a held attempt, behind the words of its decision: what staff settled it as, or that it left the review queue.
pub fn explain_review(outcome: Outcome) -> Explanation {
    let (ja, en) = match outcome {
        Outcome::Linked | Outcome::AlreadyLinked => (
            "その後、担当者が確認し、LINEユーザーを選んだ顧客と連携しました。",
            "Staff reviewed it then and linked the LINE user to the customer they chose.",
        ),
        Outcome::CreatedNew => (
            "その後、担当者が確認し、受付時に登録した、または新しく作成した顧客とLINEユーザーを連携しました。",
            "Staff reviewed it then and linked the LINE user to the customer made for them.",
        ),
        Outcome::Refused => {
            ("その後、担当者が確認し、連携は行いませんでした。", "Staff reviewed it then and nothing was linked.")
        }
        Outcome::Held => (
            "その後、別の機会に連携が決まったため、確認待ちではなくなりました。",
            "The LINE user was linked otherwise since, and this attempt needs no review any more.",
        ),
    };
    Explanation { ja: ja.to_owned(), en: en.to_owned() }
}

mod japanese {
    use super::{Action, Alike, Decision, LinkMethod, MAX_CANDIDATES, Outcome, Reason};

    pub(super) fn method(method: LinkMethod) -> &'static str {
        match method {
            LinkMethod::InquiryForm => "お問い合わせフォームからの連携",
            LinkMethod::LinkForm => "連携フォームからの連携",
            LinkMethod::BookingPage => "予約ページからの連携",
            LinkMethod::LandingPage => "登録ページからの連携",
            LinkMethod::FirstMessage => "最初のメッセージによる登録",
        }
    }

    pub(super) fn reason(method: LinkMethod, decision: &Decision, alike: &Alike) -> String {
        if decision.action == Action::HoldChanged {
            return "受付時に登録した顧客の情報がその後変更され、入力内容と一致しない".to_owned();
        }
        let key = if method.compares_mobile() { "氏名と携帯電話番号" } else { "氏名" };
        match decision.reason {
            Reason::None => match decision.outcome {
                Outcome::Linked => format!("{key}が一致する顧客が1件だけ見つかった"),
                Outcome::AlreadyLinked => "このLINEユーザーはすでに顧客と連携済みの".to_owned(),
                _ => "特に支障がなかった".to_owned(),
            },
            Reason::NoMatch if method == LinkMethod::FirstMessage => {
                "このLINEユーザーと連携している顧客がまだいない".to_owned()
            }
            Reason::NoMatch => "入力内容に近い顧客が登録されていない".to_owned(),
            Reason::NameMismatch if method.compares_mobile() => {
                "氏名または携帯電話番号の近い顧客はいるものの、氏名が登録内容と一致しない".to_owned()
            }
            Reason::NameMismatch => "近い氏名の顧客はいるものの、登録内容と一致しない".to_owned(),
            Reason::PhoneMismatch => "氏名が一致する顧客はいるものの、携帯電話番号が登録内容と一致しない".to_owned(),
            Reason::AmbiguousName => {
                format!("氏名が一致する顧客が{}あり、どの顧客か特定できない", several(alike))
            }
            Reason::AmbiguousNameAndMobile => {
                format!("氏名と携帯電話番号がともに一致する顧客が{}あり、どの顧客か特定できない", several(alike))
            }
            Reason::CustomerHasOtherLineUser => "該当する顧客が別のLINEユーザーと連携済みの".to_owned(),
            Reason::LineUserHasOtherCustomer => "このLINEユーザーが別の顧客と連携済みの".to_owned(),
            Reason::PolicyHold if decision.action == Action::HoldToldApart => {
                "一致する顧客とこのLINEユーザーは別人であると以前に判断されている".to_owned()
            }
            Reason::PolicyHold => "一致する顧客がなく、その場合は保留する設定になっている".to_owned(),
            Reason::NotConfirmedByLine => "本人による送信であることをLINEで確認できなかった".to_owned(),
            Reason::TokenExpired => "フォームの有効期限が切れていた".to_owned(),
            Reason::TokenUsed => "フォームがすでに使用されていた".to_owned(),
            Reason::RateLimited => "同じまたは近い入力内容での試行が短時間に上限を超えた".to_owned(),
            Reason::AccountNotConnected => "LINE公式アカウントが接続されていない".to_owned(),
        }
    }

    pub(super) fn outcome(decision: &Decision) -> &'static str {
        match (decision.outcome, decision.action) {
            (Outcome::Linked, Action::Absorb { .. }) => "仮登録の顧客をその顧客に統合し、LINEユーザーを連携しました。",
            (Outcome::Linked, _) => "LINEユーザーをその顧客と連携しました。",
            (Outcome::AlreadyLinked, _) => "現在の連携をそのまま維持しました。",
            (Outcome::CreatedNew, Action::LinkOwnRecord { .. }) => "受付時に登録した顧客とLINEユーザーを連携しました。",
            (Outcome::CreatedNew, _) => "新しい顧客を仮登録し、LINEユーザーと連携しました。",
            (Outcome::Held, _) => "連携を保留し、担当者の確認待ちとしました。",
            (Outcome::Refused, Action::OpenTakeover { .. }) => {
                "連携は行わず、連携先を変更してよいかの確認を開始しました。"
            }
            (Outcome::Refused, _) => "連携は行いませんでした。",
        }
    }

    pub(super) fn counts(alike: &Alike) -> String {
        let parts = alike.parts(["氏名が同じ", "読みが同じ", "異体字などの違いのみの", "携帯電話番号が同じ"]);
        let parts: Vec<String> = parts.map(|(what, count)| format!("{what}顧客{count}件")).collect();
        if parts.is_empty() { String::new() } else { format!("照合結果は、{}です。", parts.join("、")) }
    }

    fn several(alike: &Alike) -> String {
        match alike.whole_key {
            0 | 1 => "複数".to_owned(),
            MAX_CANDIDATES.. => format!("{MAX_CANDIDATES}件以上"),
            count => format!("{count}件"),
        }
    }
}

mod english {
    use super::{Action, Alike, Decision, LinkMethod, MAX_CANDIDATES, Outcome, Reason};

    pub(super) fn method(method: LinkMethod) -> &'static str {
        match method {
            LinkMethod::InquiryForm => "Inquiry form",
            LinkMethod::LinkForm => "Link form",
            LinkMethod::BookingPage => "Booking page",
            LinkMethod::LandingPage => "Landing page",
            LinkMethod::FirstMessage => "First message",
        }
    }

    pub(super) fn reason(method: LinkMethod, decision: &Decision, alike: &Alike) -> String {
        if decision.action == Action::HoldChanged {
            return "the customer recorded when the form was received was changed since".to_owned();
        }
        let key = if method.compares_mobile() { "name and mobile number" } else { "name" };
        match decision.reason {
            Reason::None => match decision.outcome {
                Outcome::Linked => format!("exactly one customer has the {key}"),
                Outcome::AlreadyLinked => "the LINE user is linked to a customer already".to_owned(),
                _ => "nothing stood against it".to_owned(),
            },
            Reason::NoMatch if method == LinkMethod::FirstMessage => {
                "no customer is linked to the LINE user yet".to_owned()
            }
            Reason::NoMatch => "no customer is like what was entered".to_owned(),
            Reason::NameMismatch if method.compares_mobile() => {
                "a customer has the mobile number or nearly the name, and the name differs".to_owned()
            }
            Reason::NameMismatch => "a customer has nearly the name, and it differs".to_owned(),
            Reason::PhoneMismatch => "a customer has the name, and the mobile number differs".to_owned(),
            Reason::AmbiguousName => {
                format!("{} customers have the name and which one is meant cannot be told", several(alike))
            }
            Reason::AmbiguousNameAndMobile => {
                let several = several(alike);
                format!("{several} customers have both name and mobile number and which one is meant cannot be told")
            }
            Reason::CustomerHasOtherLineUser => "the customer is linked to another LINE user".to_owned(),
            Reason::LineUserHasOtherCustomer => "the LINE user is linked to another customer".to_owned(),
            Reason::PolicyHold if decision.action == Action::HoldToldApart => {
                "the customer that matches and the LINE user were told apart before".to_owned()
            }
            Reason::PolicyHold => "no customer matches and the settings say to hold such attempts".to_owned(),
            Reason::NotConfirmedByLine => "LINE did not confirm who submitted the form".to_owned(),
            Reason::TokenExpired => "the form had expired".to_owned(),
            Reason::TokenUsed => "the form had been used before".to_owned(),
            Reason::RateLimited => "there were too many attempts like it in a short time".to_owned(),
            Reason::AccountNotConnected => "the official account is not connected".to_owned(),
        }
    }

    pub(super) fn outcome(decision: &Decision) -> &'static str {
        match (decision.outcome, decision.action) {
            (Outcome::Linked, Action::Absorb { .. }) => {
                "the provisional customer was merged into that customer, whom the LINE user is now linked to"
            }
            (Outcome::Linked, _) => "the LINE user was linked to that customer",
            (Outcome::AlreadyLinked, _) => "the link stays as it is",
            (Outcome::CreatedNew, Action::LinkOwnRecord { .. }) => {
                "the LINE user was linked to the customer recorded when the form was received"
            }
            (Outcome::CreatedNew, _) => "a new provisional customer was made and linked to the LINE user",
            (Outcome::Held, _) => "the attempt waits for staff to review it",
            (Outcome::Refused, Action::OpenTakeover { .. }) => "nothing was linked and a take-over request was opened",
            (Outcome::Refused, _) => "nothing was linked",
        }
    }

    pub(super) fn counts(alike: &Alike) -> String {
        let parts = alike.parts([
            "with the same name",
            "with the same reading",
            "with a name that differs in variant characters only",
            "with the same mobile number",
        ]);
        let parts: Vec<String> = parts.map(|(what, count)| format!("{count} {what}")).collect();
        if parts.is_empty() { String::new() } else { format!(" Customers compared: {}.", parts.join(", ")) }
    }

    fn several(alike: &Alike) -> String {
        match alike.whole_key {
            0 | 1 => "several".to_owned(),
            MAX_CANDIDATES.. => format!("{MAX_CANDIDATES} or more"),
            count => count.to_string(),
        }
    }
}
