//! How many followers LINE counts at the end of a day of Japan's calendar:
//! <https://developers.line.biz/en/reference/messaging-api/#get-number-of-followers>.

use serde::{Deserialize, Serialize};

use crate::open_enum::open_enum;

/// `GET /v2/bot/insight/followers`. The figures are there only where `status` is `ready`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FollowerCount {
    /// How far LINE is with the day.
    pub status: CountStatus,
    /// How many users ever added the account, each once. Never falls: who blocks it and who left LINE stay in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub followers: Option<u64>,
    /// How many can be reached by targeted messages: those LINE is certain enough about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targeted_reaches: Option<u64>,
    /// How many block the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<u64>,
}

open_enum! {
    /// How far LINE is with counting a day.
    CountStatus {
        /// Counted.
        Ready = "ready",
        /// Not counted yet.
        Unready = "unready",
        /// From before LINE counted.
        OutOfService = "out_of_service",
    }
}
