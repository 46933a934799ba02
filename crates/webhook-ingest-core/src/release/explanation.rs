//! A quarantined body in words, for staff. No ID and nothing of its content is in them.

use super::Obstacle;
use crate::verdict::QuarantineReason;

/// One or two sentences in each language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// In Japanese.
    pub ja: String,
    /// In English.
    pub en: String,
}

fn words(ja: &str, en: &str) -> Explanation {
    Explanation { ja: ja.to_owned(), en: en.to_owned() }
}

/// Why a body is quarantined.
#[must_use]
pub fn explain(reason: QuarantineReason) -> Explanation {
    match reason {
        QuarantineReason::WrongDestination => words(
            "署名は正しいのですが、宛先（destination）がこの公式アカウントのボットではありません。Webhook URLが別のチャネルに設定されたか、アカウントの登録に誤りがあります。",
            "Its signature is right, but its destination is another bot than this account's. The webhook address was set in another \
             channel, or the account was registered with the wrong bot.",
        ),
        QuarantineReason::Unreadable => words(
            "署名は正しいのですが、全体または一部のイベントを読み取れません。読み取れたイベントは受け付け済みです。",
            "Its signature is right, but it, or an event in it, cannot be read. Events that can be read were accepted.",
        ),
        QuarantineReason::OutsideWindow => words(
            "イベントIDの時刻が古すぎるか未来すぎるため、再送されたものかどうかを見分けられません。ほかのイベントは受け付け済みです。",
            "The time in an event's ID is too old, or too far ahead, to tell whether it is a repetition. Its other events were accepted.",
        ),
    }
}

/// What a release would do now: let in so many events that nobody accepted before, and leave the rest for this obstacle.
#[must_use]
pub fn explain_release(new: usize, obstacle: Option<Obstacle>) -> Explanation {
    let lets_in = match new {
        0 => words("", ""),
        1 => words("1件のイベントを受け付けます。", "1 event is let in. "),
        more => words(&format!("{more}件のイベントを受け付けます。"), &format!("{more} events are let in. ")),
    };
    let rest = match obstacle {
        None if new == 0 => words(
            "すべてのイベントが受け付け済みのため、新しく受け付けるものはありません。",
            "All of its events were accepted before: nothing new is let in.",
        ),
        None => words("残るものはありません。", "Nothing is left."),
        Some(Obstacle::BotUnknown) => words(
            "この公式アカウントのボットがまだLINEで確認されていないため、リリースできません。先にアカウントを接続してください。",
            "LINE has not confirmed this account's bot yet, so nothing can be released. Connect the account first.",
        ),
        Some(Obstacle::WrongDestination) => words(
            "宛先がこの公式アカウントのボットと異なるため、リリースできません。登録が誤っていた場合は、修正してからリリースしてください。",
            "Its destination is not this account's bot, so it cannot be released. If the account was registered wrongly, correct that first.",
        ),
        Some(Obstacle::Unreadable) => words(
            "読み取れない部分は、このバージョンではリリースできません。",
            "What cannot be read cannot be released by this version.",
        ),
        Some(Obstacle::OutsideWindow) => words(
            "期間外のイベントは、重複の可能性を承知のうえで明示的に許可した場合にだけ受け付けます。",
            "Events outside of the window are let in only when that is accepted expressly, for they may be repetitions.",
        ),
        Some(Obstacle::OutOfReach) => words(
            "受信後に期間を外れたイベントと、期間から1年を超えて離れたイベントは、重複を防げないため受け付けられません。",
            "Events that have left the window since they came, or lie more than a year outside, cannot be let in: nothing could keep them \
             from being let in twice.",
        ),
    };
    Explanation { ja: lets_in.ja + &rest.ja, en: lets_in.en + &rest.en }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_told_in_both_languages_and_no_two_alike() {
        let reasons =
            [QuarantineReason::WrongDestination, QuarantineReason::Unreadable, QuarantineReason::OutsideWindow];
        let obstacles = [
            None,
            Some(Obstacle::BotUnknown),
            Some(Obstacle::WrongDestination),
            Some(Obstacle::Unreadable),
            Some(Obstacle::OutsideWindow),
            Some(Obstacle::OutOfReach),
        ];
        let releases = [0, 1, 2].into_iter().flat_map(|new| obstacles.map(|obstacle| explain_release(new, obstacle)));
        let all: Vec<Explanation> = reasons.into_iter().map(explain).chain(releases).collect();
        for told in &all {
            assert!(told.ja.ends_with('。') && told.en.ends_with('.'), "{told:?}");
            assert!(told.en.is_ascii() && !told.ja.is_ascii());
            assert_eq!(all.iter().filter(|other| *other == told).count(), 1, "{told:?}");
        }
    }
}
