//! Databases on the shared server, and a private server that is killed.

use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection};
use testkit::postgres::{Cluster, Private};
use testkit::{eventually, process};

#[tokio::test]
async fn each_test_gets_an_empty_database_of_its_own_which_goes_with_its_guard() {
    let cluster = Cluster::shared();
    let first = cluster.fresh_database("Own one!").await.unwrap();
    let second = cluster.fresh_database("own").await.unwrap();
    assert_ne!(first.name(), second.name());
    let mut inside = PgConnection::connect(&first.admin_url()).await.unwrap();
    inside.execute("CREATE TABLE seen ()").await.unwrap();
    let mut outside = PgConnection::connect(&second.admin_url()).await.unwrap();
    let here: bool =
        sqlx::query_scalar("SELECT to_regclass('seen') IS NOT NULL").fetch_one(&mut outside).await.unwrap();
    assert!(!here, "a table of one database shows in the other");

    let name = first.name().to_owned();
    drop(first);
    let mut admin = PgConnection::connect(cluster.admin_url()).await.unwrap();
    let left: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(&mut admin)
        .await
        .unwrap();
    assert!(!left, "the database outlives its guard, although somebody was connected");
}

#[tokio::test]
async fn a_role_is_let_in_by_its_own_address() {
    let database = Cluster::shared().fresh_database("role").await.unwrap();
    let role = format!("guest_{}", testkit::nats::prefix());
    let mut admin = PgConnection::connect(&database.admin_url()).await.unwrap();
    admin.execute(sqlx::AssertSqlSafe(format!("CREATE ROLE {role} LOGIN"))).await.unwrap();
    let mut guest = PgConnection::connect(&database.url(&role)).await.unwrap();
    let who: String = sqlx::query_scalar("SELECT current_user::text").fetch_one(&mut guest).await.unwrap();
    assert_eq!(who, role);
    guest.close().await.unwrap();
    admin.execute(sqlx::AssertSqlSafe(format!("DROP ROLE {role}"))).await.unwrap();
}

#[tokio::test]
async fn leftovers_of_killed_tests_are_swept_and_young_ones_are_not() {
    // On a server of its own: on the shared one, another test may sweep first.
    let server = Private::start().await.unwrap();
    let mut admin = PgConnection::connect(&server.url()).await.unwrap();
    admin.execute("CREATE DATABASE tsunagi_test_202001010000_old_1").await.unwrap();
    let young: String =
        sqlx::query_scalar("SELECT to_char(now() AT TIME ZONE 'UTC', '\"tsunagi_test_\"YYYYMMDDHH24MI\"_a_1\"')")
            .fetch_one(&mut admin)
            .await
            .unwrap();
    admin.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {young}"))).await.unwrap();
    let fresh = server.cluster().unwrap().fresh_database("sweeper").await.unwrap();
    let mut names: Vec<String> =
        sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE datname LIKE 'tsunagi%'")
            .fetch_all(&mut admin)
            .await
            .unwrap();
    names.sort();
    let mut expected = [young, fresh.name().to_owned()];
    expected.sort();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_private_server_keeps_what_was_committed_over_a_kill_and_its_port() {
    let mut server = Private::start_with(&[("log_min_messages", "warning")]).await.unwrap();
    let url = server.url();
    let mut before = PgConnection::connect(&url).await.unwrap();
    before.execute("CREATE TABLE kept AS SELECT 7 AS number").await.unwrap();

    server.kill9().await.unwrap();
    assert!(before.execute("SELECT 1").await.is_err(), "a killed server answered");
    PgConnection::connect(&url).await.unwrap_err();

    server.start_again().await.unwrap();
    assert_eq!(server.url(), url);
    let mut after = PgConnection::connect(&url).await.unwrap();
    let number: i32 = sqlx::query_scalar("SELECT number FROM kept").fetch_one(&mut after).await.unwrap();
    assert_eq!(number, 7);

    server.stop().await.unwrap();
    PgConnection::connect(&url).await.unwrap_err();
    server.start_again().await.unwrap();
}

#[tokio::test]
async fn a_dropped_private_server_leaves_no_process_behind() {
    let server = Private::start().await.unwrap();
    let port = server.url();
    let port = port.split(':').nth(2).and_then(|rest| rest.split('/').next()).unwrap().to_owned();
    let needle = format!("port={port}");
    let running = || process_lines().into_iter().filter(|line| line.contains(&needle)).count();
    assert!(running() > 0, "the server does not show among the processes, so this test cannot see it go");
    drop(server);
    eventually(Duration::from_secs(10), || {
        std::future::ready(if running() == 0 { Ok(()) } else { Err(process_lines()) })
    })
    .await
    .unwrap();
}

fn process_lines() -> Vec<String> {
    let processes = std::fs::read_dir("/proc").expect("this is Linux").flatten();
    processes.filter_map(|entry| std::fs::read_to_string(entry.path().join("cmdline")).ok()).collect()
}

#[test]
#[should_panic(expected = "run `make test`")]
fn a_missing_binary_says_what_to_run() {
    drop(process::binary("no-such-binary"));
}
