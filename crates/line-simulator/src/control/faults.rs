//! `/control/faults`, `/control/limits`: ordering what goes wrong.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{delete, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::answer::ControlAnswer;
use crate::platform::Platform;
use crate::state::fault::Fault;
use crate::state::rate::Limit;
use crate::state::world::ActError;

/// The name of a fault in force.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FaultId {
    /// For ending it.
    pub fault: String,
}

pub(super) fn routes() -> Router<Arc<Platform>> {
    Router::new()
        .route("/faults", post(add).delete(clear))
        .route("/faults/{fault}", delete(end))
        .route("/limits", post(lay_limit))
}

async fn add(State(platform): State<Arc<Platform>>, Json(fault): Json<Fault>) -> ControlAnswer<FaultId> {
    fault.check().map_err(ActError::Impossible)?;
    Ok(Json(FaultId { fault: platform.with(|world, _| world.order_fault(fault)) }))
}

async fn end(State(platform): State<Arc<Platform>>, Path(id): Path<String>) -> ControlAnswer<()> {
    let ended = platform.with(|world, _| world.faults.end(&id));
    if ended { Ok(Json(())) } else { Err(ActError::Unknown("fault")) }
}

async fn clear(State(platform): State<Arc<Platform>>) -> Json<()> {
    platform.with(|world, _| world.faults.clear());
    Json(())
}

async fn lay_limit(State(platform): State<Arc<Platform>>, Json(limit): Json<Limit>) -> ControlAnswer<()> {
    limit.check().map_err(ActError::Impossible)?;
    platform.with(|world, _| world.rates.lay(limit));
    Ok(Json(()))
}
