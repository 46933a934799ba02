//! Turning decisions into HTTP answers.

use axum::Json;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::state::refusal::Refusal;

/// What a handler returns: a JSON body with status 200, or a refusal.
pub(crate) type Answer = Result<Json<Value>, Refusal>;

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = (status, Json(self.body())).into_response();
        if let Self::AlreadyAccepted { request_id, .. } = &self
            && let Ok(value) = HeaderValue::from_str(request_id)
        {
            answer.headers_mut().insert("x-line-accepted-request-id", value);
        }
        answer
    }
}
