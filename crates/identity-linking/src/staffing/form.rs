//! The form of the staff account: one field, for an invitation's code. What is typed there binds nobody by itself: it leads to LINE's
//! account-link dialog for the LINE user whom the card was given to, and LINE's word binds.

use std::net::IpAddr;

use chassis::failpoint;
use chassis::postgres::TenantTx;
use identity_linking_core::account::{AccountPurpose, AccountState};
use identity_linking_core::link::{Counted, FORM_TOKEN_LIFE, FormToken, NoLinkToken, Nonce, RateScope};
use identity_linking_core::staff::{BindOutcome, InvitationCode, WrittenCode, is_good};
use kernel::{AccountId, TenantId, Timestamp};
use line_types::id::UserId;
use uuid::Uuid;

use super::share;
use crate::change::ChangeError;
use crate::linking::Desk;
use crate::linking::form::{Form, FormField, Opened, Submitted, Wrong};
use crate::linking::submission;
use crate::postgres::staff_bind_attempt::BindAttempt;
use crate::postgres::staff_form_token::StaffFormToken;
use crate::postgres::staff_invitation::StoredInvitation;
use crate::postgres::{
    account, staff, staff_account_guest, staff_bind_attempt, staff_contact, staff_form_token, staff_invitation,
    staff_line_user,
};

/// Issues a token for a LINE user of the staff account, locked; none where enough were given lately: whoever writes and writes is
/// not answered without end.
pub(super) async fn issue(
    tx: &mut TenantTx,
    now: Timestamp,
    account: AccountId,
    user: &UserId,
) -> Result<Option<FormToken>, sqlx::Error> {
    if staff_form_token::given(tx, account, user, now).await?.is_full() {
        return Ok(None);
    }
    let token = FormToken::of(tx.tenant(), rand::random());
    let issued = StaffFormToken { account, user: user.clone(), issue_time: now, expire_time: now + FORM_TOKEN_LIFE };
    staff_form_token::insert(tx, &token, &issued).await?;
    Ok(Some(token))
}

/// Opens the form of a token; none where nothing could come of it.
pub(crate) async fn open(desk: &Desk, tx: &mut TenantTx, token: &FormToken) -> Result<Option<Opened>, ChangeError> {
    let Some(issued) = fresh(tx, token, desk.registry.now()).await? else { return Ok(None) };
    let account = account::find(tx, issued.account).await?.ok_or(sqlx::Error::RowNotFound)?.stored.value;
    let account_name = account.display_name.map(|name| name.as_str().to_owned()).unwrap_or_default();
    Ok(Some(Opened { form: Form::Staff, account_name }))
}

/// A token that is good: its time is not over, its account is connected, and its LINE user is nobody of the staff yet.
async fn fresh(tx: &mut TenantTx, token: &FormToken, now: Timestamp) -> Result<Option<StaffFormToken>, ChangeError> {
    let Some(issued) = staff_form_token::find(tx, token).await?.filter(|issued| now < issued.expire_time) else {
        return Ok(None);
    };
    let is_connected = account::state(tx, issued.account, false).await? == Some(AccountState::Connected);
    let is_staff = staff_contact::bound_to(tx, issued.account, &issued.user).await?.is_some();
    Ok((is_connected && !is_staff).then_some(issued))
}

