//! LINE providers and official accounts: what is registered, what LINE confirms, and the secrets that go with them.

mod chat_mode;
mod connect;
mod coverage;
mod credential;
mod purpose;
mod rotation;
mod webhook_key;

use kernel::{OrganizationId, ProviderId, Timestamp};
use line_types::id::{BotUserId, ChannelId};

use crate::Line;
use crate::visibility::friends_belong_to;

pub(crate) use chat_mode::{CHAT_ON_EN, CHAT_ON_JA};
pub use chat_mode::{Finding, is_chat};
pub use connect::{Bot, ConnectRefusal, Equipment, connect, webhook_endpoint};
pub use coverage::{Coverage, FollowerCount, KnownUsers, day_to_ask, end_of};
pub use credential::{AssertionKeyCredential, Credential, LongLivedToken};
pub use purpose::{AccountInUse, AccountPurpose, repurposed};
pub use rotation::{CHANNEL_SECRET_KEEP, FORMER, Keep, Valid, WEBHOOK_KEY_KEEP, keep_previous, rotated};
pub use webhook_key::WebhookKey;

/// A LINE provider as the operator declares it (D-12). User IDs are issued per provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Its name.
    pub display_name: Line<200>,
    /// LINE's own provider ID, where known.
    pub line_provider_id: Option<LineProviderId>,
}

/// LINE's ID of a provider: digits.
pub type LineProviderId = ChannelId;

/// A LINE Official Account with its Messaging API channel, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfficialAccount {
    /// Its provider; a channel never moves to another.
    pub provider: ProviderId,
    /// LINE's channel ID; unique within the tenant.
    pub channel_id: ChannelId,
    /// Its name; from LINE once connected.
    pub display_name: Option<Line<200>>,
    /// LINE's basic ID, `@` first; from LINE once connected.
    pub basic_id: Option<Line<50>>,
    /// The bot: `destination` of its webhooks. Unique within the tenant.
    pub bot: Option<BotUserId>,
    /// What may be done with it.
    pub state: AccountState,
    /// Whom it is for.
    pub purpose: AccountPurpose,
    /// The organization that owns it (per-branch mode); none: the whole tenant shares it (F-51, F-53, F-56).
    pub owner_organization: Option<OrganizationId>,
    /// The organization new friends belong to; none: nobody is notified, only administrators see them (F-69 to F-72).
    pub default_organization: Option<OrganizationId>,
    /// LINE's `chatMode`, as it last answered.
    pub chat_mode: Option<Line<50>>,
    /// When LINE was first heard to answer so.
    pub chat_mode_time: Option<Timestamp>,
    /// When LINE confirmed it.
    pub connect_time: Option<Timestamp>,
}

/// What may be done with an official account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccountState {
    /// Its bot is not confirmed by LINE yet: webhooks are received, friendships kept, nothing else is created (F-04).
    Registered,
    /// Everything works.
    Connected,
    /// Switched off by the operator: webhooks are kept, nothing is sent.
    Paused,
}

impl OfficialAccount {
    /// The organization that its friends belong to (F-53, F-69).
    pub fn organization_of_friends(&self) -> Option<OrganizationId> {
        friends_belong_to(self.owner_organization, self.default_organization)
    }

    /// The account, switched off. What was never connected stays registered.
    #[must_use]
    pub fn paused(self) -> Self {
        let state = match self.state {
            AccountState::Registered => AccountState::Registered,
            AccountState::Connected | AccountState::Paused => AccountState::Paused,
        };
        Self { state, ..self }
    }
}

impl AccountState {
    /// The word it is kept as.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "REGISTERED",
            Self::Connected => "CONNECTED",
            Self::Paused => "PAUSED",
        }
    }

    /// The state a kept word means.
    pub fn named(word: &str) -> Option<Self> {
        [Self::Registered, Self::Connected, Self::Paused].into_iter().find(|state| state.as_str() == word)
    }
}
