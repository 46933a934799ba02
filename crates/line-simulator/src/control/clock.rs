//! `/control/clock`: reading and turning the time.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};

use crate::clock::{ClockReading, ClockTurn};
use crate::platform::Platform;

pub(super) fn routes() -> Router<Arc<Platform>> {
    Router::new().route("/clock", get(read).post(turn))
}

async fn read(State(platform): State<Arc<Platform>>) -> Json<ClockReading> {
    Json(platform.clock.reading())
}

async fn turn(State(platform): State<Arc<Platform>>, Json(turn): Json<ClockTurn>) -> Json<ClockReading> {
    platform.clock.turn(turn);
    Json(platform.clock.reading())
}
