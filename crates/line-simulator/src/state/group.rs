//! Groups and rooms: who comes, who goes, and what the account hears of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::event::{Done, EventParts};
use super::id::{ChannelId, ChatId, PersonId, UserId};
use super::person::{Chat, ChatKind, ChatSpec};
use super::world::{ActError, World};

/// A change of who is in a group or room.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum ChatChange {
    /// Somebody invites the account: `join`.
    InviteAccount {
        /// The account.
        account: ChannelId,
    },
    /// Somebody removes the account: `leave`.
    RemoveAccount,
    /// People come in: `memberJoined`.
    MembersJoin {
        /// Who.
        people: Vec<PersonId>,
    },
    /// People go: `memberLeft`, without reply token.
    MembersLeave {
        /// Who.
        people: Vec<PersonId>,
    },
}

impl World {
    pub(crate) fn add_chat(&mut self, spec: ChatSpec) -> Result<ChatId, ActError> {
        if spec.members.iter().any(|person| !self.people.contains_key(person)) {
            return Err(ActError::Unknown("person"));
        }
        let letter = if spec.kind == ChatKind::Group { 'C' } else { 'R' };
        let id = ChatId::from(format!("{letter}{}", self.mint.hex(16)));
        let members = spec.members.into_iter().collect();
        self.chats
            .insert(id.clone(), Chat { id: id.clone(), kind: spec.kind, name: spec.name, members, account: None });
        Ok(id)
    }

    pub(crate) fn change_chat(
        &mut self,
        now: DateTime<Utc>,
        id: &ChatId,
        change: ChatChange,
    ) -> Result<Done, ActError> {
        match change {
            ChatChange::InviteAccount { account } => {
                self.account(&account)?;
                let chat = self.chats.get_mut(id).ok_or(ActError::Unknown("chat"))?;
                if chat.account.is_some() {
                    return Err(ActError::Impossible("an official account is in that chat already"));
                }
                chat.account = Some(account.clone());
                Ok(self.emit(now, &account, EventParts::replyable("join", source(id), id.clone())))
            }
            ChatChange::RemoveAccount => {
                let chat = self.chats.get_mut(id).ok_or(ActError::Unknown("chat"))?;
                let account = chat.account.take().ok_or(ActError::Impossible("no official account in that chat"))?;
                Ok(self.emit(now, &account, EventParts::silent("leave", Some(source(id)))))
            }
            ChatChange::MembersJoin { people } => {
                let account = self.move_members(id, &people, true)?;
                let Some(account) = account else { return Ok(Done::default()) };
                let members = self.member_sources(&account, &people)?;
                let parts = EventParts::replyable("memberJoined", source(id), id.clone());
                Ok(self.emit(now, &account, parts.with("joined", json!({ "members": members }))))
            }
            ChatChange::MembersLeave { people } => {
                let account = self.move_members(id, &people, false)?;
                let Some(account) = account else { return Ok(Done::default()) };
                let members = self.member_sources(&account, &people)?;
                let parts = EventParts::silent("memberLeft", Some(source(id)));
                Ok(self.emit(now, &account, parts.with("left", json!({ "members": members }))))
            }
        }
    }

    fn move_members(&mut self, id: &ChatId, people: &[PersonId], come: bool) -> Result<Option<ChannelId>, ActError> {
        if people.iter().any(|person| !self.people.contains_key(person)) {
            return Err(ActError::Unknown("person"));
        }
        let chat = self.chats.get_mut(id).ok_or(ActError::Unknown("chat"))?;
        for person in people {
            if come {
                chat.members.insert(person.clone());
            } else {
                chat.members.remove(person);
            }
        }
        Ok(chat.account.clone())
    }

    fn member_sources(&mut self, channel: &ChannelId, people: &[PersonId]) -> Result<Vec<Value>, ActError> {
        people.iter().map(|person| Ok(json!({ "type": "user", "userId": self.introduce(channel, person)? }))).collect()
    }

    /// The account itself leaves, through the API: the same `leave` event follows.
    pub(crate) fn leave_chat(&mut self, now: DateTime<Utc>, id: &ChatId) -> Result<Done, ActError> {
        self.change_chat(now, id, ChatChange::RemoveAccount)
    }

    /// The chat, when this account is in it.
    pub(crate) fn chat_with(&self, channel: &ChannelId, id: &str, kind: ChatKind) -> Option<&Chat> {
        self.chats.get(&ChatId::from(id)).filter(|chat| chat.kind == kind && chat.account.as_ref() == Some(channel))
    }

    /// A member of a chat by user ID.
    pub(crate) fn member_of(&self, channel: &ChannelId, chat: &Chat, user: &str) -> Option<PersonId> {
        let person = self.person_of(channel, &UserId::from(user))?;
        chat.members.contains(person).then(|| person.clone())
    }
}

fn source(id: &ChatId) -> Value {
    if id.as_str().starts_with('C') {
        json!({ "type": "group", "groupId": id })
    } else {
        json!({ "type": "room", "roomId": id })
    }
}
