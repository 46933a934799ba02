//! What the other events carry: <https://developers.line.biz/en/reference/messaging-api/#webhook-event-objects>.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::lenient;
use crate::open_enum::open_enum;

/// A tap on something we sent. `data` comes back from the client: it proves nothing by itself.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Postback {
    /// The data we put into the action, at most 300 characters.
    pub data: String,
    /// What was picked (`date`, `time` or `datetime`, without a zone), or how a rich menu switch went
    /// (`newRichMenuAliasId`, `status`).
    #[serde(default, deserialize_with = "texts")]
    pub params: BTreeMap<String, String>,
}

/// A beacon nearby.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Beacon {
    /// Hardware id of the beacon.
    pub hwid: String,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: BeaconKind,
    /// Message of the device, as hexadecimal digits.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub dm: Option<String>,
}

open_enum! {
    /// What happened at a beacon.
    BeaconKind {
        /// Came into reach.
        Enter = "enter",
        /// Tapped the banner.
        Banner = "banner",
        /// Is still in reach; repeats.
        Stay = "stay",
    }
}

/// The end of LINE's account-link dialog: <https://developers.line.biz/en/docs/messaging-api/linking-accounts/>.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct AccountLink {
    /// Whether LINE linked.
    pub result: LinkResult,
    /// The nonce we gave.
    pub nonce: String,
}

open_enum! {
    /// How an account link ended.
    LinkResult {
        /// Linked; the event has the user and a reply token.
        Ok = "ok",
        /// Not linked; the event has neither.
        Failed = "failed",
    }
}

/// A change of a membership.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// What changed.
    #[serde(rename = "type")]
    pub kind: MembershipKind,
    /// The plan.
    pub membership_id: i64,
}

open_enum! {
    /// What changed in a membership.
    MembershipKind {
        /// Joined.
        Joined = "joined",
        /// Left.
        Left = "left",
        /// Renewed.
        Renewed = "renewed",
    }
}

/// A module channel was attached to or detached from an official account.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Module {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: ModuleKind,
    /// The bot of the official account.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub bot_id: Option<String>,
    /// What the module may do, when attached.
    #[serde(default, deserialize_with = "lenient::list")]
    pub scopes: Vec<String>,
    /// Why it was detached.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub reason: Option<String>,
}

open_enum! {
    /// What happened to a module channel.
    ModuleKind {
        /// Attached.
        Attached = "attached",
        /// Detached.
        Detached = "detached",
    }
}

super::hides_content!(Postback, AccountLink, Beacon, Membership, Module);

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let Value::Object(object) = Value::deserialize(deserializer)? else { return Ok(BTreeMap::new()) };
    Ok(object
        .into_iter()
        .filter_map(|(name, value)| match value {
            Value::String(text) => Some((name, text)),
            Value::Null => None,
            other => Some((name, other.to_string())),
        })
        .collect())
}
