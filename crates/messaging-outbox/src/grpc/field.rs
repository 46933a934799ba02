//! Fields of requests, read once.

use chassis::grpc::refuse;
use chassis::postgres::TenantTx;
use kernel::CustomerId;
use tonic::Status;
use uuid::Uuid;

use crate::postgres::{account, link};

/// Accounts a request may name.
const MOST_ACCOUNTS: usize = 100;

/// An ID.
pub(super) fn id<T: From<Uuid>>(field: &str, text: &str) -> Result<T, Status> {
    Uuid::try_parse(text).map(T::from).map_err(|_| refuse::invalid(field, "is not a UUID"))
}

/// An ID, or none where the field is empty.
pub(super) fn optional_id<T: From<Uuid>>(field: &str, text: &str) -> Result<Option<T>, Status> {
    if text.is_empty() { Ok(None) } else { id(field, text).map(Some) }
}

/// At most 100 accounts.
pub(super) fn accounts(texts: &[String]) -> Result<Vec<Uuid>, Status> {
    if texts.len() > MOST_ACCOUNTS {
        return Err(refuse::invalid("account_ids", "are more than 100"));
    }
    texts.iter().map(|text| id("account_ids", text)).collect()
}

/// Refuses accounts the tenant does not have: another tenant's are as unknown as none (S-1).
pub(super) async fn known_accounts(tx: &mut TenantTx, accounts: &[Uuid]) -> Result<(), Status> {
    if account::all_known(tx, accounts).await.map_err(refuse::database)? {
        Ok(())
    } else {
        Err(refuse::not_found("ACCOUNT"))
    }
}

/// Refuses a customer the tenant does not have, likewise.
pub(super) async fn known_customer(tx: &mut TenantTx, customer: Option<CustomerId>) -> Result<(), Status> {
    let Some(customer) = customer else { return Ok(()) };
    if link::is_known(tx, customer.uuid()).await.map_err(refuse::database)? {
        Ok(())
    } else {
        Err(refuse::not_found("CUSTOMER"))
    }
}
