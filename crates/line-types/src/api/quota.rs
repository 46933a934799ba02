//! The monthly quota. Its unit is recipients, not messages: <https://developers.line.biz/en/docs/messaging-api/pricing/>.

use serde::{Deserialize, Serialize};

use crate::open_enum::open_enum;

/// `GET /v2/bot/message/quota`: <https://developers.line.biz/en/reference/messaging-api/#get-quota>.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Whether there is a limit.
    #[serde(rename = "type")]
    pub kind: QuotaKind,
    /// This month's limit: free and configured additional messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<u64>,
}

open_enum! {
    /// Whether there is a limit.
    QuotaKind {
        /// There is none.
        None = "none",
        /// There is one.
        Limited = "limited",
    }
}

impl Quota {
    /// This month's limit in recipients; none if unlimited or not told.
    pub fn limit(&self) -> Option<u64> {
        if self.kind == QuotaKind::Limited { self.value } else { None }
    }
}

/// `GET /v2/bot/message/quota/consumption`: <https://developers.line.biz/en/reference/messaging-api/#get-consumption>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Consumption {
    /// Recipients counted this month, approximate, with those of LINE's own manager.
    pub total_usage: u64,
}
