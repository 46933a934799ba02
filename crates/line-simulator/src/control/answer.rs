//! How the control API says no: 404 for what is not there, 409 for what cannot be, as `{"error": "…"}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::state::world::ActError;

/// What control handlers return.
pub(super) type ControlAnswer<T> = Result<Json<T>, ActError>;

impl IntoResponse for ActError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Unknown(_) => StatusCode::NOT_FOUND,
            Self::Impossible(_) => StatusCode::CONFLICT,
        };
        (status, Json(json!({ "error": self.to_string() }))).into_response()
    }
}
