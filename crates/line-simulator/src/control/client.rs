//! The typed client of the control API. Works against a [`Simulator`](crate::Simulator) in this process and against the
//! program alike.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    AssertionKey, BooksQuery, FaultId, Followed, KeyId, NewAccount, NewFriends, NewPerson, NewProvider, OpenLink,
    PlayQuery, Reset, Secret, Settled, UserCard,
};
use crate::clock::{ClockReading, ClockTurn};
use crate::scenario::Progress;
use crate::state::account::{AccountCard, AccountSettings, AccountSpec, AccountState};
use crate::state::act::{Act, ActRequest};
use crate::state::books::{Counts, Detail, Duplicate, Requested, Sent, Webhook};
use crate::state::event::Done;
use crate::state::fault::Fault;
use crate::state::group::ChatChange;
use crate::state::id::{ChannelId, ChatId, PersonId, ProviderId, UserId};
use crate::state::person::{ChatSpec, PersonSpec};
use crate::state::rate::Limit;
use crate::state::rich_menu::ShownRichMenu;
use crate::state::trouble::Trouble;
use crate::state::writing::Writing;

/// A control call that failed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The simulator could not be reached, or answered with something else.
    #[error("control call failed")]
    Http(#[from] reqwest::Error),
    /// The simulator refused.
    #[error("refused with status {status}: {body}")]
    Refused {
        /// 404: not there; 409: not possible; 4xx: not understood.
        status: u16,
        /// The reason.
        body: String,
    },
}

/// A client of the control API.
#[derive(Clone, Debug)]
pub struct Control {
    http: reqwest::Client,
    base_url: String,
}

type Reply<T> = Result<T, ControlError>;

impl Control {
    /// A client for the simulator at this base URL.
    pub fn new(base_url: &str) -> Reply<Self> {
        // Fails only when a provider is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { http, base_url: base_url.trim_end_matches('/').to_owned() })
    }

