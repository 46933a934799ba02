//! Calls that come again under the same request ID.

use chassis::grpc::refuse;
use chassis::idempotency::{self, Begun};
use chassis::postgres::TenantTx;
use prost::Message;
use tonic::Status;

/// The answer given before to this request ID, if it came before.
pub(crate) async fn answered<Q: Message, A: Message + Default>(
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
pub(crate) async fn keep<A: Message>(
    tx: &mut TenantTx,
    method: &'static str,
    request_id: &str,
    answer: &A,
) -> Result<(), Status> {
    idempotency::finish(tx, method, request_id, &answer.encode_to_vec()).await
}
