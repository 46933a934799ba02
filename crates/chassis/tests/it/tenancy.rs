//! S-1: nobody sees another tenant's rows, and without a tenant nobody sees any.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chassis::audit::{self, Actor};
use chassis::postgres::{constraint, is_unavailable};
use sqlx::Executor as _;
use uuid::Uuid;

use crate::stage::{SCHEMA, Stage, connect, tenant};

async fn write_note(stage: &Stage, number: u128, text: &str) {
    let mut tx = stage.database.tenant(tenant(number)).await.unwrap();
    sqlx::query("INSERT INTO messaging.note (tenant_id, note_id, text) VALUES ($1, $2, $3)")
        .bind(Uuid::from_u128(number))
        .bind(Uuid::new_v4())
        .bind(text)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn notes(stage: &Stage, number: u128) -> Vec<String> {
    let mut tx = stage.database.tenant(tenant(number)).await.unwrap();
    sqlx::query_scalar("SELECT text FROM messaging.note").fetch_all(&mut *tx).await.unwrap()
}

#[tokio::test]
async fn a_transaction_sees_its_own_tenants_rows_and_no_others() {
    let stage = Stage::new("tenancy").await;
    write_note(&stage, 1, "one").await;
    write_note(&stage, 2, "two").await;
    assert_eq!(notes(&stage, 1).await, ["one"]);
    assert_eq!(notes(&stage, 2).await, ["two"]);
    assert_eq!(notes(&stage, 3).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_row_of_another_tenant_cannot_be_written_changed_or_removed() {
    let stage = Stage::new("foreign_row").await;
    write_note(&stage, 2, "two").await;
    let mut tx = stage.database.tenant(tenant(1)).await.unwrap();
    for statement in ["UPDATE messaging.note SET text = 'stolen'", "DELETE FROM messaging.note"] {
        assert_eq!(sqlx::query(statement).execute(&mut *tx).await.unwrap().rows_affected(), 0, "{statement}");
    }
    let insert = "INSERT INTO messaging.note (tenant_id, note_id, text) VALUES ($1, $1, 'planted')";
    let refused = sqlx::query(insert).bind(Uuid::from_u128(2)).execute(&mut *tx).await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("42501"), "{refused}");
    drop(tx);
    assert_eq!(notes(&stage, 2).await, ["two"]);
}

#[tokio::test]
async fn without_a_tenant_no_row_is_visible_also_after_a_transaction_that_had_one() {
    let stage = Stage::new("no_tenant").await;
    write_note(&stage, 1, "one").await;
    let service = sqlx::PgPool::connect(&stage.server.url(SCHEMA)).await.unwrap();
    let mut connection = service.acquire().await.unwrap();
    let count = "SELECT count(*) FROM messaging.note";
    let before: i64 = sqlx::query_scalar(count).fetch_one(&mut *connection).await.unwrap();
    connection.execute("BEGIN; SET LOCAL tsunagi.tenant = '00000000-0000-0000-0000-000000000001'").await.unwrap();
    let within: i64 = sqlx::query_scalar(count).fetch_one(&mut *connection).await.unwrap();
    connection.execute("COMMIT").await.unwrap();
    let after: i64 = sqlx::query_scalar(count).fetch_one(&mut *connection).await.unwrap();
    assert_eq!((before, within, after), (0, 1, 0));
}

#[tokio::test]
async fn the_worker_sees_queue_tables_over_all_tenants_and_nothing_else() {
    let stage = Stage::new("worker").await;
    write_note(&stage, 1, "one").await;
    for number in [1, 2] {
        sqlx::query("INSERT INTO messaging.job (tenant_id, job_id, due_at) VALUES ($1, $1, now())")
            .bind(Uuid::from_u128(number))
            .execute(stage.database.worker())
            .await
            .unwrap();
    }
    let jobs: i64 =
        sqlx::query_scalar("SELECT count(*) FROM messaging.job").fetch_one(stage.database.worker()).await.unwrap();
    assert_eq!(jobs, 2);
    for forbidden in [
        "SELECT text FROM messaging.note",
        "SELECT display_name FROM messaging.staff_replica",
        "SELECT response FROM messaging.request",
        "SELECT wrapped FROM messaging.data_key",
        "SELECT subject FROM messaging.audit",
        "DELETE FROM messaging.job",
    ] {
        let refused = sqlx::query(forbidden).fetch_all(stage.database.worker()).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("42501"), "{forbidden}: {refused}");
    }
}

#[tokio::test]
async fn a_service_reaches_its_own_schema_only() {
    let stage = Stage::new("schemas").await;
    let server = &stage.server;
    chassis::postgres::migrate(&server.admin_url(), "identity", &[chassis::PLUMBING]).await.unwrap();
    let identity = connect(server, "identity").await;
    let mut tx = identity.tenant(tenant(1)).await.unwrap();
    sqlx::query("SELECT * FROM identity.audit").fetch_all(&mut *tx).await.unwrap();
    for (forbidden, connection) in [
        ("SELECT * FROM messaging.note", "service"),
        ("SELECT * FROM messaging.job", "worker"),
        ("CREATE TABLE identity.mine (x int)", "service"),
        ("CREATE TABLE public.mine (x int)", "worker"),
        ("CREATE TEMPORARY TABLE mine (x int)", "worker"),
        ("SELECT * FROM identity._migrations", "service"),
    ] {
        let mut tx = identity.tenant(tenant(1)).await.unwrap();
        let outcome = match connection {
            "service" => sqlx::query(forbidden).execute(&mut *tx).await,
            _ => sqlx::query(forbidden).execute(identity.worker()).await,
        };
        let refused = outcome.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("42501"), "{forbidden}: {refused}");
    }
}

