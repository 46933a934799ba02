//! Channel access tokens: issue, verify, revoke, list.
//!
//! <https://developers.line.biz/en/reference/messaging-api/#channel-access-token>

mod assertion;
mod short_lived;
mod stateless;
mod v21;

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::platform::Platform;
use crate::state::access_token::AccessToken;
use crate::state::id::ChannelId;
use crate::state::world::World;

pub(crate) fn routes() -> Router<Arc<Platform>> {
    Router::new().merge(short_lived::routes()).merge(stateless::routes()).merge(v21::routes())
}

/// An OAuth error: `{error, error_description}`.
#[derive(Debug)]
struct OAuthRefusal {
    status: StatusCode,
    error: &'static str,
    description: &'static str,
}

impl OAuthRefusal {
    fn bad(error: &'static str, description: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, description }
    }

    fn missing() -> Self {
        Self::bad("invalid_request", "some parameters missed or invalid")
    }
}

impl IntoResponse for OAuthRefusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "error_description": self.description });
        (self.status, Json(body)).into_response()
    }
}

type OAuthAnswer = Result<Json<Value>, OAuthRefusal>;

/// A form body.
struct Form(HashMap<String, String>);

impl Form {
    fn parse(bytes: &Bytes) -> Self {
        Self(url::form_urlencoded::parse(bytes).into_owned().collect())
    }

    fn get(&self, name: &str) -> Result<&str, OAuthRefusal> {
        self.0.get(name).map(String::as_str).filter(|v| !v.is_empty()).ok_or_else(OAuthRefusal::missing)
    }

    fn client_credentials(&self) -> Result<(), OAuthRefusal> {
        if self.get("grant_type")? == "client_credentials" {
            Ok(())
        } else {
            Err(OAuthRefusal::bad("unsupported_grant_type", "unsupported grant_type"))
        }
    }

    /// The channel that `client_id` and `client_secret` prove.
    fn client(&self, world: &World) -> Result<ChannelId, OAuthRefusal> {
        let (id, secret) = (ChannelId::from(self.get("client_id")?), self.get("client_secret")?);
        let known = world.accounts.get(&id).is_some_and(|account| account.secret == secret);
        if known { Ok(id) } else { Err(OAuthRefusal::bad("invalid_client", "invalid client_id or client_secret")) }
    }
}

/// `{access_token, expires_in, token_type}`.
fn issued(token: &str, life: TimeDelta) -> Value {
    json!({ "access_token": token, "expires_in": life.num_seconds(), "token_type": "Bearer" })
}

/// `{client_id, expires_in, scope}`; a long-lived token has a far end.
fn verified(token: &AccessToken, now: DateTime<Utc>, scope: &str) -> Value {
    const FAR: i64 = 3_000_000_000;
    let left = token.expires_at.map_or(FAR, |at| (at - now).num_seconds());
    json!({ "client_id": token.channel, "expires_in": left, "scope": scope })
}
