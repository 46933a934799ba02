//! Migrations: again, at once, and the ones that must not pass.

use chassis::postgres::{MigrateError, MigrationText, migrate};
use chassis::{PLUMBING, config::Secret};
use sqlx::{Connection as _, Executor as _, PgConnection};
use testkit::postgres::Cluster;

use crate::stage::{NOTES, SCHEMA};

#[tokio::test]
async fn migrating_again_changes_nothing() {
    let server = Cluster::shared().fresh_database("again").await.unwrap();
    let url = server.admin_url();
    migrate(&url, SCHEMA, &[PLUMBING, NOTES]).await.unwrap();
    let ledger = "SELECT string_agg(version || ':' || installed_on, ',' ORDER BY version) FROM messaging._migrations";
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let before: String = sqlx::query_scalar(ledger).fetch_one(&mut admin).await.unwrap();
    migrate(&url, SCHEMA, &[PLUMBING, NOTES]).await.unwrap();
    let after: String = sqlx::query_scalar(ledger).fetch_one(&mut admin).await.unwrap();
    assert_eq!(before, after);
    // An older binary knows fewer migrations.
    migrate(&url, SCHEMA, &[PLUMBING]).await.unwrap();
}

#[tokio::test]
async fn many_at_once_on_several_databases_all_succeed() {
    let cluster = Cluster::shared();
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(cluster.fresh_database("at_once").await.unwrap());
    }
    let mut running = tokio::task::JoinSet::new();
    for server in &servers {
        for schema in ["ingest", "identity", "messaging", "scheduler", "messaging"] {
            let url = server.admin_url();
            running.spawn(async move { migrate(&url, schema, &[PLUMBING, NOTES]).await });
        }
    }
    while let Some(outcome) = running.join_next().await {
        outcome.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_table_without_a_policy_is_refused() {
    const OPEN: &[MigrationText] = &[MigrationText {
        version: 2000,
        name: "open",
        sql: "CREATE TABLE {schema}.open (tenant_id uuid NOT NULL PRIMARY KEY)",
    }];
    let server = Cluster::shared().fresh_database("open").await.unwrap();
    let error = migrate(&server.admin_url(), SCHEMA, &[PLUMBING, OPEN]).await.unwrap_err();
    assert!(matches!(&error, MigrateError::Unprotected(tables) if tables == &["open"]), "{error:?}");
}

#[tokio::test]
async fn a_policy_that_lets_the_service_see_every_tenant_is_refused() {
    const ISOLATED: &str = "CREATE TABLE {schema}.open (tenant_id uuid NOT NULL PRIMARY KEY);
        SELECT {schema}.isolate('{schema}.open'); SELECT {schema}.isolate_queue('{schema}.open', 'SELECT');";
    const PROPER: &[MigrationText] = &[MigrationText { version: 2000, name: "proper", sql: ISOLATED }];
    const OPEN: [&[MigrationText]; 4] = [
        &[MigrationText {
            version: 2001,
            name: "more",
            sql: "CREATE POLICY more ON {schema}.open TO {schema} USING (true)",
        }],
        &[MigrationText { version: 2001, name: "all", sql: "CREATE POLICY everybody ON {schema}.open USING (true)" }],
        &[MigrationText { version: 2001, name: "qual", sql: "ALTER POLICY tenant ON {schema}.open USING (true)" }],
        &[MigrationText {
            version: 2001,
            name: "check",
            sql: "ALTER POLICY tenant ON {schema}.open WITH CHECK (true)",
        }],
    ];
    for open in OPEN {
        let server = Cluster::shared().fresh_database("open_policy").await.unwrap();
        migrate(&server.admin_url(), SCHEMA, &[PLUMBING, PROPER]).await.unwrap();
        let error = migrate(&server.admin_url(), SCHEMA, &[PLUMBING, PROPER, open]).await.unwrap_err();
        assert!(
            matches!(&error, MigrateError::Unprotected(tables) if tables == &["open"]),
            "{}: {error:?}",
            open[0].name
        );
    }
}

#[tokio::test]
async fn a_table_that_is_not_led_by_its_tenant_is_refused() {
    const LEADERLESS: &[MigrationText] = &[MigrationText {
        version: 2000,
        name: "leaderless",
        sql: "CREATE TABLE {schema}.note (note_id uuid, tenant_id uuid NOT NULL, PRIMARY KEY (note_id, tenant_id));
              SELECT {schema}.isolate('{schema}.note');",
    }];
    let server = Cluster::shared().fresh_database("leaderless").await.unwrap();
    let error = migrate(&server.admin_url(), SCHEMA, &[PLUMBING, LEADERLESS]).await.unwrap_err();
    let told = format!("{:#}", anyhow::Error::from(error));
    assert!(told.contains("the primary key of messaging.note must begin with tenant_id"), "{told}");
}

#[tokio::test]
async fn a_changed_or_doubled_migration_is_refused() {
    const CHANGED: &[MigrationText] = &[MigrationText { version: 1000, name: "notes", sql: "SELECT 1" }];
    let server = Cluster::shared().fresh_database("changed").await.unwrap();
    migrate(&server.admin_url(), SCHEMA, &[PLUMBING, NOTES]).await.unwrap();
    let changed = migrate(&server.admin_url(), SCHEMA, &[PLUMBING, CHANGED]).await.unwrap_err();
    assert!(matches!(changed, MigrateError::Migration(_)), "{changed:?}");
    let doubled = migrate(&server.admin_url(), SCHEMA, &[PLUMBING, NOTES, CHANGED]).await.unwrap_err();
    assert!(matches!(doubled, MigrateError::SameVersion(1000)), "{doubled:?}");
}

#[tokio::test]
async fn a_role_with_too_much_power_is_refused() {
    let server = Cluster::shared().fresh_database("mighty").await.unwrap();
    let mut admin = PgConnection::connect(&server.admin_url()).await.unwrap();
    // Roles belong to the whole server, so this one has a name of its own and goes again.
    admin.execute("DROP ROLE IF EXISTS mighty_chassis; CREATE ROLE mighty_chassis LOGIN BYPASSRLS").await.unwrap();
    let outcome = migrate(&server.admin_url(), "mighty_chassis", &[PLUMBING]).await;
    admin.execute("DROP ROLE mighty_chassis").await.unwrap();
    assert!(matches!(outcome, Err(MigrateError::Role(_))), "{outcome:?}");
}

#[tokio::test]
async fn passwords_are_set_whatever_characters_they_have() {
    let server = Cluster::shared().fresh_database("passwords").await.unwrap();
    migrate(&server.admin_url(), "password_chassis", &[PLUMBING]).await.unwrap();
    let password = Secret::new("it's \\ \"odd\"; DROP".to_owned());
    chassis::postgres::set_passwords(&server.admin_url(), "password_chassis", &password).await.unwrap();
    let mut admin = PgConnection::connect(&server.admin_url()).await.unwrap();
    let with: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_authid WHERE rolname LIKE 'password_chassis%' AND rolpassword IS NOT NULL",
    )
    .fetch_one(&mut admin)
    .await
    .unwrap();
    assert_eq!(with, 2);
}
