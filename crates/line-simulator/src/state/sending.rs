//! Accepting messages: reply, push, multicast and broadcast, and who really gets them.
//!
//! <https://developers.line.biz/en/docs/messaging-api/sending-messages/>

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::books::Sent;
use super::friendship::Fate;
use super::id::{ChannelId, ChatId, UserId, is_well_formed};
use super::quota::{day_of, month_of};
use super::refusal::Refusal;
use super::retry_key::Acceptance;
use super::world::World;

/// The ways to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Free, by reply token.
    Reply,
    /// To one user, group or room.
    Push,
    /// To up to 500 users.
    Multicast,
    /// To every friend.
    Broadcast,
}

/// Message types that can be quoted, and so get a quote token when sent.
const QUOTABLE: [&str; 7] = ["text", "textV2", "sticker", "image", "video", "template", "flex"];
/// At most so many aggregation unit names a month; later ones are silently not assigned.
const UNITS_PER_MONTH: usize = 1_000;

/// A well-formed request to send.
#[derive(Clone, Debug)]
pub(crate) struct Send {
    pub(crate) channel: ChannelId,
    pub(crate) request_id: String,
    pub(crate) retry_key: Option<Uuid>,
    pub(crate) messages: Vec<Value>,
    pub(crate) unit: Option<String>,
}

impl World {
    /// Answers the holder of a reply token. Free.
    pub(crate) fn reply(&mut self, now: DateTime<Utc>, send: Send, token: &str) -> Result<Value, Refusal> {
        let chat = self.reply_tokens.usable(now, &send.channel, token).cloned().ok_or(Refusal::ReplyToken)?;
        self.check_chat_rules(&send, Some(&chat))?;
        let fates = vec![(chat.to_user(), Fate::Delivered)];
        self.reply_tokens.spend(token);
        let body = self.post(now, Method::Reply, send, vec![chat], fates, 0, Some(token.to_owned()));
        Ok(body)
    }

    /// Sends to one chat.
    pub(crate) fn push(&mut self, now: DateTime<Utc>, send: Send, to: &str) -> Result<Value, Refusal> {
        self.check_retry_key(now, &send)?;
        if !is_well_formed(to, b"UCR") {
            return Err(Refusal::InvalidProperty("to".into()));
        }
        let chat = ChatId::from(to);
        self.check_chat_rules(&send, Some(&chat))?;
        let (fates, count) = if chat.is_user() {
            let fate = self.fate(now, &send.channel, &chat.to_user(), true).ok_or(Refusal::FailedToSend)?;
            (vec![(chat.to_user(), fate)], u64::from(fate == Fate::Delivered))
        } else {
            let members = self
                .chats
                .get(&chat)
                .filter(|known| known.account.as_ref() == Some(&send.channel))
                .map(|known| known.members.len() as u64)
                .ok_or(Refusal::FailedToSend)?;
            (vec![(chat.to_user(), Fate::Delivered)], members)
        };
        self.check_quota(now, &send.channel, count)?;
        Ok(self.post(now, Method::Push, send, vec![chat], fates, count, None))
    }

    /// Sends to up to 500 users. Nobody gets anything when one ID is malformed; foreign and unknown IDs are passed over
    /// (LINE's page states both this and a 400; this reading is its conditions section).
    pub(crate) fn multicast(&mut self, now: DateTime<Utc>, send: Send, to: &[String]) -> Result<Value, Refusal> {
        self.check_retry_key(now, &send)?;
        if let Some(at) = to.iter().position(|id| !is_well_formed(id, b"U")) {
            return Err(Refusal::property(format!("to[{at}]"), "Invalid user ID"));
        }
        self.check_chat_rules(&send, None)?;
        let fates: Vec<(UserId, Fate)> = to
            .iter()
            .map(|id| UserId::from(id.as_str()))
            .map(|user| {
                let fate = self.fate(now, &send.channel, &user, false).unwrap_or(Fate::NoAccount);
                (user, fate)
            })
            .collect();
        let count = delivered(&fates);
        self.check_quota(now, &send.channel, count)?;
        let chats = to.iter().map(|id| ChatId::from(id.as_str())).collect();
        self.post(now, Method::Multicast, send, chats, fates, count, None);
        Ok(json!({}))
    }