    async fn call<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<&impl Serialize>) -> Reply<T> {
        let mut request = self.http.request(method, format!("{}/control{path}", self.base_url));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        if !status.is_success() {
            return Err(ControlError::Refused { status: status.as_u16(), body: answer.text().await? });
        }
        Ok(answer.json().await?)
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Reply<T> {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Reply<T> {
        self.call(Method::GET, path, None::<&()>).await
    }

    async fn query<T: DeserializeOwned>(&self, path: &str, query: &impl Serialize) -> Reply<T> {
        let request = self.http.get(format!("{}/control{path}", self.base_url)).query(query);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    /// Creates a provider.
    pub async fn add_provider(&self, name: &str) -> Reply<ProviderId> {
        let new: NewProvider = self.post("/providers", &NewProvider { name: name.to_owned(), provider: None }).await?;
        new.provider.ok_or_else(|| ControlError::Refused { status: 200, body: "no provider in the answer".into() })
    }

    /// Creates an official account.
    pub async fn add_account(&self, provider: &ProviderId, spec: AccountSpec) -> Reply<AccountCard> {
        self.post("/accounts", &NewAccount { provider: provider.clone(), spec }).await
    }

    /// What the account's owner would see in the console now.
    pub async fn account(&self, account: &ChannelId) -> Reply<AccountState> {
        self.get(&format!("/accounts/{account}")).await
    }

    /// Changes quota, reservation, webhook URL, "Use webhook", redelivery or chat.
    pub async fn change_account(&self, account: &ChannelId, change: &AccountSettings) -> Reply<()> {
        self.call(Method::PATCH, &format!("/accounts/{account}"), Some(change)).await
    }

    /// Sets the webhook URL.
    pub async fn set_webhook_url(&self, account: &ChannelId, url: &str) -> Reply<()> {
        let change = AccountSettings { webhook_url: Some(url.to_owned()), ..AccountSettings::default() };
        self.change_account(account, &change).await
    }

    /// Reissues the channel secret; the old one is void at once.
    pub async fn reissue_secret(&self, account: &ChannelId) -> Reply<String> {
        Ok(self.post::<Secret>(&format!("/accounts/{account}/secret"), &()).await?.secret)
    }

    /// Reissues the long-lived access token; the old one is void at once.
    pub async fn reissue_access_token(&self, account: &ChannelId) -> Reply<String> {
        Ok(self.post::<Secret>(&format!("/accounts/{account}/access-token"), &()).await?.secret)
    }

    /// Registers the public key of JWT assertions; gives its key ID.
    pub async fn register_assertion_key(&self, account: &ChannelId, key: &AssertionKey) -> Reply<String> {
        Ok(self.post::<KeyId>(&format!("/accounts/{account}/assertion-keys"), key).await?.kid)
    }

    /// Sets how the account's webhooks travel.
    pub async fn set_delivery(&self, account: &ChannelId, trouble: &Trouble) -> Reply<()> {
        self.post(&format!("/accounts/{account}/delivery"), trouble).await
    }

    /// Creates a person.
    pub async fn add_person(&self, spec: &PersonSpec) -> Reply<PersonId> {
        Ok(self.post::<NewPerson>("/people", spec).await?.person)
    }

    /// The person's user ID at the account's provider; made now if they never met.
    pub async fn user_id(&self, account: &ChannelId, person: &PersonId) -> Reply<UserId> {
        Ok(self.get::<UserCard>(&format!("/accounts/{account}/people/{person}")).await?.user_id)
    }

    /// The person deletes their LINE account.
    pub async fn delete_person(&self, person: &PersonId) -> Reply<()> {
        self.post(&format!("/people/{person}/delete"), &()).await
    }

    /// Lets a person do something.
    pub async fn act(&self, account: &ChannelId, person: &PersonId, act: impl Into<ActRequest>) -> Reply<Done> {
        self.post(&format!("/accounts/{account}/people/{person}/acts"), &act.into()).await
    }

    /// The rich menu the person sees in the chat with the account.
    pub async fn rich_menu(&self, account: &ChannelId, person: &PersonId) -> Reply<Option<ShownRichMenu>> {
        self.get(&format!("/accounts/{account}/people/{person}/rich-menu")).await
    }

    /// LINE loses the account's rich menus, with who had which.
    pub async fn lose_rich_menus(&self, account: &ChannelId) -> Reply<()> {
        self.call(Method::DELETE, &format!("/accounts/{account}/rich-menus"), None::<&()>).await
    }

    /// Adds the account as a friend.
    pub async fn add_friend(&self, account: &ChannelId, person: &PersonId) -> Reply<Done> {
        self.act(account, person, Act::AddFriend { quiet: false }).await
    }

    /// Writes a text one-on-one.
    pub async fn write_text(&self, account: &ChannelId, person: &PersonId, text: &str) -> Reply<Done> {
        self.act(account, person, Act::Write(Writing::Text { text: text.to_owned(), extra: None })).await
    }

    /// Blocks the account.
    pub async fn block(&self, account: &ChannelId, person: &PersonId) -> Reply<Done> {
        self.act(account, person, Act::Block).await
    }

    /// Unblocks the account.
    pub async fn unblock(&self, account: &ChannelId, person: &PersonId) -> Reply<Done> {
        self.act(account, person, Act::Unblock).await
    }

    /// Many new people, all friends of the account; `quiet` without `follow` events.
    pub async fn add_friends(&self, account: &ChannelId, count: usize, quiet: bool) -> Reply<Vec<UserCard>> {
        self.post(&format!("/accounts/{account}/friends"), &NewFriends { count, quiet }).await
    }

    /// Sends an event of any type, also of one LINE has not invented yet: `type`, `source` and other properties.
    pub async fn raw_event(&self, account: &ChannelId, event: &Value) -> Reply<Done> {
        self.post(&format!("/accounts/{account}/events"), event).await
    }

    /// Opens an address as this person, following redirects, into the account-link dialog too.
    pub async fn open_link(&self, person: &PersonId, url: &str) -> Reply<Followed> {
        self.post(&format!("/people/{person}/open"), &OpenLink { url: url.to_owned() }).await
    }

    /// Creates a group or room.
    pub async fn add_chat(&self, spec: &ChatSpec) -> Reply<ChatId> {
        self.post("/chats", spec).await
    }

    /// Changes who is in a group or room.
    pub async fn change_chat(&self, chat: &ChatId, change: &ChatChange) -> Reply<Done> {
        self.post(&format!("/chats/{chat}/changes"), change).await
    }

    /// Injects a fault; gives its name.
    pub async fn add_fault(&self, fault: &Fault) -> Reply<String> {
        Ok(self.post::<FaultId>("/faults", fault).await?.fault)
    }

    /// Ends one fault.
    pub async fn end_fault(&self, fault: &str) -> Reply<()> {
        self.call(Method::DELETE, &format!("/faults/{fault}"), None::<&()>).await
    }

    /// Ends all faults.
    pub async fn clear_faults(&self) -> Reply<()> {
        self.call(Method::DELETE, "/faults", None::<&()>).await
    }

    /// Lays a rate limit over the published ones.
    pub async fn set_limit(&self, limit: &Limit) -> Reply<()> {
        self.post("/limits", limit).await
    }

    /// Accepted sends.
    pub async fn sent(&self, query: &BooksQuery) -> Reply<Vec<Sent>> {
        self.query("/books/sent", query).await
    }

    /// Webhook events and their deliveries.
    pub async fn webhooks(&self, query: &BooksQuery) -> Reply<Vec<Webhook>> {
        self.query("/books/webhooks", query).await
    }

    /// API requests and their answers, the latest 50,000.
    pub async fn requests(&self, query: &BooksQuery) -> Reply<Vec<Requested>> {
        self.query("/books/requests", query).await
    }

    /// Messages somebody was shown more than once.
    pub async fn duplicates(&self) -> Reply<Vec<Duplicate>> {
        self.get("/books/duplicates").await
    }

    /// The counters.
    pub async fn counts(&self) -> Reply<Counts> {
        self.get("/books/counts").await
    }

    /// Starts new books.
    pub async fn reset_books(&self, detail: Detail) -> Reply<()> {
        self.post("/books/reset", &Reset { detail }).await
    }

    /// Waits until every webhook event was tried at least once; false when the time was up first.
    pub async fn webhooks_settled(&self, within: Duration) -> Reply<bool> {
        let millis = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        Ok(self.query::<Settled>("/webhooks/settled", &[("within_ms", millis)]).await?.settled)
    }

    /// Begins to play a scenario file (its text).
    pub async fn play_scenario(&self, text: &str, how: &PlayQuery) -> Reply<Progress> {
        let request = self.http.post(format!("{}/control/scenarios", self.base_url)).query(how).body(text.to_owned());
        let answer = request.send().await?;
        let status = answer.status();
        if !status.is_success() {
            return Err(ControlError::Refused { status: status.as_u16(), body: answer.text().await? });
        }
        Ok(answer.json().await?)
    }

    /// How far a scenario is.
    pub async fn scenario(&self, scenario: &str) -> Reply<Progress> {
        self.get(&format!("/scenarios/{scenario}")).await
    }

    /// Stops a scenario.
    pub async fn stop_scenario(&self, scenario: &str) -> Reply<()> {
        self.call(Method::DELETE, &format!("/scenarios/{scenario}"), None::<&()>).await
    }

    /// The simulated time.
    pub async fn clock(&self) -> Reply<ClockReading> {
        self.get("/clock").await
    }

    /// Turns the clock.
    pub async fn turn_clock(&self, turn: &ClockTurn) -> Reply<ClockReading> {
        self.post("/clock", turn).await
    }

    /// Lets simulated time pass.
    pub async fn advance(&self, by: TimeDelta) -> Reply<DateTime<Utc>> {
        let turn = ClockTurn { advance_ms: Some(by.num_milliseconds()), ..ClockTurn::default() };
        Ok(self.turn_clock(&turn).await?.now)
    }
}
