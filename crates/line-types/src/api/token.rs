//! Channel access tokens: <https://developers.line.biz/en/docs/basics/channel-access-token/>. These shapes are snake case.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An issued token of any kind.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenResponse {
    /// The token.
    pub access_token: String,
    /// Seconds until it ends.
    pub expires_in: u64,
    /// `Bearer`.
    pub token_type: String,
    /// Names the token; only v2.1 tokens have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenResponse(.., expires in {} s)", self.expires_in)
    }
}

/// What LINE says about a token that is valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedToken {
    /// The channel it belongs to.
    pub client_id: String,
    /// Seconds until it ends.
    pub expires_in: u64,
    /// What it permits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// `GET /oauth2/v2.1/tokens/kid`: the key ids of all valid v2.1 tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenKeyIds {
    /// At most 30.
    pub kids: Vec<String>,
}