    /// Sends to every friend.
    pub(crate) fn broadcast(&mut self, now: DateTime<Utc>, send: Send) -> Result<Value, Refusal> {
        self.check_retry_key(now, &send)?;
        self.check_chat_rules(&send, None)?;
        let friends = self.accounts.get(&send.channel).map(super::account::Account::friends).unwrap_or_default();
        let fates: Vec<(UserId, Fate)> = friends
            .iter()
            .filter_map(|person| self.user_id(&send.channel, person))
            .map(|user| (user, Fate::Delivered))
            .collect();
        let count = delivered(&fates);
        self.check_quota(now, &send.channel, count)?;
        let chats = fates.iter().map(|(user, _)| ChatId::from(user.as_str())).collect();
        self.post(now, Method::Broadcast, send, chats, fates, count, None);
        Ok(json!({}))
    }

    /// What becomes of a message to this user; `None` when the ID is not one of this provider's.
    fn fate(&self, now: DateTime<Utc>, channel: &ChannelId, user: &UserId, one_to_one: bool) -> Option<Fate> {
        let account = self.accounts.get(channel)?;
        let (provider, person) = self.user_ids.get(user)?;
        if *provider != account.provider {
            return None;
        }
        if self.people.get(person).is_none_or(|p| p.gone) {
            return Some(Fate::NoAccount);
        }
        Some(account.friendships.get(person).map_or(Fate::NotAFriend, |f| f.fate(now, one_to_one)))
    }

    fn check_retry_key(&self, now: DateTime<Utc>, send: &Send) -> Result<(), Refusal> {
        match send.retry_key.and_then(|key| self.retry_keys.earlier(now, &send.channel, key)) {
            Some(earlier) => Err(Refusal::AlreadyAccepted {
                request_id: earlier.request_id.clone(),
                sent_messages: earlier.sent_messages.clone(),
            }),
            None => Ok(()),
        }
    }

    fn check_quota(&self, now: DateTime<Utc>, channel: &ChannelId, recipients: u64) -> Result<(), Refusal> {
        let allowed = self.accounts.get(channel).is_some_and(|a| a.quota.allows(now, recipients));
        if allowed { Ok(()) } else { Err(Refusal::MonthlyLimit) }
    }

    /// Quotes must stay in their chat, mentions in a group whose members they name.
    fn check_chat_rules(&self, send: &Send, chat: Option<&ChatId>) -> Result<(), Refusal> {
        for (at, message) in send.messages.iter().enumerate() {
            if let Some(token) = message.get("quoteToken").and_then(Value::as_str)
                && !chat.is_some_and(|chat| self.mint.is_quote_token(&send.channel, chat, token))
            {
                return Err(Refusal::property(format!("messages[{at}].quoteToken"), "Invalid quote token"));
            }
            let substitutions = message.get("substitution").and_then(Value::as_object);
            for (key, value) in substitutions.into_iter().flatten() {
                if value.get("type").and_then(Value::as_str) == Some("mention") && !self.may_mention(chat, value) {
                    let property = format!("messages[{at}].substitution.{key}");
                    return Err(Refusal::property(property, "Mention is not allowed"));
                }
            }
        }
        Ok(())
    }

