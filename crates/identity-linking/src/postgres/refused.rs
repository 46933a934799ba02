//! What it means to a caller that a constraint refused a row.

use chassis::grpc::refuse;
use chassis::postgres::constraint;
use tonic::Status;

/// The refusal behind a database error: the constraint's meaning, else what [`refuse::database`] says.
pub(crate) fn refused(error: sqlx::Error) -> Status {
    match constraint(&error) {
        Some("organization_external_reference" | "staff_member_external_reference" | "customer_external_reference") => {
            refuse::already_exists("EXTERNAL_REFERENCE_TAKEN")
        }
        Some("official_account_channel") => refuse::already_exists("CHANNEL_TAKEN"),
        Some("official_account_staff") => refuse::already_exists("STAFF_ACCOUNT_TAKEN"),
        Some("official_account_bot") => refuse::already_exists("BOT_TAKEN"),
        Some(
            "organization_tenant"
            | "staff_member_tenant"
            | "provider_tenant"
            | "official_account_tenant"
            | "staff_account_share_tenant"
            | "customer_tenant",
        ) => refuse::not_found("TENANT"),
        Some(
            "staff_organization_organization"
            | "official_account_owner"
            | "official_account_default"
            | "customer_organization"
            | "activity_organization",
        ) => refuse::not_found("ORGANIZATION"),
        Some("official_account_provider") => refuse::not_found("PROVIDER"),
        Some("activity_customer") => refuse::not_found("CUSTOMER"),
        // A tenant's ID follows from the request ID it was created with: the same one came again after its answer was forgotten.
        Some("tenant_pkey") => refuse::aborted("REQUEST_ID_REUSED"),
        _ => refuse::database(error),
    }
}
