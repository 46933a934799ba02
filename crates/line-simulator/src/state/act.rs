//! What a person can do in LINE towards an official account, and the events it causes.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::event::{Done, EventParts};
use super::id::{ChannelId, ChatId, PersonId, UserId};
use super::quota::day_of;
use super::world::{ActError, World};
use super::writing::Writing;

/// One act of a person.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    /// Adds the account as a friend: `follow` with `isUnblocked: false`.
    AddFriend {
        /// Happened before the webhook was set up: no event.
        #[serde(default)]
        quiet: bool,
    },
    /// Blocks the account: `unfollow`.
    Block,
    /// Unblocks it: `follow` with `isUnblocked: true`.
    Unblock,
    /// Writes something: `message`.
    Write(Writing),
    /// Edits a text of theirs in a group: `messageEdited`.
    Edit {
        /// The message to change.
        message_id: String,
        /// Its new text.
        text: String,
    },
    /// Takes a message back: `unsend`; its content is gone.
    Unsend {
        /// The message to take back.
        message_id: String,
    },
    /// Taps something with a postback action: `postback`.
    Postback {
        /// The action's data.
        data: String,
        /// Picker or rich menu parameters.
        #[serde(default)]
        params: Option<Value>,
    },
    /// Taps the button with this label on a message the account sent; what follows depends on the button's action.
    Tap {
        /// The message, by ID.
        message_id: String,
        /// The button, by label.
        label: String,
    },
    /// Taps a place of the rich menu they see; what follows depends on the place's action.
    TapRichMenu {
        /// Which of the menu's areas, from 0.
        area: usize,
    },
    /// Watches a video with a tracking ID to its end: `videoPlayComplete`.
    FinishVideo {
        /// The sent message's `trackingId`.
        tracking_id: String,
    },
    /// Comes near a beacon: `beacon`.
    Beacon {
        /// Hardware ID.
        hwid: String,
        /// `enter`, `banner` or `stay`.
        kind: String,
        /// Device message, hexadecimal.
        #[serde(default)]
        dm: Option<String>,
    },
    /// Joins, leaves or renews a membership: `membership`.
    Membership {
        /// `joined`, `left` or `renewed`.
        kind: String,
        /// The membership plan.
        membership_id: i64,
    },
}

/// An act with its circumstances.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ActRequest {
    /// What is done.
    #[serde(flatten)]
    pub act: Act,
    /// In this group or room; one-on-one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<ChatId>,
    /// Another module channel holds the chat: the event comes with `mode: standby` and without reply token.
    #[serde(default)]
    pub standby: bool,
}

impl Act {
    /// What somebody does, in a word or two.
    pub(crate) fn verb(&self) -> &'static str {
        match self {
            Self::AddFriend { quiet: false } => "adds the account",
            Self::AddFriend { quiet: true } => "is a friend already",
            Self::Block => "blocks the account",
            Self::Unblock => "unblocks the account",
            Self::Write(Writing::Text { .. }) => "writes",
            Self::Write(_) => "sends something",
            Self::Edit { .. } => "edits a message",
            Self::Unsend { .. } => "takes a message back",
            Self::Postback { .. } => "taps a postback",
            Self::Tap { .. } => "taps a button",
            Self::TapRichMenu { .. } => "taps the rich menu",
            Self::FinishVideo { .. } => "watches a video to its end",
            Self::Beacon { .. } => "comes near a beacon",
            Self::Membership { .. } => "changes a membership",
        }
    }
}

impl From<Act> for ActRequest {
    fn from(act: Act) -> Self {
        Self { act, chat: None, standby: false }
    }
}

/// Who acts, where.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) channel: ChannelId,
    pub(crate) person: PersonId,
    pub(crate) user: UserId,
    pub(crate) chat: ChatId,
    pub(crate) standby: bool,
    consented: bool,
}

impl Scene {
    /// `source` of an event in this scene.
    pub(crate) fn source(&self) -> Value {
        let mut source = match self.chat.as_str().as_bytes().first() {
            Some(b'C') => json!({ "type": "group", "groupId": self.chat }),
            Some(b'R') => json!({ "type": "room", "roomId": self.chat }),
            _ => json!({ "type": "user" }),
        };
        if self.consented {
            source["userId"] = json!(self.user);
        }
        source
    }

    /// An event here that can be replied to.
    pub(crate) fn replyable<'a>(&self, kind: &'a str) -> EventParts<'a> {
        EventParts::replyable(kind, self.source(), self.chat.clone()).standby(self.standby)
    }

    /// An event here that cannot.
    pub(crate) fn silent<'a>(&self, kind: &'a str) -> EventParts<'a> {
        EventParts::silent(kind, Some(self.source())).standby(self.standby)
    }
}

