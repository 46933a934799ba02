//! The rows of erasures: what is sought, and how far it is.

use std::time::Duration;

use chassis::postgres::{Database, TenantTx};
use kernel::{TenantId, Timestamp};
use line_types::id::MessageId;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;
use webhook_ingest_core::{Cause, Sought, near_after};

use crate::vault::Vault;

/// Days after which a complete erasure is listed no more.
const LISTED_DAYS: i32 = 400;

/// One erasure.
#[derive(Debug)]
pub(super) struct Matter {
    pub(super) id: Uuid,
    /// Nil: every account of the tenant.
    pub(super) account: Uuid,
    /// None: of a LINE user.
    pub(super) unsend: Option<Uuid>,
    pub(super) message: Option<String>,
    pub(super) line_user: Option<Vec<u8>>,
    pub(super) asked_at: Timestamp,
    pub(super) looks: i16,
    pub(super) looked_at: Option<Timestamp>,
    pub(super) erased: i64,
    pub(super) complete: bool,
    /// What the look under way goes through, of a LINE user: 0 at its beginning.
    pub(super) part: i16,
    /// How far it has come in that: an account and an event, or nil and a body.
    pub(super) place: (Uuid, Uuid),
}

const COLUMNS: &str =
    "erasure_id, account_id, unsend_event_id, message_id, line_user, create_time, looks, looked_at, erased,
    due_at = 'infinity' AS complete, part, place_account, place_id";

impl Matter {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("erasure_id")?,
            account: row.try_get("account_id")?,
            unsend: row.try_get("unsend_event_id")?,
            message: row.try_get("message_id")?,
            line_user: row.try_get("line_user")?,
            asked_at: row.try_get("create_time")?,
            looks: row.try_get("looks")?,
            looked_at: row.try_get("looked_at")?,
            erased: row.try_get("erased")?,
            complete: row.try_get("complete")?,
            part: row.try_get("part")?,
            place: (row.try_get("place_account")?, row.try_get("place_id")?),
        })
    }

    pub(super) const fn cause(&self) -> Cause {
        if self.unsend.is_some() { Cause::Unsend } else { Cause::LineUser }
    }

    /// What is sought; none where it is no more, or cannot be told.
    pub(super) fn sought(&self, tenant: TenantId, vault: &Vault) -> Option<Sought> {
        match (&self.message, &self.line_user) {
            (Some(message), _) => MessageId::parse(message).ok().map(Sought::Message),
            (None, Some(sealed)) => {
                let user = vault.open_user(tenant, self.id, sealed).ok()?;
                Some(Sought::LineUser { user, until: self.asked_at })
            }
            (None, None) => None,
        }
    }
}

/// The erasure of an ID.
pub(super) async fn find(tx: &mut TenantTx, id: Uuid) -> Result<Option<Matter>, sqlx::Error> {
    let text = format!("SELECT {COLUMNS} FROM ingest.erasure WHERE tenant_id = $1 AND erasure_id = $2");
    let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(tx.tenant().uuid()).bind(id);
    query.fetch_optional(&mut **tx).await?.as_ref().map(Matter::read).transpose()
}

