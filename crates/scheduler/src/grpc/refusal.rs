//! Why a method refuses, whatever refused it.

use bus::outbox::OutboxError;
use chassis::grpc::refuse;
use tonic::Status;

/// A refusal on its way to the caller.
pub(crate) struct Refusal(Status);

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        refusal.0
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self(status)
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self(refuse::database(error))
    }
}

impl From<OutboxError> for Refusal {
    fn from(error: OutboxError) -> Self {
        Self(match error {
            OutboxError::Database(error) => refuse::database(error),
            other => refuse::internal(&other),
        })
    }
}
