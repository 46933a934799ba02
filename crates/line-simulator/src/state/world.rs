//! The world model: everything the Platform knows. Pure: time is an argument, events gather in an outbox.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::access_token::{AccessTokens, TokenKind};
use super::account::{Account, AccountCard, AccountSettings, AccountSpec};
use super::books::Books;
use super::content::Contents;
use super::event::Outgoing;
use super::fault::{Fault, Faults};
use super::friendship::Friendship;
use super::id::{ChannelId, ChatId, PersonId, ProviderId, UserId};
use super::link_token::LinkTokens;
use super::mint::Mint;
use super::person::{Chat, Person, PersonSpec};
use super::quota::Quota;
use super::rate::Rates;
use super::reply_token::ReplyTokens;
use super::retry_key::RetryKeys;
use super::rich_menu::RichMenus;
use super::trouble::Trouble;

/// A person who is not known, an account that does not exist, an act that is not possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ActError {
    #[error("no such {0}")]
    Unknown(&'static str),
    #[error("{0}")]
    Impossible(&'static str),
}

/// All state of the simulator.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) mint: Mint,
    pub(crate) providers: HashMap<ProviderId, String>,
    pub(crate) accounts: HashMap<ChannelId, Account>,
    pub(crate) people: HashMap<PersonId, Person>,
    pub(crate) user_ids: HashMap<UserId, (ProviderId, PersonId)>,
    pub(crate) chats: HashMap<ChatId, Chat>,
    pub(crate) access_tokens: AccessTokens,
    pub(crate) reply_tokens: ReplyTokens,
    pub(crate) retry_keys: RetryKeys,
    pub(crate) link_tokens: LinkTokens,
    pub(crate) contents: Contents,
    pub(crate) rates: Rates,
    pub(crate) faults: Faults,
    pub(crate) troubles: HashMap<ChannelId, Trouble>,
    pub(crate) books: Books,
    /// Messages people wrote, by ID: the account, who, where.
    pub(crate) written: HashMap<String, (ChannelId, PersonId, ChatId)>,
    /// Events not yet handed to the delivery.
    pub(crate) outbox: Vec<Outgoing>,
}