/// Erasures before `before`, latest first.
pub(super) async fn list(
    tx: &mut TenantTx,
    cause: Option<Cause>,
    before: Option<(Timestamp, Uuid)>,
    limit: i64,
) -> Result<Vec<Matter>, sqlx::Error> {
    let text = format!(
        "SELECT {COLUMNS} FROM ingest.erasure
         WHERE tenant_id = $1 AND ($2::boolean IS NULL OR (unsend_event_id IS NOT NULL) = $2)
             AND ($3::timestamptz IS NULL OR (create_time, erasure_id) < ($3, $4))
         ORDER BY create_time DESC, erasure_id DESC LIMIT $5"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(tx.tenant().uuid())
        .bind(cause.map(|cause| cause == Cause::Unsend))
        .bind(before.map(|place| place.0))
        .bind(before.map(|place| place.1))
        .bind(limit);
    query.fetch_all(&mut **tx).await?.iter().map(Matter::read).collect()
}

/// A LINE user is to be forgotten.
pub(super) async fn forget_user(tx: &mut TenantTx, id: Uuid, sealed: &[u8]) -> Result<(), sqlx::Error> {
    let insert = "INSERT INTO ingest.erasure (tenant_id, erasure_id, account_id, line_user) VALUES ($1, $2, $3, $4)";
    let insert = sqlx::query(insert).bind(tx.tenant().uuid()).bind(id).bind(Uuid::nil()).bind(sealed);
    insert.execute(&mut **tx).await?;
    Ok(())
}

/// Those of which a body of an account may hold something that is about these messages.
pub(super) async fn concerning(
    tx: &mut TenantTx,
    account: Uuid,
    messages: &[&str],
) -> Result<Vec<Matter>, sqlx::Error> {
    let text = format!(
        "SELECT {COLUMNS} FROM ingest.erasure WHERE tenant_id = $1 AND account_id = $2 AND message_id = ANY ($3)
         UNION ALL SELECT {COLUMNS} FROM ingest.erasure WHERE tenant_id = $1 AND line_user IS NOT NULL"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(tx.tenant().uuid()).bind(account).bind(messages);
    query.fetch_all(&mut **tx).await?.iter().map(Matter::read).collect()
}

/// One that is looked for together with another.
#[derive(Debug)]
pub(super) struct InHand {
    pub(super) matter: Matter,
    /// How often it was taken in hand since its last look.
    pub(super) attempts: i16,
    /// The claim by which it is held.
    pub(super) claim: Uuid,
}

/// Takes in hand, for as long as `lease`, those of an account's messages that were taken back whose look is due, or has come near
/// ([`near_after`]). They are looked for together with one that is due, so that one pass through the event IDs and the
/// stream does for all.
pub(super) async fn take_near(
    tx: &mut TenantTx,
    of: &Matter,
    limit: i64,
    lease: Duration,
) -> Result<Vec<InHand>, sqlx::Error> {
    let text = format!(
        "UPDATE ingest.erasure
         SET claim = gen_random_uuid(), attempts = least(attempts + 1, 30000), due_at = now() + make_interval(secs => $5)
         WHERE tenant_id = $1 AND erasure_id IN (
             SELECT erasure_id FROM ingest.erasure
             WHERE tenant_id = $1 AND account_id = $2 AND erasure_id <> $3 AND message_id IS NOT NULL
                 AND due_at < 'infinity' AND (due_at <= now() OR (attempts = 0 AND near_at <= now()))
             ORDER BY due_at LIMIT $4 FOR UPDATE SKIP LOCKED)
         RETURNING {COLUMNS}, attempts, claim"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(tx.tenant().uuid()).bind(of.account).bind(of.id);
    let rows = query.bind(limit).bind(lease.as_secs_f64()).fetch_all(&mut **tx).await?;
    let in_hand = |row: &PgRow| {
        Ok(InHand { matter: Matter::read(row)?, attempts: row.try_get("attempts")?, claim: row.try_get("claim")? })
    };
    rows.iter().map(in_hand).collect()
}

/// A look has erased from so many events.
pub(super) async fn erased(tx: &mut TenantTx, id: Uuid, events: usize) -> Result<(), sqlx::Error> {
    if events == 0 {
        return Ok(());
    }
    let query = "UPDATE ingest.erasure SET erased = erased + $3 WHERE tenant_id = $1 AND erasure_id = $2";
    let query = sqlx::query(query).bind(tx.tenant().uuid()).bind(id).bind(i64::try_from(events).unwrap_or(i64::MAX));
    query.execute(&mut **tx).await?;
    Ok(())
}

/// Lets those that are still held by these claims be held for as long as `lease` from now on; tells of how many that is so.
pub(super) async fn hold_on(tx: &mut TenantTx, held: &[(Uuid, Uuid)], lease: Duration) -> Result<u64, sqlx::Error> {
    let (ids, claims): (Vec<Uuid>, Vec<Uuid>) = held.iter().copied().unzip();
    let renewed = sqlx::query(
        "UPDATE ingest.erasure e SET due_at = now() + make_interval(secs => $4)
         FROM unnest($2::uuid[], $3::uuid[]) AS held (erasure_id, claim)
         WHERE e.tenant_id = $1 AND e.erasure_id = held.erasure_id AND e.claim = held.claim",
    )
    .bind(tx.tenant().uuid())
    .bind(ids)
    .bind(claims)
    .bind(lease.as_secs_f64())
    .execute(&mut **tx)
    .await?;
    Ok(renewed.rows_affected())
}

/// A part of a look met no trouble, and the look goes on from this place, of whoever still holds it by this claim.
pub(super) async fn went_on(
    tx: &mut TenantTx,
    (id, claim): (Uuid, Uuid),
    part: i16,
    (account, place): (Uuid, Uuid),
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE ingest.erasure SET part = $4, place_account = $5, place_id = $6, attempts = 0
         WHERE tenant_id = $1 AND erasure_id = $2 AND claim = $3",
    )
    .bind(tx.tenant().uuid())
    .bind(id)
    .bind(claim)
    .bind(part)
    .bind(account)
    .bind(place)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Looks are over, of those that are still held by these claims: the next one is due after each one's pause; none: the erasure is
/// complete, and whom it was of is forgotten.
pub(super) async fn looked(
    tx: &mut TenantTx,
    looked: impl Iterator<Item = (Uuid, Uuid, Option<Duration>)>,
) -> Result<(), sqlx::Error> {
    let (mut ids, mut claims, mut waits, mut nears) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (id, claim, wait) in looked {
        ids.push(id);
        claims.push(claim);
        waits.push(wait.map(|wait| wait.as_secs_f64()));
        nears.push(wait.map(|wait| near_after(wait).as_secs_f64()));
    }
    sqlx::query(
        "UPDATE ingest.erasure e SET looks = least(e.looks + 1, 30000), looked_at = now(), attempts = 0, part = 0,
             place_account = $5, place_id = $5, due_at = coalesce(now() + make_interval(secs => l.wait), 'infinity'),
             near_at = coalesce(now() + make_interval(secs => l.near), 'infinity'),
             line_user = CASE WHEN l.wait IS NULL THEN NULL ELSE e.line_user END
         FROM unnest($2::uuid[], $3::uuid[], $4::float8[], $6::float8[]) AS l (erasure_id, claim, wait, near)
         WHERE e.tenant_id = $1 AND e.erasure_id = l.erasure_id AND e.claim = l.claim",
    )
    .bind(tx.tenant().uuid())
    .bind(ids)
    .bind(claims)
    .bind(waits)
    .bind(Uuid::nil())
    .bind(nears)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Forgets complete erasures that are listed no more, over all tenants.
pub(crate) async fn forget_old(database: &Database) -> Result<(), sqlx::Error> {
    let forget =
        "DELETE FROM ingest.erasure WHERE due_at = 'infinity' AND create_time < now() - make_interval(days => $1)";
    sqlx::query(forget).bind(LISTED_DAYS).execute(database.worker()).await?;
    Ok(())
}