#[tokio::test]
async fn audit_rows_come_with_their_change_and_never_leave() {
    let stage = Stage::new("audit").await;
    let mut tx = stage.database.tenant(tenant(1)).await.unwrap();
    let actor = Actor::Staff { principal: Uuid::from_u128(5).into(), staff: Uuid::from_u128(6).into() };
    audit::record(&mut tx, &actor, "message.cancel", "message/7", serde_json::json!({ "outcome": "done" }))
        .await
        .unwrap();
    tx.rollback().await.unwrap();
    let mut tx = stage.database.tenant(tenant(1)).await.unwrap();
    audit::record(&mut tx, &actor, "message.cancel", "message/8", serde_json::json!({})).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = stage.database.tenant(tenant(1)).await.unwrap();
    let rows: Vec<(String, Option<Uuid>, String)> =
        sqlx::query_as("SELECT actor_kind, staff_id, subject FROM messaging.audit").fetch_all(&mut *tx).await.unwrap();
    assert_eq!(rows, [("staff".to_owned(), Some(Uuid::from_u128(6)), "message/8".to_owned())]);
    for change in ["UPDATE messaging.audit SET action = 'x'", "DELETE FROM messaging.audit", "TRUNCATE messaging.audit"]
    {
        let mut tx = stage.database.tenant(tenant(1)).await.unwrap();
        let refused = sqlx::query(change).execute(&mut *tx).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("42501"), "{change}");
    }
}

#[tokio::test]
async fn wake_ups_follow_a_commit_and_never_a_rollback() {
    let stage = Stage::new("wake").await;
    for (commits, woken) in [(false, false), (true, true)] {
        let flag = Arc::new(AtomicBool::new(false));
        let mut tx = stage.database.tenant(tenant(1)).await.unwrap();
        let setter = Arc::clone(&flag);
        tx.after_commit(move || setter.store(true, Ordering::SeqCst));
        if commits {
            tx.commit().await.unwrap();
        } else {
            tx.rollback().await.unwrap();
        }
        assert_eq!(flag.load(Ordering::SeqCst), woken);
    }
}

#[tokio::test]
async fn a_restart_of_the_server_is_told_apart_from_a_mistake_and_costs_no_transaction_afterwards() {
    let stage = Stage::new("cut").await;
    // Four connections lie in the pool.
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(stage.database.tenant(tenant(1)).await.unwrap());
    }
    let mut held = open.pop().unwrap();
    drop(open);
    let mut admin = stage.admin().await;
    sqlx::query(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'messaging' AND datname = $1",
    )
    .bind(stage.server.name())
    .execute(&mut admin)
    .await
    .unwrap();
    let cut = sqlx::query("SELECT 1").execute(&mut *held).await.unwrap_err();
    assert!(is_unavailable(&cut), "{cut:?}");
    drop(held);
    for _ in 0..4 {
        let mut tx = stage.database.tenant(tenant(1)).await.unwrap();
        sqlx::query("SELECT 1").execute(&mut *tx).await.unwrap();
    }
    write_note(&stage, 1, "once").await;
    let mut tx = stage.database.tenant(tenant(1)).await.unwrap();
    let twice = "INSERT INTO messaging.note SELECT tenant_id, note_id, text FROM messaging.note";
    let mistake = sqlx::query(twice).execute(&mut *tx).await.unwrap_err();
    assert!(!is_unavailable(&mistake));
    assert_eq!(constraint(&mistake), Some("note_pkey"));
}

#[tokio::test]
async fn a_transaction_that_turns_to_another_tenant_sees_one_at_a_time_and_keeps_what_it_did_in_both_or_in_neither() {
    let stage = Stage::new("turning").await;
    write_note(&stage, 1, "one").await;
    write_note(&stage, 2, "two").await;
    for is_kept in [false, true] {
        let mut tx = stage.database.tenant(tenant(1)).await.unwrap();
        tx.turn_to(tenant(2)).await.unwrap();
        assert_eq!(tx.tenant(), tenant(2));
        let seen: Vec<String> =
            sqlx::query_scalar("SELECT text FROM messaging.note").fetch_all(&mut *tx).await.unwrap();
        assert_eq!(seen, ["two"]);
        let changed = sqlx::query("UPDATE messaging.note SET text = text || '!'").execute(&mut *tx).await.unwrap();
        assert_eq!(changed.rows_affected(), 1, "its own row alone");
        tx.turn_to(tenant(1)).await.unwrap();
        let changed = sqlx::query("UPDATE messaging.note SET text = text || '?'").execute(&mut *tx).await.unwrap();
        assert_eq!(changed.rows_affected(), 1);
        if is_kept {
            tx.commit().await.unwrap();
        } else {
            drop(tx);
        }
        let kept = if is_kept { ["one?", "two!"] } else { ["one", "two"] };
        assert_eq!([notes(&stage, 1).await, notes(&stage, 2).await].concat(), kept);
    }
    // Whoever gets the connection next begins in its own tenant.
    assert_eq!(notes(&stage, 3).await, Vec::<String>::new());
}