impl World {
    /// Lets a person do something.
    pub(crate) fn act(
        &mut self,
        now: DateTime<Utc>,
        channel: &ChannelId,
        person: &PersonId,
        request: ActRequest,
    ) -> Result<Done, ActError> {
        let scene = self.scene(channel, person, request.chat, request.standby)?;
        match request.act {
            Act::AddFriend { quiet } => self.add_friend(now, &scene, quiet),
            Act::Block => self.block(now, &scene),
            Act::Unblock => self.unblock(now, &scene),
            Act::Write(writing) => self.write(now, &scene, writing),
            Act::Edit { message_id, text } => self.edit(now, &scene, &message_id, &text),
            Act::Unsend { message_id } => self.unsend(now, &scene, &message_id),
            Act::Postback { data, params } => Ok(self.postback(now, &scene, &data, params)),
            Act::Tap { message_id, label } => self.tap(now, &scene, &message_id, &label),
            Act::TapRichMenu { area } => self.tap_rich_menu(now, &scene, area),
            Act::FinishVideo { tracking_id } => {
                let parts = scene.replyable("videoPlayComplete");
                Ok(self.emit(now, channel, parts.with("videoPlayComplete", json!({ "trackingId": tracking_id }))))
            }
            Act::Beacon { hwid, kind, dm } => {
                let mut beacon = json!({ "hwid": hwid, "type": kind });
                if let Some(dm) = dm {
                    beacon["dm"] = json!(dm);
                }
                Ok(self.emit(now, channel, scene.replyable("beacon").with("beacon", beacon)))
            }
            Act::Membership { kind, membership_id } => {
                let membership = json!({ "type": kind, "membershipId": membership_id });
                Ok(self.emit(now, channel, scene.replyable("membership").with("membership", membership)))
            }
        }
    }

    fn scene(
        &mut self,
        channel: &ChannelId,
        person: &PersonId,
        chat: Option<ChatId>,
        standby: bool,
    ) -> Result<Scene, ActError> {
        let user = self.introduce(channel, person)?;
        let known = self.people.get(person).ok_or(ActError::Unknown("person"))?;
        if known.gone {
            return Err(ActError::Impossible("the person has deleted the LINE account"));
        }
        let consented = known.spec.consented;
        if let Some(id) = &chat {
            let group = self.chats.get(id).ok_or(ActError::Unknown("chat"))?;
            if !group.members.contains(person) || group.account.as_ref() != Some(channel) {
                return Err(ActError::Impossible("the person and the account are not both in that chat"));
            }
        }
        let chat = chat.unwrap_or_else(|| ChatId::from(user.as_str()));
        Ok(Scene { channel: channel.clone(), person: person.clone(), user, chat, standby, consented })
    }

    fn add_friend(&mut self, now: DateTime<Utc>, scene: &Scene, quiet: bool) -> Result<Done, ActError> {
        // A friend from before counts on every day.
        let added = if quiet { String::new() } else { day_of(now) };
        self.turn_friendship(scene, now, Some(&added))?;
        Ok(if quiet { Done::default() } else { self.emit(now, &scene.channel, follow(scene, false)) })
    }

    fn block(&mut self, now: DateTime<Utc>, scene: &Scene) -> Result<Done, ActError> {
        self.turn_friendship(scene, now, None)?;
        Ok(self.emit(now, &scene.channel, scene.silent("unfollow")))
    }

    fn unblock(&mut self, now: DateTime<Utc>, scene: &Scene) -> Result<Done, ActError> {
        if !self.friendship_mut(&scene.channel, &scene.person)?.blocked {
            return Err(ActError::Impossible("the account is not blocked"));
        }
        self.turn_friendship(scene, now, Some(&day_of(now)))?;
        Ok(self.emit(now, &scene.channel, follow(scene, true)))
    }

    /// A person adds the account, and counts as a friend from the day `added` on, or blocks it.
    fn turn_friendship(&mut self, scene: &Scene, now: DateTime<Utc>, added: Option<&str>) -> Result<(), ActError> {
        let (day, blocks) = (day_of(now), added.is_none());
        let friendship = self.friendship_mut(&scene.channel, &scene.person)?;
        let before = friendship.clone();
        friendship.added |= !blocks;
        friendship.blocked = blocks;
        let days = &mut self.account_mut(&scene.channel)?.follower_days;
        if let Some(added) = added.filter(|_| !before.added) {
            days.added(added);
        }
        match (before.blocked, blocks) {
            (false, true) => days.blocked(&day),
            (true, false) => days.unblocked(&day),
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn postback(&mut self, now: DateTime<Utc>, scene: &Scene, data: &str, params: Option<Value>) -> Done {
        let mut postback = json!({ "data": data });
        if let Some(params) = params {
            postback["params"] = params;
        }
        self.emit(now, &scene.channel, scene.replyable("postback").with("postback", postback))
    }

    /// The person deletes their LINE account. No event tells.
    pub(crate) fn delete_person(&mut self, person: &PersonId) -> Result<(), ActError> {
        self.people.get_mut(person).ok_or(ActError::Unknown("person"))?.gone = true;
        Ok(())
    }
}

fn follow(scene: &Scene, unblocked: bool) -> EventParts<'static> {
    scene.replyable("follow").with("follow", json!({ "isUnblocked": unblocked }))
}
