//! Why a method refuses, whatever refused it.

use chassis::grpc::refuse;
use identity_linking_core::GrantRefusal;
use identity_linking_core::account::{AccountInUse, ConnectRefusal};
use identity_linking_core::activity::ServiceUseStays;
use identity_linking_core::principal::TooManyKeys;
use identity_linking_core::staff::{InvitationUsed, ShareUsed};
use tonic::Status;

use crate::change::ChangeError;
use crate::linking::merge::UndoError;
use crate::linking::review::ReviewError;
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

impl From<AccountInUse> for Refusal {
    fn from(refusal: AccountInUse) -> Self {
        Self(refuse::precondition("ACCOUNT_IN_USE", &refusal.to_string()))
    }
}

impl From<InvitationUsed> for Refusal {
    fn from(refusal: InvitationUsed) -> Self {
        Self(refuse::precondition("INVITATION_USED", &refusal.to_string()))
    }
}

impl From<ShareUsed> for Refusal {
    fn from(refusal: ShareUsed) -> Self {
        Self(refuse::precondition("SHARE_USED", &refusal.to_string()))
    }
}

impl From<ServiceUseStays> for Refusal {
    fn from(refusal: ServiceUseStays) -> Self {
        Self(refuse::precondition("SERVICE_USE_STAYS", &refusal.to_string()))
    }
}

impl From<ReviewError> for Refusal {
    fn from(error: ReviewError) -> Self {
        let message = error.to_string();
        Self(match error {
            ReviewError::NoAttempt => refuse::not_found("LINK_ATTEMPT"),
            ReviewError::NoCustomer => refuse::not_found("CUSTOMER"),
            ReviewError::Changed => refuse::aborted("ETAG_MISMATCH"),
            ReviewError::Withdrawn => refuse::precondition("LINE_USER_UNLINKED", &message),
            ReviewError::AccountNotConnected => refuse::precondition("ACCOUNT_NOT_CONNECTED", &message),
            ReviewError::NotHeld => refuse::precondition("ATTEMPT_NOT_HELD", &message),
            ReviewError::LineUserHasOtherCustomer => refuse::precondition("LINE_USER_HAS_OTHER_CUSTOMER", &message),
            ReviewError::CustomerHasOtherLineUser => refuse::precondition("CUSTOMER_HAS_OTHER_LINE_USER", &message),
            ReviewError::CustomerAbsorbed => refuse::precondition("CUSTOMER_ABSORBED", &message),
            ReviewError::Change(error) => return error.into(),
        })
    }
}

impl From<UndoError> for Refusal {
    fn from(error: UndoError) -> Self {
        match error {
            UndoError::NotUndoable => Self(refuse::precondition("MERGE_NOT_UNDOABLE", &error.to_string())),
            UndoError::Change(error) => error.into(),
        }
    }
}

impl From<TooManyKeys> for Refusal {
    fn from(refusal: TooManyKeys) -> Self {
        Self(refuse::precondition("TOO_MANY_KEYS", &refusal.to_string()))
    }
}
