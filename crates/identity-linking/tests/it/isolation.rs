//! The database itself keeps tenants apart (L-16).

use contracts::identity::v1::*;
use sqlx::AssertSqlSafe;

use crate::activity::told;
use crate::customer::yamada;
use crate::friend::{event, user};
use crate::house::{House, SOON};

/// Tables of the schema without forced row-level security or without a policy.
const OPEN: &str = "SELECT c.relname::text FROM pg_class c
    WHERE c.relnamespace = 'identity'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> '_migrations'
        AND NOT (c.relrowsecurity AND c.relforcerowsecurity
            AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid))
    ORDER BY 1";

#[tokio::test]
async fn every_table_has_forced_row_level_security_and_a_new_one_without_is_found() {
    let house = House::open("policies").await;
    let admin = house.admin().await;
    let open: Vec<String> = sqlx::query_scalar(OPEN).fetch_all(&admin).await.unwrap();
    assert_eq!(open, [""; 0]);
    sqlx::query("CREATE TABLE identity.forgotten (tenant_id uuid)").execute(&admin).await.unwrap();
    let open: Vec<String> = sqlx::query_scalar(OPEN).fetch_all(&admin).await.unwrap();
    assert_eq!(open, ["forgotten"]);
}

#[tokio::test]
async fn raw_sql_without_a_tenant_sees_no_row_and_with_one_only_its_own() {
    let house = House::open("raw_sql").await;
    let (one, two) = (house.tenant().await, house.tenant().await);
    for (tenant, bot) in [(one, user(100)), (two, user(101))] {
        let at = house.at(tenant);
        let (_, account) = house.account(tenant, &bot).await;
        house.webhooks(tenant, account, &[event("follow", &user(1), 1_000)]).await;
        let customer = at.customers().create_customer(yamada("C-1")).await.unwrap().into_inner().customer.unwrap();
        at.customers().record_activity(told(&customer.customer_id, ActivityKind::Visit, "V", 1)).await.unwrap();
        testkit::eventually(SOON, || async {
            let count = CountFriendsRequest { account_id: account.to_string() };
            (at.friends().count_friends(count).await.unwrap().into_inner().friends == 1).then_some(())
        })
        .await
        .unwrap();
    }
    let (admin, role) = (house.admin().await, house.role("identity").await);
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'identity'::regnamespace AND relkind IN ('r', 'p')
             AND NOT relispartition AND has_table_privilege('identity', oid, 'SELECT')",
    )
    .fetch_all(&admin)
    .await
    .unwrap();
    assert!(tables.len() > 20, "{tables:?}");
    let mut filled = 0;
    for table in tables {
        let count = || AssertSqlSafe(format!("SELECT count(*) FROM identity.{table}"));
        let all: i64 = sqlx::query_scalar(count()).fetch_one(&admin).await.unwrap();
        filled += i64::from(all > 0);
        let without: i64 = sqlx::query_scalar(count()).fetch_one(&role).await.unwrap();
        assert_eq!(without, 0, "{table} shows rows without a tenant");
        let mut tx = role.begin().await.unwrap();
        sqlx::query("SELECT set_config('tsunagi.tenant', $1, true)")
            .bind(one.to_string())
            .execute(&mut *tx)
            .await
            .unwrap();
        let foreign = AssertSqlSafe(format!("SELECT count(*) FROM identity.{table} WHERE tenant_id <> $1"));
        let foreign: i64 = sqlx::query_scalar(foreign).bind(one.uuid()).fetch_one(&mut *tx).await.unwrap();
        assert_eq!(foreign, 0, "{table} shows rows of another tenant");
    }
    assert!(filled > 12, "only {filled} tables had rows to hide");
}

#[tokio::test]
async fn the_worker_role_reads_ids_times_and_states_and_nothing_personal() {
    let house = House::open("worker_role").await;
    let readable: Vec<(String, String)> = sqlx::query_as(
        "SELECT c.relname::text, a.attname::text FROM pg_class c
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE c.relnamespace = 'identity'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
             AND has_column_privilege('identity_worker', c.oid, a.attnum, 'SELECT')",
    )
    .fetch_all(&house.admin().await)
    .await
    .unwrap();
    let personal = ["_name", "reading", "number", "birth", "address", "line_user_id", "picture", "ciphertext", "title"];
    let shown: Vec<_> =
        readable.iter().filter(|(_, column)| personal.iter().any(|word| column.contains(word))).collect();
    assert!(shown.is_empty(), "{shown:?}");
    assert!(!readable.is_empty());
}
