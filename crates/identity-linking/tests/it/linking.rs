//! Linking LINE users to customers, from the tap in the chat to the link and its end, one idea per module.

mod at_once;
mod booked;
mod card;
mod clocks;
mod figures;
mod first_message;
mod heard_late;
mod link;
mod link_replica;
mod no_guess;
mod no_link_token;
mod opener;
mod provisional;
mod rate;
mod rebuilt;
mod registration;
mod review;
mod right;
mod shuffle;
pub(crate) mod stage;
mod submit;
mod submitted_again;
mod sweep;
mod tab;
mod takeover;
mod told;
mod told_apart;
mod unlink;

use kernel::TenantId;
use uuid::Uuid;

use crate::house::House;

/// Links a customer to the tenant's only LINE user, as a row alone.
pub(crate) async fn linked(house: &House, tenant: TenantId, customer: &str) {
    let inserted = sqlx::query(
        "INSERT INTO identity.link (tenant_id, link_id, version, customer_id, friend_id, provider_id, assurance, origin, wish_time,
             create_time)
         SELECT $1, gen_random_uuid(), 1, $2, friend_id, provider_id, 'NAME', 'STAFF', now(), now()
         FROM identity.line_user WHERE tenant_id = $1",
    )
    .bind(tenant.uuid())
    .bind(Uuid::try_parse(customer).unwrap())
    .execute(&house.admin().await)
    .await
    .unwrap();
    assert_eq!(inserted.rows_affected(), 1);
}
