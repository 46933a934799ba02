//! Each tenant's bodies are kept as long as it says.

use chassis::HostConfig;
use chrono::{Datelike as _, TimeDelta, Weekday};
use contracts::access_proto::v1::Right;
use contracts::ingest::v1::retention_service_client::RetentionServiceClient;
use contracts::ingest::v1::{GetRetentionRequest, Retention, UpdateRetentionRequest};
use testkit::eventually;
use tonic::Code;
use uuid::Uuid;
use webhook_ingest::Config;

use crate::stage::{SOON, Stage, TestAccount, now};

const RIGHTS: [Right; 2] = [Right::OperationsRead, Right::OperationsManage];

/// Bodies of so many days ago of an account's tenant, empty ones, one of each kind.
async fn aged(stage: &Stage, account: &TestAccount, days: &[i64]) {
    let mut admin = stage.admin().await;
    for days in days {
        let at = now() - TimeDelta::days(*days);
        let body = Uuid::from_u128(ulid::Ulid::from_parts(u64::try_from(at.timestamp_millis()).unwrap(), 7).0);
        for table in ["body", "quarantined_body"] {
            let make = sqlx::query("SELECT ingest.ensure_partitions($1, ARRAY[$2])").bind(table).bind(at);
            make.execute(&mut admin).await.unwrap();
        }
        for insert in [
            "INSERT INTO ingest.body (tenant_id, body_id, account_id, verified_at, payload) VALUES ($1, $2, $3, $4, '')",
            "INSERT INTO ingest.quarantined_body (tenant_id, body_id, account_id, verified_at, reason, payload)
             VALUES ($1, $2, $3, $4, 'unreadable', '')",
        ] {
            let insert = sqlx::query(insert).bind(account.tenant.uuid()).bind(body).bind(account.id.uuid()).bind(at);
            insert.execute(&mut admin).await.unwrap();
        }
    }
}

/// How many days old a tenant's bodies are.
async fn ages(stage: &Stage, account: &TestAccount) -> Vec<i64> {
    let ages = "SELECT extract(day FROM now() - verified_at)::bigint FROM ingest.body WHERE tenant_id = $1 ORDER BY 1";
    sqlx::query_scalar(ages).bind(account.tenant.uuid()).fetch_all(&mut stage.admin().await).await.unwrap()
}

#[tokio::test]
async fn each_tenants_bodies_are_kept_as_long_as_it_says_and_the_others_as_the_platform_does() {
    let stage = Stage::new("retention").await;
    let (longer, silent) = (TestAccount::new(), TestAccount::new());
    for account in [&longer, &silent] {
        stage.put(account, stage.replica_of(account, 1)).await;
    }
    let replica = stage.start().await;
    for account in [&stage.account, &longer, &silent] {
        aged(&stage, account, &[1, 7, 20, 89, 95, 150, 300]).await;
    }
    for (account, body_days) in [(&stage.account, 8), (&longer, 200)] {
        let mut ours = RetentionServiceClient::new(stage.caller(&replica, account.tenant, &RIGHTS).await);
        let known = ours.get_retention(GetRetentionRequest {}).await.unwrap().into_inner().retention.unwrap();
        assert_eq!((known.body_days, known.effective_body_days), (0, 90));
        let wanted = Retention { body_days, ..known };
        let said = ours.update_retention(UpdateRetentionRequest { retention: Some(wanted.clone()) }).await.unwrap();
        assert_eq!(said.into_inner().retention.unwrap().effective_body_days, body_days);
        let late = ours.update_retention(UpdateRetentionRequest { retention: Some(wanted) }).await.unwrap_err();
        assert_eq!(late.code(), Code::Aborted, "of a version that is gone");
    }
    replica.stop().await;
    // It is looked after at the start, and every ten minutes.
    let replica = stage.start().await;
    eventually(SOON, || async {
        let kept = (ages(&stage, &stage.account).await, ages(&stage, &longer).await, ages(&stage, &silent).await);
        if kept == (vec![1, 7], vec![1, 7, 20, 89, 95, 150], vec![1, 7, 20, 89]) { Ok(()) } else { Err(kept) }
    })
    .await
    .unwrap();
    let noted = "SELECT count(*) FROM ingest.audit WHERE action = 'retention.update'";
    assert_eq!(stage.count(noted).await, 2);
    replica.stop().await;
}