impl World {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self {
            mint: Mint::seeded(seed),
            providers: HashMap::new(),
            accounts: HashMap::new(),
            people: HashMap::new(),
            user_ids: HashMap::new(),
            chats: HashMap::new(),
            access_tokens: AccessTokens::default(),
            reply_tokens: ReplyTokens::default(),
            retry_keys: RetryKeys::default(),
            link_tokens: LinkTokens::default(),
            contents: Contents::default(),
            rates: Rates::default(),
            faults: Faults::default(),
            troubles: HashMap::new(),
            books: Books::default(),
            written: HashMap::new(),
            outbox: Vec::new(),
        }
    }

    pub(crate) fn add_provider(&mut self, name: String) -> ProviderId {
        let id = ProviderId::from(format!("{}", 1_000_000_000 + self.mint.number()));
        self.providers.insert(id.clone(), name);
        id
    }

    pub(crate) fn add_account(
        &mut self,
        now: DateTime<Utc>,
        provider: &ProviderId,
        spec: AccountSpec,
    ) -> Result<AccountCard, ActError> {
        if !self.providers.contains_key(provider) {
            return Err(ActError::Unknown("provider"));
        }
        let channel =
            spec.channel_id.unwrap_or_else(|| ChannelId::from(format!("{}", 2_000_000_000 + self.mint.number())));
        if self.accounts.contains_key(&channel) {
            return Err(ActError::Impossible("the channel ID is taken"));
        }
        let taken = |token: &String| self.access_tokens.find(now, token).is_ok();
        if spec.access_token.as_ref().is_some_and(taken) {
            return Err(ActError::Impossible("the access token is taken"));
        }
        let account = Account {
            provider: provider.clone(),
            secret: spec.channel_secret.unwrap_or_else(|| self.mint.hex(16)),
            bot_user_id: UserId::from(format!("U{}", self.mint.hex(16))),
            basic_id: format!("@{}", self.mint.hex(4)),
            name: spec.name,
            verified: spec.verified,
            chat: spec.chat,
            quota: Quota::of(spec.quota),
            webhook_url: spec.webhook_url,
            webhook_active: true,
            redelivery: spec.redelivery,
            friendships: HashMap::new(),
            follower_days: super::follower_count::FollowerDays::default(),
            assertion_keys: HashMap::new(),
            units: std::collections::BTreeMap::new(),
            sent_by_day: HashMap::new(),
            read_up_to: None,
            rich_menus: RichMenus::default(),
        };
        let card = AccountCard {
            provider: provider.clone(),
            channel_id: channel.clone(),
            channel_secret: account.secret.clone(),
            bot_user_id: account.bot_user_id.clone(),
            basic_id: account.basic_id.clone(),
            access_token: spec.access_token.unwrap_or_else(|| self.mint.token(48)),
        };
        let issued =
            self.access_tokens.issue(now, card.access_token.clone(), channel.clone(), TokenKind::LongLived, None);
        debug_assert!(issued.is_ok(), "only v2.1 tokens are ever refused");
        self.accounts.insert(channel, account);
        Ok(card)
    }

    pub(crate) fn account(&self, channel: &ChannelId) -> Result<&Account, ActError> {
        self.accounts.get(channel).ok_or(ActError::Unknown("account"))
    }

    pub(crate) fn account_mut(&mut self, channel: &ChannelId) -> Result<&mut Account, ActError> {
        self.accounts.get_mut(channel).ok_or(ActError::Unknown("account"))
    }

    pub(crate) fn change_account(&mut self, channel: &ChannelId, change: AccountSettings) -> Result<(), ActError> {
        let account = self.account_mut(channel)?;
        if let Some(limit) = change.quota {
            account.quota.limit = limit;
        }
        if let Some(reserved) = change.reserved {
            account.quota.reserved = reserved;
        }
        if let Some(active) = change.webhook_active {
            account.webhook_active = active;
        }
        if let Some(redelivery) = change.redelivery {
            account.redelivery = redelivery;
        }
        if let Some(shown) = change.manager_rich_menu {
            account.rich_menus.manager_default = shown;
        }
        if let Some(chat) = change.chat {
            account.chat = chat;
        }
        if let Some(url) = change.webhook_url {
            account.webhook_url = Some(url);
        }
        Ok(())
    }

    /// Reissues the channel secret; the old one is void at once.
    pub(crate) fn reissue_secret(&mut self, channel: &ChannelId) -> Result<String, ActError> {
        let secret = self.mint.hex(16);
        self.account_mut(channel)?.secret.clone_from(&secret);
        Ok(secret)
    }

    pub(crate) fn add_person(&mut self, spec: PersonSpec) -> PersonId {
        let id = PersonId::from(format!("person-{}", self.mint.number()));
        self.people.insert(id.clone(), Person { spec, user_ids: HashMap::new(), gone: false });
        id
    }

    /// A person under a name of somebody's choice.
    pub(crate) fn add_person_called(&mut self, id: PersonId, spec: PersonSpec) -> Result<(), ActError> {
        if self.people.contains_key(&id) {
            return Err(ActError::Impossible("there is a person of that name already"));
        }
        self.people.insert(id, Person { spec, user_ids: HashMap::new(), gone: false });
        Ok(())
    }

    /// Puts a fault in force; gives its name.
    pub(crate) fn order_fault(&mut self, fault: Fault) -> String {
        let id = format!("fault-{}", self.mint.number());
        self.faults.add(id.clone(), fault);
        id
    }

    /// The person's user ID for the account's provider, made at first need.
    pub(crate) fn introduce(&mut self, channel: &ChannelId, person: &PersonId) -> Result<UserId, ActError> {
        let provider = self.account(channel)?.provider.clone();
        let fresh = UserId::from(format!("U{}", self.mint.hex(16)));
        let known = self.people.get_mut(person).ok_or(ActError::Unknown("person"))?;
        let user = known.user_ids.entry(provider.clone()).or_insert(fresh).clone();
        self.user_ids.entry(user.clone()).or_insert_with(|| (provider, person.clone()));
        Ok(user)
    }

    /// The person's user ID for the account's provider, if there is one yet.
    pub(crate) fn user_id(&self, channel: &ChannelId, person: &PersonId) -> Option<UserId> {
        let provider = &self.accounts.get(channel)?.provider;
        self.people.get(person)?.user_ids.get(provider).cloned()
    }

    /// The person behind a user ID, when the ID is one of the account's provider.
    pub(crate) fn person_of(&self, channel: &ChannelId, user: &UserId) -> Option<&PersonId> {
        let (provider, person) = self.user_ids.get(user)?;
        (*provider == self.accounts.get(channel)?.provider).then_some(person)
    }

    pub(crate) fn friendship_mut(
        &mut self,
        channel: &ChannelId,
        person: &PersonId,
    ) -> Result<&mut Friendship, ActError> {
        if !self.people.contains_key(person) {
            return Err(ActError::Unknown("person"));
        }
        Ok(self.account_mut(channel)?.friendships.entry(person.clone()).or_default())
    }
}
