//! What was written in inquiry forms.

use chassis::postgres::TenantTx;
use identity_linking_core::Line;
use identity_linking_core::inquiry::{Inquiry, InquiryState, InquiryText};
use kernel::InquiryId;
use sqlx::postgres::PgRow;

use super::row::{self, Stored};

fn stored(row: &PgRow) -> Result<Stored<InquiryId, Inquiry>, sqlx::Error> {
    Ok(Stored {
        id: row::id(row, "inquiry_id")?,
        version: row::get(row, "version")?,
        create_time: row::get(row, "submit_time")?,
        value: Inquiry {
            account: row::id(row, "account_id")?,
            friend: row::id(row, "friend_id")?,
            name: row::read(row, "name", Line::parse)?,
            text: row::read(row, "text", InquiryText::parse)?,
            state: row::word(row, "state", InquiryState::named)?,
        },
    })
}

/// Adds an inquiry.
pub(crate) async fn insert(tx: &mut TenantTx, inquiry: &Stored<InquiryId, Inquiry>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO identity.inquiry (tenant_id, inquiry_id, version, account_id, friend_id, name, text, submit_time, state)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(tx.tenant().uuid())
    .bind(inquiry.id.uuid())
    .bind(inquiry.version)
    .bind(inquiry.value.account.uuid())
    .bind(inquiry.value.friend.uuid())
    .bind(inquiry.value.name.as_str())
    .bind(inquiry.value.text.as_str())
    .bind(inquiry.create_time)
    .bind(inquiry.value.state.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// An inquiry, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut TenantTx, id: InquiryId) -> Result<Option<Stored<InquiryId, Inquiry>>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM identity.inquiry WHERE tenant_id = $1 AND inquiry_id = $2 FOR NO KEY UPDATE")
        .bind(tx.tenant().uuid())
        .bind(id.uuid())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(stored).transpose()
}

/// Keeps what LINE said of who wrote an inquiry.
pub(crate) async fn update_state(tx: &mut TenantTx, inquiry: &Stored<InquiryId, Inquiry>) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE identity.inquiry SET version = $3, state = $4 WHERE tenant_id = $1 AND inquiry_id = $2")
        .bind(tx.tenant().uuid())
        .bind(inquiry.id.uuid())
        .bind(inquiry.version)
        .bind(inquiry.value.state.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}