#[tokio::test]
async fn a_time_out_of_bounds_is_refused_by_name() {
    let stage = Stage::new("retention_bad").await;
    let replica = stage.start().await;
    let mut ours = RetentionServiceClient::new(stage.caller(&replica, stage.account.tenant, &RIGHTS).await);
    for body_days in [-1, 1, 7, 3_651, i32::MAX] {
        let wanted = Retention { body_days, ..<_>::default() };
        let refused = ours.update_retention(UpdateRetentionRequest { retention: Some(wanted) }).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains("retention.body_days"), "{}", refused.message());
    }
    let refused = ours.update_retention(UpdateRetentionRequest { retention: None }).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    replica.stop().await;
}

/// How many days old a tenant's quarantined bodies are.
async fn quarantined_ages(stage: &Stage, account: &TestAccount) -> Vec<i64> {
    let ages = "SELECT extract(day FROM now() - verified_at)::bigint FROM ingest.quarantined_body WHERE tenant_id = $1 ORDER BY 1";
    sqlx::query_scalar(ages).bind(account.tenant.uuid()).fetch_all(&mut stage.admin().await).await.unwrap()
}

#[tokio::test]
async fn quarantined_bodies_go_on_the_day_their_time_is_over_though_their_partitions_are_of_weeks() {
    let stage = Stage::new("retention_weeks").await;
    // So many days ago was a Sunday: the week's partition stays for a day, with the six days before in it.
    let is_sunday = |days: &u16| (now() - TimeDelta::days((*days).into())).weekday() == Weekday::Sun;
    let days = (90u16..97).find(is_sunday).unwrap();
    let kept = i64::from(days);
    aged(&stage, &stage.account, &[1, kept - 1, kept + 2, kept + 5, kept + 9]).await;
    let config = Config { body_days: days, ..stage.config() };
    let replica = stage.start_with(config, HostConfig::loopback()).await;
    eventually(SOON, || async {
        let ages = (ages(&stage, &stage.account).await, quarantined_ages(&stage, &stage.account).await);
        if ages == (vec![1, kept - 1], vec![1, kept - 1]) { Ok(()) } else { Err(ages) }
    })
    .await
    .unwrap();
    replica.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_keeps_nothing_else_from_being_looked_after() {
    let stage = Stage::new("retention_failing").await;
    aged(&stage, &stage.account, &[1, 120]).await;
    let mut admin = stage.admin().await;
    for prepare in [
        "REVOKE EXECUTE ON FUNCTION ingest.ensure_partitions(text, timestamptz[]) FROM PUBLIC, ingest_worker",
        "REVOKE DELETE ON ingest.kept_week, ingest.erasure FROM ingest_worker",
        "REVOKE EXECUTE ON FUNCTION ingest.drop_partition_before(text, timestamptz, timestamptz[]) FROM PUBLIC, ingest_worker",
        "INSERT INTO ingest.finding (tenant_id, hour, account_id, kind, count, last_at)
         VALUES (gen_random_uuid(), now() - interval '200 days', gen_random_uuid(), 'signature_wrong', 1, now())",
        "INSERT INTO ingest.retention (tenant_id, body_days, version)
         SELECT tenant_id, 100, 1 FROM ingest.account_replica UNION ALL SELECT gen_random_uuid(), 110, 1",
    ] {
        sqlx::query(prepare).execute(&mut admin).await.unwrap();
    }
    let replica = stage.start_with(stage.config(), HostConfig::loopback()).await;
    eventually(SOON, || async {
        let left = (
            ages(&stage, &stage.account).await,
            quarantined_ages(&stage, &stage.account).await,
            stage.count("SELECT count(*) FROM ingest.finding").await,
        );
        if left == (vec![1], vec![1], 0) { Ok(()) } else { Err(left) }
    })
    .await
    .unwrap();
    replica.stop().await;
}
