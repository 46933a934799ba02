//! Customers that are made of what somebody typed.

use chassis::audit::Actor;
use chassis::postgres::TenantTx;
use contracts::events::v1::identity_event::Body;
use identity_linking_core::{Customer, MadeFor, MobileNumber, PersonName};
use kernel::{AccountId, CustomerId, Timestamp};

use crate::change::{self, ChangeError, Subject};
use crate::postgres::customer::StoredCustomer;
use crate::postgres::{Stored, account, customer};
use crate::replica;

/// What was typed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Typed<'a> {
    pub(crate) name: &'a PersonName,
    pub(crate) mobile: Option<&'a MobileNumber>,
}

/// Makes a customer, and tells it. The keys of what was typed are locked.
pub(crate) async fn make(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    typed: Typed<'_>,
    made_for: MadeFor,
    by_way_of: Option<AccountId>,
) -> Result<CustomerId, ChangeError> {
    let account = match by_way_of {
        Some(id) => Some(account::find(tx, id).await?.ok_or(sqlx::Error::RowNotFound)?.stored.value),
        None => None,
    };
    let value = Customer::made(typed.name.clone(), typed.mobile, made_for, account.as_ref());
    let stored = Stored { id: CustomerId::new(now), version: 1, create_time: now, value };
    let kept = StoredCustomer { stored, update_time: now, merged_into: None };
    customer::insert(tx, &kept).await?;
    let subject = Subject { kind: "customer", id: kept.stored.id.uuid(), version: 1 };
    change::record(tx, actor, "customer.create", subject, now, Body::Customer(replica::customer(&kept))).await?;
    Ok(kept.stored.id)
}
