//! Whether a body holds what is to be erased, and is looked for already: it came after it was taken back, and no look has found it yet.

use bytes::Bytes;
use chassis::postgres::TenantTx;
use kernel::AccountId;
use line_types::id::MessageId;
use webhook_ingest_core::{read, redact};

use super::matter;
use crate::vault::Vault;

/// Whether something of this body of an account, of the transaction's tenant, is to be erased. Whoever passes bodies on asks.
///
/// # Errors
/// When the database is away or refuses.
pub(crate) async fn is_to_be_erased(
    tx: &mut TenantTx,
    vault: &Vault,
    account: AccountId,
    body: &Bytes,
) -> Result<bool, sqlx::Error> {
    let events = read(body).map(|reading| reading.events).unwrap_or_default();
    let messages: Vec<&str> = events.iter().filter_map(|event| event.message.as_ref()).map(MessageId::as_str).collect();
    let matters = matter::concerning(tx, account.uuid(), &messages).await?;
    let tenant = tx.tenant();
    let mut sought = matters.iter().filter_map(|matter| matter.sought(tenant, vault));
    Ok(sought.any(|sought| redact(body, &sought).is_some()))
}
