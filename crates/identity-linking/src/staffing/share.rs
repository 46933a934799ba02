//! A tenant's share in a staff account of the operator's: given, used and ended, told to the others, and what ends with it.
//!
//! The account is another tenant's. What belongs to both is done in one transaction that turns from one tenant to the other: from the
//! account's tenant to the guest that a code or a binding names there, and from a guest to the account's tenant that its share names.

use chassis::audit::Actor;
use chassis::postgres::TenantTx;
use contracts::events::v1::identity_event::Body;
use identity_linking_core::Line;
use identity_linking_core::staff::{ShareCode, StaffShare};
use kernel::{AccountId, TenantId, Timestamp};
use serde_json::json;

use super::contact;
use crate::change::{self, ChangeError, Subject};
use crate::postgres::staff_account_share::{self, StoredShare};
use crate::postgres::{staff, staff_account_guest, staff_contact, staff_invitation, tenant};
use crate::replica;

/// How often another code is tried where a tenant has it already. Of a million codes the ninth is taken too with a chance that nobody
/// needs to reckon with.
const TRIES: usize = 9;

/// Keeps a share's new value, tells the others, and notes who changed it.
pub(crate) async fn put(
    tx: &mut TenantTx,
    now: Timestamp,
    actor: &Actor,
    action: &'static str,
    before: Option<StoredShare>,
    value: StaffShare,
) -> Result<StoredShare, ChangeError> {
    let stored = StoredShare { version: before.map_or(0, |before| before.version) + 1, value };
    staff_account_share::put(tx, &stored).await?;
    let name = tenant::find(tx).await?.ok_or(sqlx::Error::RowNotFound)?.value.display_name;
    let limit = stored.value.push_limit.number();
    let detail = json!({ "version": stored.version, "account": stored.value.account.to_string(), "limit": limit });
    let subject = subject(tx.tenant(), &stored);
    change::note(tx, actor, action, subject, detail).await?;
    tell(tx, now, &stored, &name).await?;
    Ok(stored)
}

/// Tells the others under what name the tenant's staff are written to from now on.
pub(crate) async fn follow_name(tx: &mut TenantTx, now: Timestamp, name: &Line<200>) -> Result<(), ChangeError> {
    let Some(share) = staff_account_share::lock(tx).await? else { return Ok(()) };
    let share = StoredShare { version: share.version + 1, ..share };
    staff_account_share::put(tx, &share).await?;
    tell(tx, now, &share, name).await
}

async fn tell(tx: &mut TenantTx, now: Timestamp, share: &StoredShare, name: &Line<200>) -> Result<(), ChangeError> {
    let body = Body::StaffAccountShare(replica::staff_account_share(share, name));
    let subject = subject(tx.tenant(), share);
    change::announce(tx, subject, now, body).await
}

fn subject(tenant: TenantId, share: &StoredShare) -> Subject {
    Subject { kind: "staff_account_share", id: tenant.uuid(), version: share.version }
}

/// The code of a tenant on an account of the transaction's tenant, locked: the one it has, or a new one. None where chance gave taken
/// ones alone.
pub(crate) async fn code(
    tx: &mut TenantTx,
    account: AccountId,
    guest: TenantId,
) -> Result<Option<ShareCode>, sqlx::Error> {
    for _ in 0..TRIES {
        if let Some(code) = staff_account_guest::code_of(tx, account, guest).await? {
            return Ok(Some(code));
        }
        staff_account_guest::insert_if_free(tx, account, guest, &ShareCode::of(rand::random())).await?;
    }
    staff_account_guest::code_of(tx, account, guest).await
}

/// Whether an account is the staff account of the transaction's tenant by its share; that stays so until the transaction ends.
pub(crate) async fn serves(tx: &mut TenantTx, home: TenantId, account: AccountId) -> Result<bool, sqlx::Error> {
    Ok(staff_account_share::hold(tx).await?.is_some_and(|share| share.value.serves(home, account)))
}

/// Binds whoever is bound by a share, locked, no more, and takes every open invitation back.
pub(crate) async fn release(tx: &mut TenantTx, now: Timestamp, share: &StaffShare) -> Result<(), ChangeError> {
    for id in staff_contact::bound_on(tx, share.account).await? {
        let member = staff::lock(tx, id).await?.ok_or(sqlx::Error::RowNotFound)?;
        let contact = staff_contact::find(tx, id).await?;
        // Bound elsewhere, or nowhere, by now.
        if contact.line.as_ref().is_some_and(|line| line.account == share.account) {
            contact::keep(tx, now, &member, contact, None).await?;
        }
    }
    staff_invitation::revoke_all(tx, now).await?;
    Ok(())
}
