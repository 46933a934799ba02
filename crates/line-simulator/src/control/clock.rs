//! `/control/clock`: reading and turning the time.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};

use super::answer::ControlAnswer;
use crate::clock::{ClockReading, ClockTurn};
use crate::platform::Platform;
use crate::state::world::ActError;

pub(super) fn routes() -> Router<Arc<Platform>> {
    Router::new().route("/clock", get(read).post(turn))
}

async fn read(State(platform): State<Arc<Platform>>) -> Json<ClockReading> {
    Json(platform.clock.reading())
}

async fn turn(State(platform): State<Arc<Platform>>, Json(turn): Json<ClockTurn>) -> ControlAnswer<ClockReading> {
    turn.check().map_err(ActError::Impossible)?;
    platform.clock.turn(turn);
    Ok(Json(platform.clock.reading()))
}
