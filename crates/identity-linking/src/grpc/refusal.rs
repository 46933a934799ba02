//! Why a method refuses, whatever refused it.

use chassis::grpc::refuse;
use identity_linking_core::GrantRefusal;
use identity_linking_core::account::ConnectRefusal;
use identity_linking_core::activity::ServiceUseStays;
use identity_linking_core::principal::TooManyKeys;
use tonic::Status;

use crate::change::ChangeError;
use crate::postgres::refused;

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
        Self(refused(error))
    }
}

impl From<ChangeError> for Refusal {
    fn from(error: ChangeError) -> Self {
        Self(match error {
            ChangeError::Database(error) => refused(error),
            other => refuse::internal(&other),
        })
    }
}

impl From<GrantRefusal> for Refusal {
    fn from(refusal: GrantRefusal) -> Self {
        Self(match refusal {
            GrantRefusal::PlatformOnly(_) => refuse::invalid("rights", "hold one for the platform's own principals"),
            GrantRefusal::NeedsMaster(_) => refuse::denied("RIGHT_NEEDS_MASTER"),
            GrantRefusal::NotHeld(_) => refuse::denied("RIGHT_NOT_HELD"),
            GrantRefusal::AdministratorNotHeld => refuse::denied("ADMINISTRATOR_NOT_HELD"),
            GrantRefusal::OrganizationNotHeld => refuse::denied("ORGANIZATION_NOT_HELD"),
        })
    }
}

impl From<ConnectRefusal> for Refusal {
    fn from(refusal: ConnectRefusal) -> Self {
        let reason = match refusal {
            ConnectRefusal::SecretMissing => "SECRET_MISSING",
            ConnectRefusal::BotMismatch => "BOT_MISMATCH",
        };
        Self(refuse::precondition(reason, &refusal.to_string()))
    }
}

impl From<ServiceUseStays> for Refusal {
    fn from(refusal: ServiceUseStays) -> Self {
        Self(refuse::precondition("SERVICE_USE_STAYS", &refusal.to_string()))
    }
}

impl From<TooManyKeys> for Refusal {
    fn from(refusal: TooManyKeys) -> Self {
        Self(refuse::precondition("TOO_MANY_KEYS", &refusal.to_string()))
    }
}
