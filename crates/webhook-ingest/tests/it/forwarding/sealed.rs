//! A target's URL may hold a secret: it lies in the database encrypted, for that target alone.

use contracts::ingest::v1::{CreateForwardingTargetRequest, ForwardingFailure, UpdateForwardingTargetRequest};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::place::{
    eventually_told, eventually_took, from, heard, manager, pause, quiet, resume, start, target, told, wanted,
};
use super::receiver::Receiver;
use crate::stage::Stage;

/// Every row of every table of the service, as text.
async fn rows(stage: &Stage) -> Vec<String> {
    let mut admin = stage.admin().await;
    let tables = "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'ingest' AND c.relkind IN ('r', 'p') AND NOT c.relispartition";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut admin).await.unwrap();
    let mut rows = Vec::new();
    for table in tables {
        let query = AssertSqlSafe(format!("SELECT '{table}: ' || t::text FROM ingest.{table} t"));
        rows.extend(sqlx::query_scalar::<_, String>(query).fetch_all(&mut admin).await.unwrap());
    }
    rows
}

#[tokio::test]
async fn no_table_holds_a_targets_url_in_clear_and_a_repeated_request_is_told_it_all_the_same() {
    let stage = Stage::new("targets_sealed").await;
    let receiver = Receiver::taking().await;
    let replica = start(&stage, &[&receiver]).await;
    let mut client = manager(&stage, &replica).await;
    let request = CreateForwardingTargetRequest {
        request_id: Uuid::new_v4().to_string(),
        ..wanted(&stage.account, &receiver.url())
    };
    let made = client.create_forwarding_target(request.clone()).await.unwrap().into_inner();
    assert_eq!(made.forwarding_target.as_ref().unwrap().url, receiver.url());
    assert_eq!(client.create_forwarding_target(request).await.unwrap().into_inner(), made);
    let mut moved = made.forwarding_target.unwrap();
    moved.url = moved.url.replace("shop=1", "shop=2");
    let request = UpdateForwardingTargetRequest { forwarding_target: Some(moved.clone()), update_mask: None };
    client.update_forwarding_target(request).await.unwrap();
    heard(&stage, &replica, &stage.account).await;
    quiet(&stage).await;
    pause(&mut client, &moved.target_id).await;
    assert_eq!(replica.post(&stage.account, from(&[1], 1)).await, 200);

    let rows = rows(&stage).await;
    for table in ["forwarding_target: ", "forwarding: ", "request: ", "audit: "] {
        assert!(rows.iter().any(|row| row.starts_with(table)), "{table} is looked at");
    }
    for secret in ["secret-path".to_owned(), hex::encode("secret-path")] {
        assert_eq!(rows.iter().find(|row| row.contains(&secret)), None);
    }
    assert_eq!(told(&mut client, &moved.target_id).await.0.url, moved.url);
    resume(&mut client, &moved.target_id).await;
    eventually_took(&receiver, [1]).await;
    assert_eq!(receiver.taken().last().unwrap().path, "/line/secret-path?shop=2");
}

#[tokio::test]
async fn a_url_moved_to_another_target_opens_there_never_and_is_called_by_nobody() {
    let stage = Stage::new("targets_swapped").await;
    let (first, second) = (Receiver::taking().await, Receiver::taking().await);
    let replica = start(&stage, &[&first, &second]).await;
    let mut client = manager(&stage, &replica).await;
    let first_id = target(&mut client, &stage.account, &first).await;
    let second_id = target(&mut client, &stage.account, &second).await;
    let moved = "UPDATE ingest.forwarding_target t SET url = other.url FROM ingest.forwarding_target other
        WHERE t.target_id = $1::uuid AND other.target_id = $2::uuid";
    let moved = sqlx::query(moved).bind(&second_id).bind(&first_id);
    moved.execute(&mut stage.admin().await).await.unwrap();
    heard(&stage, &replica, &stage.account).await;
    assert_eq!(replica.post(&stage.account, from(&[1], 1)).await, 200);
    eventually_took(&first, [1]).await;
    let shown = eventually_told(&client, &second_id, |_, figures| figures.consecutive_failures > 0).await;
    assert_eq!((shown.url.as_str(), shown.figures.unwrap().last_failure()), ("", ForwardingFailure::AddressForbidden));
    assert!(second.calls().is_empty());
    // Given anew, it is called.
    let mended = contracts::ingest::v1::ForwardingTarget { url: second.url(), ..shown };
    let request = UpdateForwardingTargetRequest { forwarding_target: Some(mended), update_mask: None };
    client.update_forwarding_target(request).await.unwrap();
    eventually_took(&second, [1]).await;
}
