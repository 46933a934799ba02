//! Notices as they are listed.

use std::collections::HashMap;

use chassis::postgres::TenantTx;
use kernel::{StaffId, Timestamp};
use messaging_outbox_core::notice::NoticeKind;
use messaging_outbox_core::notice::channel::{DeliveryState, NoticeChannel};
use sqlx::Row as _;
use uuid::Uuid;

use super::{Raised, raised};

/// Which notices a page lists.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub(crate) staff: Option<StaffId>,
    pub(crate) kind: Option<NoticeKind>,
    /// Those that stand there on a channel.
    pub(crate) state: Option<DeliveryState>,
    /// Behind this one.
    pub(crate) after: Option<(Timestamp, Uuid)>,
    pub(crate) limit: i64,
}

/// Where a notice stands on a channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) channel: NoticeChannel,
    pub(crate) state: DeliveryState,
    pub(crate) reason: Option<i16>,
    pub(crate) attempts: i16,
    pub(crate) settle_time: Option<Timestamp>,
}

/// A notice, and where it stands, channel by channel.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) raised: Raised,
    pub(crate) deliveries: Vec<Standing>,
}

/// Lists notices, the latest first: along the member's own index where one is named.
pub(crate) async fn list(tx: &mut TenantTx, listing: &Listing) -> Result<Vec<Listed>, sqlx::Error> {
    let query = match listing.staff {
        Some(_) => {
            "SELECT n.* FROM messaging.notice n
             WHERE n.tenant_id = $1 AND n.staff_id = $2
                 AND (n.create_time, n.notice_id) < (coalesce($3::timestamptz, 'infinity'), $4)
                 AND ($5::smallint IS NULL OR n.kind = $5)
                 AND ($6::smallint IS NULL OR EXISTS (
                     SELECT FROM messaging.notice_delivery d
                     WHERE d.tenant_id = $1 AND d.notice_id = n.notice_id AND d.state = $6))
             ORDER BY n.create_time DESC, n.notice_id DESC LIMIT $7"
        }
        None => {
            "SELECT n.* FROM messaging.notice n
             WHERE n.tenant_id = $1 AND $2::uuid IS NULL
                 AND (n.create_time, n.notice_id) < (coalesce($3::timestamptz, 'infinity'), $4)
                 AND ($5::smallint IS NULL OR n.kind = $5)
                 AND ($6::smallint IS NULL OR EXISTS (
                     SELECT FROM messaging.notice_delivery d
                     WHERE d.tenant_id = $1 AND d.notice_id = n.notice_id AND d.state = $6))
             ORDER BY n.create_time DESC, n.notice_id DESC LIMIT $7"
        }
    };
    let (time, id) = listing.after.unzip();
    let rows = sqlx::query(query)
        .bind(tx.tenant().uuid())
        .bind(listing.staff.map(StaffId::uuid))
        .bind(time)
        .bind(id.unwrap_or(Uuid::max()))
        .bind(listing.kind.map(NoticeKind::code))
        .bind(listing.state.map(DeliveryState::code))
        .bind(listing.limit)
        .fetch_all(&mut **tx)
        .await?;
    let found = rows.iter().map(raised).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<Uuid> = found.iter().map(|one| one.notice.id).collect();
    let mut standings = standings(tx, &ids).await?;
    Ok(found
        .into_iter()
        .map(|raised| {
            let deliveries = standings.remove(&raised.notice.id).unwrap_or_default();
            Listed { raised, deliveries }
        })
        .collect())
}

async fn standings(tx: &mut TenantTx, notices: &[Uuid]) -> Result<HashMap<Uuid, Vec<Standing>>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT d.notice_id, d.channel, d.state, d.reason, d.attempts, d.settle_time
         FROM unnest($2::uuid[]) AS n (notice_id)
         CROSS JOIN LATERAL (
             SELECT * FROM messaging.notice_delivery WHERE tenant_id = $1 AND notice_id = n.notice_id ORDER BY channel LIMIT 3) d",
    )
    .bind(tx.tenant().uuid())
    .bind(notices)
    .fetch_all(&mut **tx)
    .await?;
    let mut standings: HashMap<Uuid, Vec<Standing>> = HashMap::new();
    for row in &rows {
        let (channel, state): (i16, i16) = (row.try_get("channel")?, row.try_get("state")?);
        let Some((channel, state)) = NoticeChannel::from_code(channel).zip(DeliveryState::from_code(state)) else {
            continue;
        };
        standings.entry(row.try_get("notice_id")?).or_default().push(Standing {
            channel,
            state,
            reason: row.try_get("reason")?,
            attempts: row.try_get("attempts")?,
            settle_time: row.try_get("settle_time")?,
        });
    }
    Ok(standings)
}
