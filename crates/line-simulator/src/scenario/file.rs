//! The file as it is written: every key known, none passed over. What the names mean is judged in `check`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

use super::fault::ScenarioError;
use crate::state::account::AccountSettings;
use crate::state::fault::Effect;
use crate::state::person::ChatKind;
use crate::state::trouble::Trouble;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScenarioFile {
    pub(super) seed: Option<u64>,
    pub(super) start: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(super) providers: BTreeMap<String, ProviderFile>,
    #[serde(default)]
    pub(super) accounts: BTreeMap<String, Spanned<AccountFile>>,
    #[serde(default)]
    pub(super) people: BTreeMap<String, Spanned<PersonFile>>,
    #[serde(default)]
    pub(super) chats: BTreeMap<String, Spanned<ChatFile>>,
    #[serde(default)]
    pub(super) timeline: Vec<Spanned<StepFile>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ProviderFile {
    pub(super) name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AccountFile {
    pub(super) provider: Option<String>,
    pub(super) name: Option<String>,
    pub(super) verified: bool,
    pub(super) chat: bool,
    pub(super) quota: Option<u64>,
    pub(super) webhook_url: Option<String>,
    pub(super) redelivery: bool,
    pub(super) channel_id: Option<String>,
    pub(super) channel_secret: Option<String>,
    pub(super) access_token: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PersonFile {
    pub(super) name: Option<String>,
    pub(super) language: Option<String>,
    pub(super) picture_url: Option<String>,
    pub(super) status_message: Option<String>,
    pub(super) consented: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ChatFile {
    pub(super) kind: ChatKind,
    pub(super) name: String,
    pub(super) members: Vec<String>,
    pub(super) account: Option<String>,
}

/// One step: a moment, a scene, and exactly one of the deeds.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct StepFile {
    // The moment.
    pub(super) at: Option<String>,
    pub(super) after: Option<String>,
    // The scene.
    pub(super) name: Option<String>,
    pub(super) person: Option<String>,
    pub(super) account: Option<String>,
    pub(super) chat: Option<String>,
    pub(super) standby: bool,
    // The deeds.
    pub(super) does: Option<Does>,
    pub(super) writes: Option<String>,
    /// With `writes`: properties to add as they are.
    pub(super) extra: Option<Map<String, Value>>,
    pub(super) sends: Option<Sends>,
    pub(super) edits: Option<EditFile>,
    pub(super) unsends: Option<String>,
    pub(super) postback: Option<PostbackFile>,
    pub(super) taps: Option<String>,
    pub(super) opens: Option<String>,
    pub(super) taps_menu: Option<usize>,
    pub(super) watches: Option<String>,
    pub(super) beacon: Option<BeaconFile>,
    pub(super) membership: Option<MembershipFile>,
    pub(super) group: Option<GroupDeed>,
    pub(super) event: Option<Map<String, Value>>,
    pub(super) fault: Option<FaultFile>,
    pub(super) end_fault: Option<String>,
    pub(super) clear_faults: Option<bool>,
    pub(super) delivery: Option<Trouble>,
    pub(super) settings: Option<AccountSettings>,
    pub(super) clock: Option<ClockFile>,
    pub(super) expect: Option<ExpectFile>,
}

/// What needs no more words.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Does {
    AddFriend,
    AlreadyAFriend,
    Block,
    Unblock,
    LeaveLine,
}

/// A message that is not a text.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Sends {
    Sticker { package_id: String, sticker_id: String },
    Image(MediaFile),
    Video(MediaFile),
    Audio(MediaFile),
    File { file_name: String, content_base64: Option<String>, content_type: Option<String> },
    Location { title: Option<String>, address: Option<String>, latitude: f64, longitude: f64 },
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct MediaFile {
    pub(super) content_base64: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) duration: Option<String>,
    pub(super) preparing: Option<String>,
    pub(super) broken: bool,
    pub(super) external_url: Option<String>,
    pub(super) image_set: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EditFile {
    pub(super) message: String,
    pub(super) text: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PostbackFile {
    pub(super) data: String,
    pub(super) params: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BeaconFile {
    pub(super) hwid: String,
    pub(super) kind: String,
    pub(super) dm: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MembershipFile {
    pub(super) kind: String,
    pub(super) id: i64,
}

/// What happens to who is in a group or room.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum GroupDeed {
    Invites(String),
    Removes(String),
    Joined(Vec<String>),
    Left(Vec<String>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultFile {
    pub(super) endpoint: Option<String>,
    pub(super) effect: Effect,
    #[serde(default)]
    pub(super) skip: u32,
    pub(super) times: Option<u32>,
    pub(super) probability: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ClockFile {
    pub(super) speed: Option<u32>,
    pub(super) advance: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ExpectFile {
    pub(super) to: Option<String>,
    pub(super) text: Option<String>,
    pub(super) contains: Option<String>,
    pub(super) webhooks: Option<WebhooksFile>,
    pub(super) within: Option<String>,
}

/// What can be said of webhooks.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WebhooksFile {
    Answered,
}

/// Reads the file's form.
pub(super) fn read(text: &str) -> Result<ScenarioFile, ScenarioError> {
    // An alias stands for more than it is long, and aliases of aliases for far more: a scenario has none.
    let options = serde_saphyr::options! { with_snippet: false, budget: serde_saphyr::budget! { max_aliases: 0 } };
    serde_saphyr::from_str_with_options(text, options).map_err(|fault| {
        let line = fault.location().map(|at| at.line());
        ScenarioError::of(line, fault.to_string())
    })
}
