//! Calls that come again under the same request ID.

use crate::grpc::refuse;
use crate::idempotency::{self, Begun};
use crate::postgres::TenantTx;
use prost::Message;
use tonic::Status;

/// The answer given before to this request ID, if it came before.
///
/// # Errors
/// As [`idempotency::begin`].
pub async fn answered<Q: Message, A: Message + Default>(
    tx: &mut TenantTx,
    method: &'static str,
    request_id: &str,
    request: &Q,
) -> Result<Option<A>, Status> {
    match idempotency::begin(tx, method, request_id, &request.encode_to_vec()).await? {
        Begun::First => Ok(None),
        Begun::Again(answer) => A::decode(answer.as_slice()).map(Some).map_err(|error| refuse::internal(&error)),
    }
}

/// Keeps the answer for the next time. What is shown only once is not in it.
///
/// # Errors
/// As [`idempotency::finish`].
pub async fn keep<A: Message>(
    tx: &mut TenantTx,
    method: &'static str,
    request_id: &str,
    answer: &A,
) -> Result<(), Status> {
    idempotency::finish(tx, method, request_id, &answer.encode_to_vec()).await
}
