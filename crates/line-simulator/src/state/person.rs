//! People with LINE accounts, and the chats they share with official accounts.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::id::{ChannelId, ChatId, PersonId, ProviderId, UserId};

/// What a simulated person is made of.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct PersonSpec {
    /// The name shown in LINE.
    pub display_name: String,
    /// BCP 47, e.g. `ja`.
    pub language: Option<String>,
    /// Profile picture.
    pub picture_url: Option<String>,
    /// Status message.
    pub status_message: Option<String>,
    /// Has agreed that accounts may know who this is. Without it no event carries a user ID.
    pub consented: bool,
}

impl Default for PersonSpec {
    fn default() -> Self {
        Self {
            display_name: "Simulated person".into(),
            language: Some("ja".into()),
            picture_url: None,
            status_message: None,
            consented: true,
        }
    }
}

/// A person as the world knows them.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) spec: PersonSpec,
    pub(crate) user_ids: HashMap<ProviderId, UserId>,
    /// Has deleted the LINE account.
    pub(crate) gone: bool,
}

impl Person {
    /// The fields every profile endpoint gives.
    pub(crate) fn short_profile(&self, user: &UserId) -> Value {
        let mut profile = json!({ "userId": user, "displayName": self.spec.display_name });
        if let Some(url) = &self.spec.picture_url {
            profile["pictureUrl"] = json!(url);
        }
        profile
    }
}

/// Whether a chat of several people is a group or a legacy room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatKind {
    /// A group chat, `C…`.
    #[default]
    Group,
    /// A multi-person chat, `R…`.
    Room,
}

/// What a group or room is created with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChatSpec {
    /// Group or room.
    pub kind: ChatKind,
    /// A group's name.
    pub name: String,
    /// Who is in it from the start.
    pub members: Vec<PersonId>,
}

/// A group or room.
#[derive(Debug)]
pub(crate) struct Chat {
    pub(crate) id: ChatId,
    pub(crate) kind: ChatKind,
    pub(crate) name: String,
    pub(crate) members: BTreeSet<PersonId>,
    /// LINE lets one official account into a chat.
    pub(crate) account: Option<ChannelId>,
}
