//! JWT assertions, verified against the public key registered for the channel.
//!
//! <https://developers.line.biz/en/docs/messaging-api/generate-json-web-token/>

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::Value;

use super::{Form, OAuthRefusal};
use crate::state::access_token::THIRTY_DAYS;
use crate::state::id::ChannelId;
use crate::state::world::World;

const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const AUDIENCE: &str = "https://api.line.me/";
/// An assertion may be valid for so long at most.
const MOST_AHEAD: TimeDelta = TimeDelta::minutes(30);

/// What a verified assertion says.
#[derive(Debug)]
pub(super) struct Assertion {
    pub(super) channel: ChannelId,
    /// `token_exp`, needed for tokens of version 2.1.
    pub(super) token_life: Option<TimeDelta>,
}

impl Assertion {
    /// Reads `client_assertion_type` and `client_assertion`.
    pub(super) fn of_form(form: &Form, world: &World, now: DateTime<Utc>) -> Result<Self, OAuthRefusal> {
        if form.get("client_assertion_type")? != KIND {
            return Err(OAuthRefusal::bad("invalid_request", "Invalid client_assertion_type"));
        }
        Self::verify(form.get("client_assertion")?, world, now)
    }

    fn verify(jwt: &str, world: &World, now: DateTime<Utc>) -> Result<Self, OAuthRefusal> {
        let malformed = || OAuthRefusal::bad("invalid_client", "Invalid client_assertion");
        let (signed, signature) = jwt.rsplit_once('.').ok_or_else(malformed)?;
        let (header, payload) = signed.split_once('.').ok_or_else(malformed)?;
        let (header, payload) = (part(header).ok_or_else(malformed)?, part(payload).ok_or_else(malformed)?);
        if header["alg"] != "RS256" {
            return Err(malformed());
        }
        let channel = ChannelId::from(payload["iss"].as_str().ok_or_else(malformed)?);
        let key_id = header["kid"].as_str().ok_or_else(malformed)?;
        let (n, e) = world.accounts.get(&channel).and_then(|a| a.assertion_keys.get(key_id)).ok_or(OAuthRefusal {
            status: StatusCode::NOT_FOUND,
            error: "not_found",
            description: "Cannot find channel key",
        })?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;
        RsaPublicKeyComponents { n, e }
            .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature)
            .map_err(|_| malformed())?;
        let expires = payload["exp"].as_i64().and_then(|s| DateTime::from_timestamp(s, 0)).ok_or_else(malformed)?;
        let timely = now < expires && expires - now <= MOST_AHEAD + TimeDelta::seconds(5);
        if payload["sub"] != payload["iss"] || payload["aud"] != AUDIENCE || !timely {
            return Err(malformed());
        }
        let token_life = payload["token_exp"].as_i64().and_then(TimeDelta::try_seconds);
        if token_life.is_some_and(|life| life <= TimeDelta::zero() || life > THIRTY_DAYS) {
            return Err(OAuthRefusal::bad("invalid_request", "Invalid token_exp"));
        }
        Ok(Self { channel, token_life })
    }
}

fn part(text: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}
