//! Dead letters to look at. What LINE sends makes none in a sound platform, so the rows are made by hand.

use kernel::TenantId;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tests::Service;

/// Puts a dead letter of the tenant, waiting, into each of the four services, and tells the ID they share.
pub(crate) async fn in_every_service(admin_url: &str, tenant: TenantId) -> anyhow::Result<String> {
    let mut admin = PgConnection::connect(admin_url).await?;
    let id = uuid::Uuid::new_v4();
    for service in Service::ALL {
        let row = format!(
            "insert into {}.parked_message
                 (tenant_id, message_id, consumer, state, event_key, event_id, subject, headers, payload, reason, gave_up_at)
             values ($1, $2, 'nobody', 'waiting', $2, 'an-event', 'identity.v1.x', '', '', 'made for a test', now())",
            service.schema()
        );
        sqlx::query(AssertSqlSafe(row)).bind(tenant.uuid()).bind(id).execute(&mut admin).await?;
    }
    Ok(id.to_string())
}