    fn may_mention(&self, chat: Option<&ChatId>, substitute: &Value) -> bool {
        let Some(known) = chat.and_then(|chat| self.chats.get(chat)) else { return false };
        match substitute.pointer("/mentionee/userId").and_then(Value::as_str) {
            Some(user) => self.user_ids.get(&UserId::from(user)).is_some_and(|(_, p)| known.members.contains(p)),
            None => true,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one books entry, decided by four callers")]
    fn post(
        &mut self,
        now: DateTime<Utc>,
        method: Method,
        send: Send,
        chats: Vec<ChatId>,
        fates: Vec<(UserId, Fate)>,
        counted: u64,
        reply_token: Option<String>,
    ) -> Value {
        let message_ids: Vec<String> = send.messages.iter().map(|_| self.mint.message_id()).collect();
        let body = match (method, chats.first()) {
            (Method::Reply | Method::Push, Some(chat)) => {
                json!({ "sentMessages": self.sent_messages(&send, chat, &message_ids) })
            }
            _ => json!({}),
        };
        if let Some(account) = self.accounts.get_mut(&send.channel) {
            account.quota.count(now, counted);
            *account.sent_by_day.entry((method, day_of(now))).or_default() += delivered(&fates);
            if let Some(unit) = &send.unit {
                let names = account.units.entry(month_of(now)).or_default();
                if names.len() < UNITS_PER_MONTH {
                    names.insert(unit.clone());
                }
            }
        }
        if let Some(key) = send.retry_key {
            let sent_messages = (method == Method::Push).then(|| body["sentMessages"].clone());
            let acceptance = Acceptance { request_id: send.request_id.clone(), sent_messages };
            self.retry_keys.remember(now, send.channel.clone(), key, acceptance);
        }
        self.books.accepted(Sent {
            number: 0,
            at: now,
            account: send.channel,
            method,
            request_id: send.request_id,
            retry_key: send.retry_key.map(|key| key.to_string()),
            reply_token,
            chats,
            messages: send.messages,
            message_ids,
            fates,
            counted,
        });
        body
    }

    fn sent_messages(&self, send: &Send, chat: &ChatId, ids: &[String]) -> Vec<Value> {
        let entry = |(message, id): (&Value, &String)| {
            let kind = message.get("type").and_then(Value::as_str).unwrap_or_default();
            if QUOTABLE.contains(&kind) {
                json!({ "id": id, "quoteToken": self.mint.quote_token(&send.channel, chat, id) })
            } else {
                json!({ "id": id })
            }
        };
        send.messages.iter().zip(ids).map(entry).collect()
    }
}

fn delivered(fates: &[(UserId, Fate)]) -> u64 {
    fates.iter().filter(|(_, fate)| *fate == Fate::Delivered).count() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::state::account::AccountSpec;
    use crate::state::act::Act;
    use crate::state::person::PersonSpec;
    use crate::state::writing::Writing;

    #[derive(Clone, Debug)]
    enum Step {
        Push { key: u128 },
        Multicast { key: u128 },
        Write,
        Reply { token: usize },
        Block,
        Unblock,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0_u128..4).prop_map(|key| Step::Push { key }),
            2 => (4_u128..8).prop_map(|key| Step::Multicast { key }),
            3 => Just(Step::Write),
            3 => (0_usize..6).prop_map(|token| Step::Reply { token }),
            1 => Just(Step::Block),
            1 => Just(Step::Unblock),
        ]
    }

    proptest! {
        /// Whatever happens in whatever order: a retry key is accepted once, a reply token is accepted once, the month's
        /// limit is never passed, and exactly what was delivered and is not free has been counted.
        #[test]
        fn nothing_is_accepted_twice_or_over_the_limit(
            steps in proptest::collection::vec(step(), 1..80),
            limit in 0_u64..12,
        ) {
            let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default();
            let mut world = World::seeded(3);
            let provider = world.add_provider("p".into());
            let spec = AccountSpec { quota: Some(limit), ..AccountSpec::default() };
            let channel = world.add_account(now, &provider, spec).unwrap().channel_id;
            let person = world.add_person(PersonSpec::default());
            world.act(now, &channel, &person, Act::AddFriend { quiet: true }.into()).unwrap();
            let user = world.introduce(&channel, &person).unwrap();
            let mut tokens = Vec::new();
            for (n, step) in steps.into_iter().enumerate() {
                let send = |key: Option<u128>| Send {
                    channel: channel.clone(),
                    request_id: n.to_string(),
                    retry_key: key.map(Uuid::from_u128),
                    messages: vec![json!({ "type": "text", "text": n.to_string() })],
                    unit: None,
                };
                match step {
                    Step::Push { key } => drop(world.push(now, send(Some(key)), user.as_str())),
                    Step::Multicast { key } => drop(world.multicast(now, send(Some(key)), &[user.to_string()])),
                    Step::Write => {
                        let act = Act::Write(Writing::Text { text: "x".into(), extra: None });
                        let done = world.act(now, &channel, &person, act.into());
                        if let Some(token) = done.ok().and_then(|done| done.reply_token) {
                            world.reply_tokens.delivered(now, &token);
                            tokens.push(token);
                        }
                    }
                    Step::Reply { token } => {
                        if let Some(token) = tokens.get(token) {
                            drop(world.reply(now, send(None), token));
                        }
                    }
                    Step::Block => drop(world.act(now, &channel, &person, Act::Block.into())),
                    Step::Unblock => drop(world.act(now, &channel, &person, Act::Unblock.into())),
                }
            }
            let sent = &world.books.sent;
            let once = |names: Vec<&String>| {
                let different: std::collections::HashSet<_> = names.iter().copied().collect();
                different.len() == names.len()
            };
            prop_assert!(once(sent.iter().filter_map(|s| s.retry_key.as_ref()).collect()));
            prop_assert!(once(sent.iter().filter_map(|s| s.reply_token.as_ref()).collect()));
            let paid = sent.iter().filter(|s| s.method != Method::Reply && s.fates[0].1 == Fate::Delivered).count() as u64;
            let used = world.accounts[&channel].quota.used(now);
            prop_assert_eq!(used, paid);
            prop_assert!(used <= limit);
        }
    }
}
