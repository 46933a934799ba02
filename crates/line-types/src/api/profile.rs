//! People and groups: what LINE tells about them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{GroupId, UserId};

/// `GET /v2/bot/profile/{userId}` and the members of groups and rooms:
/// <https://developers.line.biz/en/reference/messaging-api/#get-profile>.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// The user.
    pub user_id: UserId,
    /// The name the user chose; may change any time and identifies nobody.
    pub display_name: String,
    /// Address of the user's picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture_url: Option<String>,
    /// What the user says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// The user's language (BCP 47).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// `GET /v2/bot/group/{groupId}/summary`: <https://developers.line.biz/en/reference/messaging-api/#get-group-summary>.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupSummary {
    /// The group.
    pub group_id: GroupId,
    /// Its name.
    pub group_name: String,
    /// Address of its picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture_url: Option<String>,
}

/// `GET /v2/bot/followers/ids`: <https://developers.line.biz/en/reference/messaging-api/#get-follower-ids>.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FollowerIds {
    /// Friends, at most 1,000; a page may be short although another follows.
    pub user_ids: Vec<UserId>,
    /// Where the next page starts; valid 24 hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Profile(..)")
    }
}

impl fmt::Debug for GroupSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupSummary(..)")
    }
}

impl fmt::Debug for FollowerIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FollowerIds({})", self.user_ids.len())
    }
}
