//! Doing what a step says.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::expectation::{Expectation, Expected, Met, Recipient, Words, meet, unanswered};
use super::progress::Cast;
use super::{Actor, Deed, Step};
use crate::control::open;
use crate::platform::Platform;
use crate::state::act::{Act, ActRequest};
use crate::state::event::Done;
use crate::state::group::ChatChange;
use crate::state::id::{ChannelId, ChatId};
use crate::state::world::{ActError, World};

/// How long a tap waits for the message it taps on, in the machine's time.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it looks.
const GLANCE: Duration = Duration::from_millis(20);

/// The scenario's cast, and what its steps made.
#[derive(Debug)]
pub(super) struct Stage {
    platform: Arc<Platform>,
    cast: Cast,
    messages: HashMap<String, String>,
    faults: HashMap<String, String>,
    met: Met,
}

impl Stage {
    pub(super) fn new(platform: Arc<Platform>, cast: Cast) -> Self {
        Self { platform, cast, messages: HashMap::new(), faults: HashMap::new(), met: Met::new() }
    }

    /// Does it; tells why it could not be done, or what was not met.
    pub(super) async fn carry_out(&mut self, step: &Step) -> Result<(), String> {
        match &step.deed {
            Deed::Tap { actor, label, open } => self.tap(actor, label, *open).await,
            Deed::Expect(expectation) => self.expect(expectation).await,
            _ => self.at_once(step).map_err(|fault| fault.to_string()),
        }
    }

    fn at_once(&mut self, step: &Step) -> Result<(), ActError> {
        let done = match &step.deed {
            Deed::Act(actor, act) => self.act(actor, act.clone())?,
            Deed::Edit(actor, message, text) => {
                let act = Act::Edit { message_id: self.message(message)?, text: text.clone() };
                self.act(actor, act)?
            }
            Deed::Unsend(actor, message) => {
                let act = Act::Unsend { message_id: self.message(message)? };
                self.act(actor, act)?
            }
            Deed::Leave(person) => {
                self.platform.with(|world, _| world.delete_person(person))?;
                Done::default()
            }
            Deed::Invite { chat, account } => {
                self.change(chat, ChatChange::InviteAccount { account: self.channel(account)? })?
            }
            Deed::Remove { chat } => self.change(chat, ChatChange::RemoveAccount)?,
            Deed::Come { chat, people } => self.change(chat, ChatChange::MembersJoin { people: people.clone() })?,
            Deed::Go { chat, people } => self.change(chat, ChatChange::MembersLeave { people: people.clone() })?,
            Deed::Event { account, event } => {
                let channel = self.channel(account)?;
                self.platform.with(|world, now| world.raw_event(now, &channel, event.clone()))?
            }
            _ => return self.order(step),
        };
        if let (Some(name), Some(message)) = (&step.name, done.message_id) {
            self.messages.insert(name.clone(), message);
        }
        Ok(())
    }

    /// What is nobody's act: faults, trouble, settings, the clock.
    fn order(&mut self, step: &Step) -> Result<(), ActError> {
        match &step.deed {
            Deed::Fault { account, fault } => {
                let mut fault = fault.clone();
                fault.account = account.as_ref().map(|account| self.channel(account)).transpose()?;
                let id = self.platform.with(|world, _| world.order_fault(fault));
                if let Some(name) = &step.name {
                    self.faults.insert(name.clone(), id);
                }
            }
            Deed::EndFault(name) => {
                // One that has struck as often as it should is over already.
                if let Some(id) = self.faults.get(name) {
                    self.platform.with(|world, _| world.faults.end(id));
                }
            }
            Deed::ClearFaults => self.platform.with(|world, _| world.faults.clear()),
            Deed::Delivery { account, trouble } => {
                let channel = self.channel(account)?;
                self.platform.with(|world, _| world.troubles.insert(channel.clone(), trouble.clone()));
                self.platform.mailroom.trouble_changed(&channel);
            }
            Deed::Settings { account, settings } => {
                let channel = self.channel(account)?;
                self.platform.with(|world, _| world.change_account(&channel, settings.clone()))?;
            }
            Deed::Clock(turn) => self.platform.clock.turn(*turn),
            _ => {}
        }
        Ok(())
    }

    async fn tap(&mut self, actor: &Actor, label: &str, open_it: bool) -> Result<(), String> {
        let said = |fault: ActError| fault.to_string();
        let channel = self.channel(&actor.account).map_err(said)?;
        let chat = self.chat_of(actor).map_err(said)?;
        let newest = |world: &mut World| world.newest_with_button(&channel, &chat, label);
        let message_id = self.within(PATIENCE, newest).await;
        let message_id = message_id.ok_or("no message in that chat has such a button")?;
        let done = self.act(actor, Act::Tap { message_id, label: label.to_owned() }).map_err(said)?;
        if !open_it {
            return Ok(());
        }
        let url = done.uri.ok_or("that button opens no address")?;
        let opened = open(&self.platform, &actor.person, &url).await.map_err(said)?;
        if opened.status < 400 { Ok(()) } else { Err(format!("the address answered {}", opened.status)) }
    }