/// Submits a code.
pub(crate) async fn submit(
    desk: &Desk,
    token: &FormToken,
    code: &str,
    client: IpAddr,
) -> Result<Submitted, ChangeError> {
    let now = desk.registry.now();
    let mut tx = desk.registry.database.tenant(token.tenant()).await?;
    let Some(issued) = fresh(&mut tx, token, now).await? else { return Ok(Submitted::Gone) };
    if code.trim().is_empty() {
        return Ok(Submitted::Wrong(vec![(FormField::Code, Wrong::Missing)]));
    }
    // Locked, so that attempts of one LINE user are counted one after the other.
    staff_line_user::lock(&mut tx, issued.account, &issued.user).await?.ok_or(sqlx::Error::RowNotFound)?;
    let address = desk.address_keys.hash(token.tenant(), client);
    if let Some(full) = too_many(&mut tx, &issued, &address, now).await? {
        return Ok(Submitted::TooMany(full.window().to_std().unwrap_or_default()));
    }
    let (guest, invitation) = good(&mut tx, issued.account, code, now).await?.unzip();
    let nonce = invitation.as_ref().map(|_| Nonce::of(rand::random()));
    let attempt = BindAttempt {
        id: Uuid::now_v7(),
        account: issued.account,
        user: issued.user.clone(),
        invitation: invitation.map(|invitation| invitation.id),
        guest: guest.flatten(),
        submit_time: now,
        told_time: None,
        outcome: nonce.is_none().then_some(BindOutcome::BadCode),
    };
    staff_bind_attempt::insert(&mut tx, &attempt, nonce.as_ref(), &address).await?;
    failpoint::reached("identity.staff.placed");
    tx.commit().await?;
    let Some(nonce) = nonce else {
        told(BindOutcome::BadCode);
        return Ok(Submitted::Wrong(vec![(FormField::Code, Wrong::Unfit)]));
    };
    // LINE is asked outside of any transaction. Should it be away, what is kept waits for a word that never comes.
    match submission::link_token(desk, token.tenant(), issued.account, &issued.user).await {
        Ok(link_token) => Ok(Submitted::Confirm(submission::dialog(&desk.line_login_url, &link_token, &nonce))),
        Err(NoLinkToken::Away) => Ok(Submitted::Away),
        Err(NoLinkToken::Refused(_)) => Ok(Submitted::Gone),
    }
}

/// By what too many attempts were made.
async fn too_many(
    tx: &mut TenantTx,
    issued: &StaffFormToken,
    address: &[u8; 32],
    now: Timestamp,
) -> Result<Option<RateScope>, sqlx::Error> {
    let counted = [
        staff_bind_attempt::of_line_user(tx, issued.account, &issued.user, now).await?,
        staff_bind_attempt::from_address(tx, address, now).await?,
    ];
    Ok(counted.into_iter().find(|counted: &Counted| counted.is_full()).map(|counted| counted.scope))
}

/// The invitation whose code was typed on an account, where it is good, and the tenant that invites where that is another than the
/// account's. Everything that is wrong with a code is one answer.
async fn good(
    tx: &mut TenantTx,
    id: AccountId,
    typed: &str,
    now: Timestamp,
) -> Result<Option<(Option<TenantId>, StoredInvitation)>, ChangeError> {
    let Some(written) = WrittenCode::parse(typed) else { return Ok(None) };
    match (account::purpose(tx, id).await?, &written.share) {
        (Some(AccountPurpose::Staff), None) => {
            Ok(good_of_tenant(tx, &written.code, now).await?.map(|invitation| (None, invitation)))
        }
        (Some(AccountPurpose::SharedStaff), Some(share)) => {
            let Some(guest) = staff_account_guest::named(tx, id, share).await? else { return Ok(None) };
            let home = tx.tenant();
            tx.turn_to(guest).await?;
            let found = good_of_guest(tx, (home, id), &written.code, now).await;
            tx.turn_to(home).await?;
            Ok(found?.map(|invitation| (Some(guest), invitation)))
        }
        _ => Ok(None),
    }
}

/// The same of the transaction's tenant, which must use its share in the account.
async fn good_of_guest(
    tx: &mut TenantTx,
    (home, account): (TenantId, AccountId),
    code: &InvitationCode,
    now: Timestamp,
) -> Result<Option<StoredInvitation>, ChangeError> {
    if share::serves(tx, home, account).await? { good_of_tenant(tx, code, now).await } else { Ok(None) }
}

async fn good_of_tenant(
    tx: &mut TenantTx,
    code: &InvitationCode,
    now: Timestamp,
) -> Result<Option<StoredInvitation>, ChangeError> {
    let Some(found) = staff_invitation::with_code(tx, code).await? else { return Ok(None) };
    let member = staff::find(tx, found.value.staff).await?.ok_or(sqlx::Error::RowNotFound)?;
    Ok(is_good(&found.value, member.value.active, now).then_some(found))
}

/// Counts what became of an attempt.
pub(super) fn told(outcome: BindOutcome) {
    metrics::counter!("tsunagi_identity_staff_bindings_total", "outcome" => outcome.as_str()).increment(1);
}
