//! Where an event comes from: <https://developers.line.biz/en/reference/messaging-api/#source-user>.

use serde_json::{Map, Value};

use crate::{
    id::{GroupId, RoomId, UserId},
    open_enum::open_enum,
};

open_enum! {
    /// The kind of chat an event comes from.
    SourceKind {
        /// A one-on-one chat.
        User = "user",
        /// A group chat.
        Group = "group",
        /// A multi-person chat, legacy since LINE 10.17.
        Room = "room",
    }
}

/// Where an event comes from. The user is absent without consent to profile access, in every kind of chat.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// A one-on-one chat.
    User {
        /// The LINE user, if LINE may tell.
        user_id: Option<UserId>,
    },
    /// A group chat.
    Group {
        /// The group; absent only if its form is unknown.
        group_id: Option<GroupId>,
        /// The member who acted, if LINE may tell.
        user_id: Option<UserId>,
    },
    /// A multi-person chat.
    Room {
        /// The room; absent only if its form is unknown.
        room_id: Option<RoomId>,
        /// The member who acted, if LINE may tell.
        user_id: Option<UserId>,
    },
    /// A kind this version does not know.
    Other {
        /// The kind as LINE wrote it.
        kind: String,
    },
}

impl Source {
    /// Reads a source object; none if it is not an object with a `type`.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let object = value.as_object()?;
        let kind = object.get("type")?.as_str()?;
        let user_id = text(object, "userId").and_then(|id| UserId::parse(id).ok());
        Some(match SourceKind::from(kind) {
            SourceKind::User => Self::User { user_id },
            SourceKind::Group => {
                Self::Group { group_id: text(object, "groupId").and_then(|id| GroupId::parse(id).ok()), user_id }
            }
            SourceKind::Room => {
                Self::Room { room_id: text(object, "roomId").and_then(|id| RoomId::parse(id).ok()), user_id }
            }
            SourceKind::Other(kind) => Self::Other { kind },
        })
    }

    /// The kind of chat.
    pub fn kind(&self) -> SourceKind {
        match self {
            Self::User { .. } => SourceKind::User,
            Self::Group { .. } => SourceKind::Group,
            Self::Room { .. } => SourceKind::Room,
            Self::Other { kind } => SourceKind::Other(kind.clone()),
        }
    }

    /// The user who acted, if LINE may tell.
    pub fn user_id(&self) -> Option<&UserId> {
        match self {
            Self::User { user_id } | Self::Group { user_id, .. } | Self::Room { user_id, .. } => user_id.as_ref(),
            Self::Other { .. } => None,
        }
    }

    /// Whether this is a one-on-one chat.
    pub fn is_one_on_one(&self) -> bool {
        matches!(self, Self::User { .. })
    }
}

super::hides_content!(Source);

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}