    async fn expect(&mut self, expectation: &Expectation) -> Result<(), String> {
        let within = expectation.within;
        match &expectation.what {
            Expected::Message { account, to, words } => {
                let said = |fault: ActError| fault.to_string();
                let channel = self.channel(account).map_err(said)?;
                let chat = self.recipient(&channel, to).map_err(said)?;
                let mut met = std::mem::take(&mut self.met);
                let look = |world: &mut World, met: &mut Met| {
                    meet(&world.books.sent, &channel, &chat, words, met).then_some(())
                };
                let found = self.within(within, |world| look(world, &mut met)).await;
                self.met = met;
                found.ok_or_else(|| format!("no such message came within {} s", within.as_secs_f64()))
            }
            Expected::WebhooksAnswered => {
                let all = self.within(within, |world| (unanswered(&world.books.webhooks) == 0).then_some(())).await;
                let left = || self.platform.with(|world, _| unanswered(&world.books.webhooks));
                all.ok_or_else(|| {
                    format!("{} webhooks were not answered with 2xx within {} s", left(), within.as_secs_f64())
                })
            }
        }
    }

    /// Looks at the world until it shows something, for so long at most.
    async fn within<T>(&self, patience: Duration, mut look: impl FnMut(&mut World) -> Option<T>) -> Option<T> {
        let looking = async {
            loop {
                if let Some(found) = self.platform.with(|world, _| look(world)) {
                    return found;
                }
                tokio::time::sleep(GLANCE).await;
            }
        };
        tokio::time::timeout(patience, looking).await.ok()
    }

    fn act(&self, actor: &Actor, act: Act) -> Result<Done, ActError> {
        let channel = self.channel(&actor.account)?;
        let chat = actor.chat.as_ref().map(|chat| self.chat(chat)).transpose()?;
        let request = ActRequest { act, chat, standby: actor.standby };
        self.platform.with(|world, now| world.act(now, &channel, &actor.person, request))
    }

    fn change(&self, chat: &str, change: ChatChange) -> Result<Done, ActError> {
        let chat = self.chat(chat)?;
        self.platform.with(|world, now| world.change_chat(now, &chat, change))
    }

    fn recipient(&self, channel: &ChannelId, to: &Recipient) -> Result<ChatId, ActError> {
        match to {
            Recipient::Person(person) => {
                let user = self.platform.with(|world, _| world.introduce(channel, person))?;
                Ok(ChatId::from(user.as_str()))
            }
            Recipient::Chat(chat) => self.chat(chat),
        }
    }

    fn chat_of(&self, actor: &Actor) -> Result<ChatId, ActError> {
        let channel = self.channel(&actor.account)?;
        let to = actor.chat.clone().map_or_else(|| Recipient::Person(actor.person.clone()), Recipient::Chat);
        self.recipient(&channel, &to)
    }

    fn channel(&self, account: &str) -> Result<ChannelId, ActError> {
        self.cast.accounts.get(account).map(|card| card.channel_id.clone()).ok_or(ActError::Unknown("account"))
    }

    fn chat(&self, chat: &str) -> Result<ChatId, ActError> {
        self.cast.chats.get(chat).cloned().ok_or(ActError::Unknown("chat"))
    }

    fn message(&self, name: &str) -> Result<String, ActError> {
        self.messages.get(name).cloned().ok_or(ActError::Impossible("the message it speaks of was not written"))
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Act(actor, act) => write!(f, "{} {}", actor.person, act.verb()),
            Self::Edit(actor, ..) => write!(f, "{} edits a message", actor.person),
            Self::Unsend(actor, _) => write!(f, "{} takes a message back", actor.person),
            Self::Tap { actor, label, open: false } => write!(f, "{} taps “{label}”", actor.person),
            Self::Tap { actor, label, open: true } => write!(f, "{} opens “{label}”", actor.person),
            Self::Leave(person) => write!(f, "{person} leaves LINE"),
            Self::Invite { chat, account } => write!(f, "{account} is invited to {chat}"),
            Self::Remove { chat } => write!(f, "the account is removed from {chat}"),
            Self::Come { chat, people } => write!(f, "{} join {chat}", people.len()),
            Self::Go { chat, people } => write!(f, "{} leave {chat}", people.len()),
            Self::Event { account, .. } => write!(f, "{account} gets an event"),
            Self::Fault { .. } => f.write_str("a fault is ordered"),
            Self::EndFault(name) => write!(f, "the fault {name} ends"),
            Self::ClearFaults => f.write_str("all faults end"),
            Self::Delivery { account, .. } => write!(f, "webhooks of {account} travel otherwise"),
            Self::Settings { account, .. } => write!(f, "{account} is set otherwise"),
            Self::Clock(_) => f.write_str("the clock is turned"),
            Self::Expect(Expectation { what: Expected::WebhooksAnswered, .. }) => {
                f.write_str("every webhook is answered")
            }
            Self::Expect(Expectation { what: Expected::Message { to, words, .. }, .. }) => {
                match to {
                    Recipient::Person(person) => write!(f, "{person} gets")?,
                    Recipient::Chat(chat) => write!(f, "{chat} gets")?,
                }
                match words {
                    Words::Any => f.write_str(" a message"),
                    Words::Exactly(text) => write!(f, " “{text}”"),
                    Words::Containing(part) => write!(f, " a message with “{part}” in it"),
                }
            }
        }
    }
}
