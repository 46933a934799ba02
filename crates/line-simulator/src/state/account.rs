//! Providers and their official accounts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::follower_count::FollowerDays;
use super::friendship::Friendship;
use super::id::{ChannelId, PersonId, ProviderId, UserId};
use super::quota::Quota;
use super::rich_menu::{RichMenuCard, RichMenus};

/// What an official account is created with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountSpec {
    /// Shown to users and in bot info.
    pub name: String,
    /// Verified or premium: may list followers and group members.
    pub verified: bool,
    /// "Chat" in the response settings: `chatMode` is `chat` and reading is marked by hand.
    pub chat: bool,
    /// Messages a month; unlimited when absent.
    pub quota: Option<u64>,
    /// Where webhooks go; settable later, by the account itself too.
    pub webhook_url: Option<String>,
    /// The console's "Webhook redelivery", off by default as at LINE.
    pub redelivery: bool,
    /// A channel ID of your choice; a new one otherwise.
    pub channel_id: Option<ChannelId>,
    /// A channel secret of your choice; a new one otherwise.
    pub channel_secret: Option<String>,
    /// A long-lived channel access token of your choice; a new one otherwise.
    pub access_token: Option<String>,
}

impl Default for AccountSpec {
    fn default() -> Self {
        Self {
            name: "Simulated account".into(),
            verified: false,
            chat: false,
            quota: None,
            webhook_url: None,
            redelivery: false,
            channel_id: None,
            channel_secret: None,
            access_token: None,
        }
    }
}

/// A created account, with everything its owner would read in LINE's console.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccountCard {
    /// The owner of the account.
    pub provider: ProviderId,
    /// Decimal digits.
    pub channel_id: ChannelId,
    /// 32 hexadecimal digits; signs webhooks.
    pub channel_secret: String,
    /// The bot's user ID, the `destination` of its webhooks.
    pub bot_user_id: UserId,
    /// `@` and letters.
    pub basic_id: String,
    /// A long-lived channel access token.
    pub access_token: String,
}

/// The settings a console user or the account itself may change.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccountSettings {
    /// The month's messages (`Some(None)`: unlimited).
    #[serde(with = "double_option", skip_serializing_if = "Option::is_none")]
    pub quota: Option<Option<u64>>,
    /// Messages held back by running bulk sends.
    pub reserved: Option<u64>,
    /// "Use webhook".
    pub webhook_active: Option<bool>,
    /// Where webhooks go.
    pub webhook_url: Option<String>,
    /// "Webhook redelivery".
    pub redelivery: Option<bool>,
    /// Whether LINE's own manager shows a default rich menu, which the API cannot see.
    pub manager_rich_menu: Option<bool>,
    /// "Chat" in the response settings.
    pub chat: Option<bool>,
}

mod double_option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, clippy::option_option, reason = "the signature serde's `with` asks for")]
    pub(super) fn serialize<S: Serializer>(value: &Option<Option<u64>>, to: S) -> Result<S::Ok, S::Error> {
        value.as_ref().and_then(Option::as_ref).serialize(to)
    }

    #[expect(clippy::option_option, reason = "absent, null and a number are three different wishes")]
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<u64>>, D::Error> {
        Option::<u64>::deserialize(from).map(Some)
    }
}

/// What the account's owner would see in the console now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountState {
    /// Where webhooks go.
    pub webhook_url: Option<String>,
    /// "Use webhook".
    pub webhook_active: bool,
    /// "Webhook redelivery".
    pub redelivery: bool,
    /// Messages a month; `None` without a limit.
    pub quota: Option<u64>,
    /// Messages counted this month.
    pub used: u64,
    /// Messages held back by bulk sends.
    pub reserved: u64,
    /// The newest message marked as read.
    pub read_up_to: Option<String>,
    /// The rich menus made by the API, in the order of creation.
    pub rich_menus: Vec<RichMenuCard>,
}

/// An official account and its one Messaging API channel.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of LINE's console")]
pub(crate) struct Account {
    pub(crate) provider: ProviderId,
    pub(crate) secret: String,
    pub(crate) bot_user_id: UserId,
    pub(crate) basic_id: String,
    pub(crate) name: String,
    pub(crate) verified: bool,
    pub(crate) chat: bool,
    pub(crate) quota: Quota,
    pub(crate) webhook_url: Option<String>,
    pub(crate) webhook_active: bool,
    pub(crate) redelivery: bool,
    pub(crate) friendships: HashMap<PersonId, Friendship>,
    /// How many added and blocked it, by day (UTC+9).
    pub(crate) follower_days: FollowerDays,
    /// Public keys for JWT assertions, by key ID: modulus and exponent, big-endian.
    pub(crate) assertion_keys: HashMap<String, (Vec<u8>, Vec<u8>)>,
    /// Aggregation unit names by month.
    pub(crate) units: BTreeMap<(i32, u32), BTreeSet<String>>,
    /// Messages sent by method and day (UTC+9).
    pub(crate) sent_by_day: HashMap<(super::sending::Method, String), u64>,
    /// The newest message marked read.
    pub(crate) read_up_to: Option<String>,
    /// Its rich menus and who has which.
    pub(crate) rich_menus: RichMenus,
}

impl Account {
    /// The console's view.
    pub(crate) fn state(&self, now: DateTime<Utc>) -> AccountState {
        AccountState {
            webhook_url: self.webhook_url.clone(),
            webhook_active: self.webhook_active,
            redelivery: self.redelivery,
            quota: self.quota.limit,
            used: self.quota.used(now),
            reserved: self.quota.reserved,
            read_up_to: self.read_up_to.clone(),
            rich_menus: self.rich_menus.cards(),
        }
    }

    /// People who are friends and have not blocked, in a stable order.
    pub(crate) fn friends(&self) -> Vec<PersonId> {
        let mut friends: Vec<PersonId> =
            self.friendships.iter().filter(|(_, f)| f.is_friend()).map(|(person, _)| person.clone()).collect();
        friends.sort();
        friends
    }
}
