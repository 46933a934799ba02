//! What LINE says of who submitted an activity, and what follows for the link on whose word its record stands (D-7).

use chassis::audit::Actor;
use chassis::postgres::TenantTx;
use identity_linking_core::link::{Telling, teller};
use kernel::{ActivityId, Timestamp};

use super::ledger;
use crate::change::ChangeError;
use crate::postgres::link_attempt::StoredAttempt;
use crate::postgres::submitted_activity::{self, StoredSubmitted};
use crate::postgres::{friend, link};

/// Notes that LINE confirmed an attempt. Its LINE user is locked.
pub(crate) async fn confirmed(tx: &mut TenantTx, attempt: &StoredAttempt) -> Result<(), ChangeError> {
    if let Some((activity, _)) = of(tx, attempt).await? {
        submitted_activity::keep_telling(tx, activity, Telling::Confirmed).await?;
    }
    Ok(())
}

/// Notes that LINE did not confirm an attempt, locked: somebody else may have told what came with it, and it may be on the record
/// of the LINE user with whose form token it came.
pub(crate) async fn refused(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    attempt: &StoredAttempt,
) -> Result<(), ChangeError> {
    if attempt.activity.is_none() {
        return Ok(());
    }
    friend::lock(tx, attempt.friend).await?.ok_or(sqlx::Error::RowNotFound)?;
    let Some((activity, found)) = of(tx, attempt).await? else { return Ok(()) };
    let telling = found.telling.refused();
    submitted_activity::keep_telling(tx, activity, telling).await?;
    let link = link::of_friend(tx, attempt.friend).await?;
    if let Some(link) = link.filter(|link| link.stored.value.customer == found.came.customer) {
        ledger::told_by(tx, actor, now, link, teller(found.came.by, telling)).await?;
    }
    Ok(())
}

/// The activity of an attempt, where it came with the form token of the attempt's LINE user.
async fn of(tx: &mut TenantTx, attempt: &StoredAttempt) -> Result<Option<(ActivityId, StoredSubmitted)>, sqlx::Error> {
    let Some(activity) = attempt.activity else { return Ok(None) };
    let found = submitted_activity::find(tx, activity).await?;
    Ok(found.filter(|found| found.came.by == Some(attempt.friend)).map(|found| (activity, found)))
}
