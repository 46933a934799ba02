//! Who is known, how soon a change is, and what goes on while the database is away.

use std::time::{Duration, Instant};

use chassis::auth::replica::put_principal;
use contracts::access_proto::v1::Right;
use contracts::messaging::v1::GetQuotaRequest;
use contracts::messaging::v1::quota_service_client::QuotaServiceClient;
use kernel::{Clock as _, SystemClock};
use sqlx::{Connection as _, PgConnection};
use testkit::eventually;
use testkit::postgres::Cluster;
use tonic::{Code, Status};

use crate::auth::Served;
use crate::caller::Program;
use crate::stage::{SOON, tenant};

async fn call(served: &Served, program: &Program) -> Result<(), Status> {
    QuotaServiceClient::new(served.client(program)).get_quota(GetQuotaRequest::default()).await.map(drop)
}

async fn is_refused(served: &Served, program: &Program) -> Result<(), String> {
    match call(served, program).await {
        Err(status) if status.code() == Code::Unauthenticated => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

#[tokio::test]
async fn a_new_principal_may_call_at_once() {
    let served = Served::new("at_once").await;
    let database = &served.stage.database;
    let first = Program::known(database, Some(tenant(1)), &[Right::ConversationsRead]).await;
    served.knows(&first).await;
    for number in 2..8 {
        let program = Program::known(database, Some(tenant(number)), &[Right::ConversationsRead]).await;
        call(&served, &program).await.unwrap();
    }
}

#[tokio::test]
async fn strangers_are_refused_together_and_keep_nobody_waiting() {
    let served = Served::new("strangers").await;
    let program = Program::known(&served.stage.database, Some(tenant(1)), &[Right::ConversationsRead]).await;
    served.knows(&program).await;
    let token = chassis::auth::Token::generate(Some(tenant(1)), uuid::Uuid::new_v4().into()).unwrap();
    let stranger = QuotaServiceClient::new(served.client(&Program { token, replica: program.replica.clone() }));
    let calls = (0..400).map(|_| {
        let mut stranger = stranger.clone();
        async move { stranger.get_quota(GetQuotaRequest::default()).await.map(drop) }
    });
    for outcome in tokio::time::timeout(SOON, futures::future::join_all(calls)).await.unwrap() {
        assert_eq!(outcome.unwrap_err().code(), Code::Unauthenticated);
    }
    call(&served, &program).await.unwrap();
}

#[tokio::test]
async fn a_revocation_is_known_within_five_seconds() {
    let served = Served::new("revoked").await;
    let database = &served.stage.database;
    let mut program = Program::known(database, Some(tenant(1)), &[Right::ConversationsRead]).await;
    served.knows(&program).await;
    call(&served, &program).await.unwrap();
    program.change(database, |replica| replica.revoke_time = Some(contracts::timestamp(SystemClock.now()))).await;
    let revoked = Instant::now();
    eventually(Duration::from_secs(5), async || is_refused(&served, &program).await).await.unwrap();
    assert!(revoked.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_revocation_that_commits_after_a_later_change_is_not_missed() {
    let served = Served::new("commit_order").await;
    let database = &served.stage.database;
    let mut program = Program::known(database, Some(tenant(1)), &[Right::ConversationsRead]).await;
    served.knows(&program).await;
    // Written first, committed last.
    program.replica.version += 1;
    program.replica.revoke_time = Some(contracts::timestamp(SystemClock.now()));
    let mut early = database.tenant(tenant(1)).await.unwrap();
    assert!(put_principal(&mut early, database.schema(), &program.replica).await.unwrap());
    let later = Program::known(database, Some(tenant(1)), &[Right::ConversationsRead]).await;
    served.knows(&later).await;
    call(&served, &program).await.unwrap();
    early.commit().await.unwrap();
    eventually(Duration::from_secs(5), async || is_refused(&served, &program).await).await.unwrap();
}

#[tokio::test]
async fn an_older_version_changes_nothing() {
    let served = Served::new("version").await;
    let database = &served.stage.database;
    let program = Program::known(database, Some(tenant(1)), &[Right::ConversationsRead]).await;
    let mut old = program.replica.clone();
    old.version -= 1;
    old.revoke_time = Some(contracts::timestamp(SystemClock.now()));
    let mut worker = database.worker().acquire().await.unwrap();
    assert!(!put_principal(&mut worker, database.schema(), &old).await.unwrap());
    served.knows(&program).await;
}

#[tokio::test]
async fn callers_are_known_also_while_the_database_is_away() {
    let served = Served::new("away").await;
    let program = Program::known(&served.stage.database, Some(tenant(1)), &[Right::ConversationsRead]).await;
    served.knows(&program).await;
    let mut admin = PgConnection::connect(Cluster::shared().admin_url()).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", served.stage.server.name())))
        .execute(&mut admin)
        .await
        .unwrap();
    sqlx::query(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename LIKE 'messaging%' AND datname = $1",
    )
    .bind(served.stage.server.name())
    .execute(&mut admin)
    .await
    .unwrap();
    served.stage.database.tenant(tenant(1)).await.unwrap_err();
    call(&served, &program).await.unwrap();
    // A removed row is still known, a stranger is not.
    let stranger = chassis::auth::Token::generate(Some(tenant(1)), uuid::Uuid::new_v4().into()).unwrap();
    let stranger = Program { token: stranger, replica: program.replica.clone() };
    is_refused(&served, &stranger).await.unwrap();
}

#[tokio::test]
async fn readiness_waits_for_the_database_and_for_the_first_reading() {
    let served = Served::new("ready").await;
    served.gate.set(true);
    served.stage.database.tend(&served.host);
    tokio::time::timeout(SOON, served.host.readiness().ready()).await.unwrap();
    assert_eq!(served.host.readiness().closed(), Vec::<String>::new());
}
