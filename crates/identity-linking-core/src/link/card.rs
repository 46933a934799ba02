//! What LINE users are told in the chat, as LINE's message objects
//! (<https://developers.line.biz/en/reference/messaging-api/#message-objects>): in Japanese, then in English. What is said after an
//! attempt, an unlinking or a take-over is the same whatever came of it; staff see the difference.

use kernel::TakeoverRequestId;
use serde_json::{Value, json};

use super::act::Tap;

/// Longest address of a form page that a button takes, in characters.
pub const LONGEST_ADDRESS: usize = 1_000;

/// A card with a button that opens a form page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    /// Opens the inquiry form: 「メッセージ送信する」 (F-11).
    Inquiry,
    /// Opens the link form: 「顧客情報を連携する」 (F-14).
    Link,
    /// Opens the form for an invitation's code, on the staff account: 「招待コードを入力する」.
    Staff,
}

/// What a LINE user is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A card that opens the form at this address, at most [`LONGEST_ADDRESS`] characters.
    Card(Card, String),
    /// What was submitted has come; it can be ended at any time, as LINE wants it said.
    Received,
    /// Whether to end the link?
    AskToUnlink,
    /// There is no link any more.
    Unlinked,
    /// Somebody asks to take the link over: is it you?
    AskToTakeOver(TakeoverRequestId),
    /// The answer to that has come.
    TakeoverAnswered,
    /// The LINE user is this staff member from now on.
    StaffBound,
    /// The LINE user is not; why is not said.
    StaffNotBound,
}

impl Answer {
    /// LINE's message object.
    pub fn line_object(&self) -> Value {
        match self {
            Self::Card(Card::Inquiry, address) => buttons(
                "お問い合わせはこちらから / Contact us",
                "お問い合わせ",
                "下のボタンからメッセージをお送りください。\nSend us a message.",
                &[open("メッセージ送信する", address)],
            ),
            Self::Card(Card::Link, address) => buttons(
                "顧客情報の連携 / Link your customer record",
                "予約を確認する",
                "お客様の情報とLINEを連携できます。\nLink your customer record.",
                &[open("顧客情報を連携する", address), tap("連携を解除する", Tap::Unlink)],
            ),
            Self::Card(Card::Staff, address) => buttons(
                "スタッフ登録 / Staff registration",
                "スタッフ登録",
                "招待コードをお持ちのスタッフの方はこちら。\nFor staff with an invitation code.",
                &[open("招待コードを入力する", address)],
            ),
            Self::Received => json!({
                "type": "template",
                "altText": "受け付けました。 / We have received it.",
                "template": {
                    "type": "buttons",
                    "text": "受け付けました。ありがとうございます。\n連携はいつでも解除できます。\n\nWe have received it. Thank you.\nYou can unlink at any time.",
                    "actions": [tap("連携を解除する", Tap::Unlink)],
                },
            }),
            Self::AskToUnlink => confirm(
                "連携を解除しますか? / Unlink?",
                "お客様の情報とLINEの連携を解除しますか?\n\nUnlink your customer record from LINE?",
                &[tap("解除する", Tap::UnlinkYes), tap("やめる", Tap::UnlinkNo)],
            ),
            Self::Unlinked => text("連携は解除されています。\nYour customer record is not linked to LINE."),
            Self::AskToTakeOver(id) => confirm(
                "別のLINEアカウントからの連携の申し込み / Another LINE account asks to be linked",
                "別のLINEアカウントから、お客様の情報との連携の申し込みがありました。ご本人ですか?\n\nAnother LINE account asks for your customer record. Is it you?",
                &[tap("はい、本人です", Tap::Takeover(*id, true)), tap("いいえ", Tap::Takeover(*id, false))],
            ),
            Self::TakeoverAnswered => text("ご回答ありがとうございます。\nThank you for your answer."),
            Self::StaffBound => text(
                "スタッフとして登録されました。お知らせはこのトークに届きます。\nYou are registered as staff. Notices arrive in this chat.",
            ),
            Self::StaffNotBound => text(
                "登録できませんでした。招待コードを確かめるか、管理者に新しいコードを依頼してください。\nYou could not be registered. Check your invitation code, or ask your administrator for a new one.",
            ),
        }
    }
}

fn buttons(alt: &str, title: &str, text: &str, actions: &[Value]) -> Value {
    let template = json!({ "type": "buttons", "title": title, "text": text, "actions": actions });
    json!({ "type": "template", "altText": alt, "template": template })
}

fn confirm(alt: &str, text: &str, actions: &[Value]) -> Value {
    let template = json!({ "type": "confirm", "text": text, "actions": actions });
    json!({ "type": "template", "altText": alt, "template": template })
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

fn open(label: &str, address: &str) -> Value {
    json!({ "type": "uri", "label": label, "uri": address })
}

/// The tap shows in the chat, so that the user sees what was done.
fn tap(label: &str, tap: Tap) -> Value {
    json!({ "type": "postback", "label": label, "data": tap.data(), "displayText": label })
}

#[cfg(test)]
mod tests {
    use super::*;
    use line_types::message::check;
    use uuid::Uuid;

    #[test]
    fn line_takes_every_answer_and_each_says_both_languages() {
        let address = format!("https://{}", "a".repeat(LONGEST_ADDRESS - 8));
        for answer in [
            Answer::Card(Card::Inquiry, address.clone()),
            Answer::Card(Card::Link, address.clone()),
            Answer::Card(Card::Staff, address),
            Answer::Received,
            Answer::AskToUnlink,
            Answer::Unlinked,
            Answer::AskToTakeOver(Uuid::from_u128(7).into()),
            Answer::TakeoverAnswered,
            Answer::StaffBound,
            Answer::StaffNotBound,
        ] {
            let object = answer.line_object();
            let violations = check(std::slice::from_ref(&object));
            assert!(violations.is_empty(), "{answer:?}: {violations:?}");
            let said = object["altText"].as_str().or(object["text"].as_str()).unwrap();
            assert!(said.chars().any(|c| c >= '\u{3041}') && said.chars().any(|c| c.is_ascii_alphabetic()), "{said}");
        }
    }

    #[test]
    fn the_cards_have_the_buttons_the_shops_know() {
        let labels = |answer: Answer| -> Vec<String> {
            let object = answer.line_object();
            let actions = object["template"]["actions"].as_array().unwrap().iter();
            actions.map(|action| action["label"].as_str().unwrap().to_owned()).collect()
        };
        let address = || "https://tsunagi.example/f/t".to_owned();
        assert_eq!(labels(Answer::Card(Card::Inquiry, address())), ["メッセージ送信する"]);
        assert_eq!(labels(Answer::Card(Card::Link, address())), ["顧客情報を連携する", "連携を解除する"]);
        assert_eq!(labels(Answer::Card(Card::Staff, address())), ["招待コードを入力する"]);
    }
}
