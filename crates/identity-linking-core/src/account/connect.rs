//! Connecting an account: LINE says who the bot is, and it must be the one registered.

use kernel::Timestamp;
use line_types::id::BotUserId;

use super::{AccountState, OfficialAccount};
use crate::{Line, Unfit};

/// The bot behind a credential, as LINE tells it
/// (<https://developers.line.biz/en/reference/messaging-api/#get-bot-info>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bot {
    /// Its user ID.
    pub user_id: BotUserId,
    /// Its basic ID.
    pub basic_id: Option<Line<50>>,
    /// Its name.
    pub display_name: Option<Line<200>>,
    /// Its `chatMode`.
    pub chat_mode: Option<Line<50>>,
}

/// Which secrets an account has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Equipment {
    /// A channel secret, without which no webhook can be verified.
    pub channel_secret: bool,
    /// A channel credential, without which LINE cannot be asked.
    pub credential: bool,
}

/// Why an account is not connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectRefusal {
    /// A channel secret or a credential is missing.
    #[error("a channel secret and a channel credential must be set first")]
    SecretMissing,
    /// LINE answers with another bot than the account was registered or connected for.
    #[error("the credential belongs to another bot")]
    BotMismatch,
}

impl Equipment {
    /// Whether LINE can be asked at all.
    ///
    /// # Errors
    /// When something is missing.
    pub fn complete(self) -> Result<(), ConnectRefusal> {
        if self.channel_secret && self.credential { Ok(()) } else { Err(ConnectRefusal::SecretMissing) }
    }
}

/// The account, connected to the bot that LINE names. A bot that was registered or connected before must be the same one.
///
/// # Errors
/// When it is another bot.
pub fn connect(account: OfficialAccount, bot: Bot, now: Timestamp) -> Result<OfficialAccount, ConnectRefusal> {
    if account.bot.as_ref().is_some_and(|known| *known != bot.user_id) {
        return Err(ConnectRefusal::BotMismatch);
    }
    let account = account.observed(bot.chat_mode, now);
    Ok(OfficialAccount {
        bot: Some(bot.user_id),
        basic_id: bot.basic_id,
        display_name: bot.display_name.or(account.display_name),
        state: AccountState::Connected,
        connect_time: account.connect_time.or(Some(now)),
        ..account
    })
}

/// Checks an address LINE is to send webhooks to (<https://developers.line.biz/en/reference/messaging-api/#set-webhook-endpoint-url>).
///
/// # Errors
/// When it does not begin with `https://`, has white space, or more than 500 characters.
pub fn webhook_endpoint(address: &str) -> Result<&str, Unfit> {
    let host = address.strip_prefix("https://").map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let fits = host.is_some_and(|host| !host.is_empty())
        && address.chars().nth(500).is_none()
        && !address.chars().any(|c| c.is_whitespace() || c.is_control());
    if fits { Ok(address) } else { Err(Unfit("is not an https address of at most 500 characters")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::AccountPurpose;

    fn account(bot: Option<&str>) -> OfficialAccount {
        OfficialAccount {
            provider: uuid::Uuid::nil().into(),
            channel_id: "1234567890".parse().unwrap(),
            display_name: Line::optional("our name").unwrap(),
            basic_id: None,
            bot: bot.map(|bot| bot.parse().unwrap()),
            state: AccountState::Registered,
            purpose: AccountPurpose::Customers,
            owner_organization: None,
            default_organization: None,
            chat_mode: None,
            chat_mode_time: None,
            connect_time: None,
        }
    }

    fn bot(user_id: &str) -> Bot {
        Bot {
            user_id: user_id.parse().unwrap(),
            basic_id: Line::optional("@shop").unwrap(),
            display_name: None,
            chat_mode: Line::optional("bot").unwrap(),
        }
    }

    const A: &str = "U0123456789abcdef0123456789abcdef";
    const B: &str = "Uffffffffffffffffffffffffffffffff";

    #[test]
    fn the_bot_must_be_the_one_registered_and_then_the_one_connected() {
        let now = Timestamp::from_timestamp(9, 0).unwrap();
        assert_eq!(connect(account(Some(A)), bot(B), now), Err(ConnectRefusal::BotMismatch));
        let connected = connect(account(None), bot(A), now).unwrap();
        assert_eq!((connected.state, connected.connect_time), (AccountState::Connected, Some(now)));
        assert_eq!(connected.display_name, Line::optional("our name").unwrap());
        assert_eq!(connect(connected.clone(), bot(B), now), Err(ConnectRefusal::BotMismatch));
        let later = Timestamp::from_timestamp(20, 0).unwrap();
        assert_eq!(connect(connected.clone().paused(), bot(A), later), Ok(connected));
    }

    #[test]
    fn pausing_what_was_never_connected_leaves_it_registered() {
        assert_eq!(account(None).paused().state, AccountState::Registered);
    }

    #[test]
    fn line_is_asked_only_with_both_secrets() {
        for (channel_secret, credential) in [(true, false), (false, true), (false, false)] {
            assert_eq!(Equipment { channel_secret, credential }.complete(), Err(ConnectRefusal::SecretMissing));
        }
        assert!(Equipment { channel_secret: true, credential: true }.complete().is_ok());
    }

    #[test]
    fn a_webhook_address_is_https() {
        assert!(webhook_endpoint("https://line.example.com/line/webhooks/x").is_ok());
        for wrong in
            ["", "http://a.example", "https://", "https:///x", "https://a b", &format!("https://a/{}", "x".repeat(500))]
        {
            assert!(webhook_endpoint(wrong).is_err(), "{wrong}");
        }
    }
}
