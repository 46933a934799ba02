//! A repeated request gets the first answer.

use chassis::idempotency::{Begun, begin, finish};
use tonic::Code;
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::stage::{SOON, Stage, tenant};

const METHOD: &str = "/test/Method";

#[tokio::test]
async fn the_same_body_gets_the_first_answer_and_another_body_is_aborted() {
    let stage = Stage::new("idempotency").await;
    let id = Uuid::new_v4().to_string();
    let mut tx = stage.database.tenant(tenant(1)).await.unwrap();
    assert_eq!(begin(&mut tx, METHOD, &id, b"body").await.unwrap(), Begun::First);
    finish(&mut tx, METHOD, &id, b"answer").await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = stage.database.tenant(tenant(1)).await.unwrap();
    assert_eq!(begin(&mut tx, METHOD, &id, b"body").await.unwrap(), Begun::Again(b"answer".to_vec()));
    let aborted = begin(&mut tx, METHOD, &id, b"other").await.unwrap_err();
    assert_eq!(aborted.code(), Code::Aborted);
    assert_eq!(aborted.get_details_error_info().unwrap().reason, "REQUEST_ID_REUSED");
    // The ID is the method's and the tenant's own.
    assert_eq!(begin(&mut tx, "/test/Other", &id, b"other").await.unwrap(), Begun::First);
    let mut elsewhere = stage.database.tenant(tenant(2)).await.unwrap();
    assert_eq!(begin(&mut elsewhere, METHOD, &id, b"other").await.unwrap(), Begun::First);
}

#[tokio::test]
async fn a_call_that_failed_leaves_the_id_free() {
    let stage = Stage::new("rolled_back").await;
    let id = Uuid::new_v4().to_string();
    for _ in 0..2 {
        let mut tx = stage.database.tenant(tenant(1)).await.unwrap();
        assert_eq!(begin(&mut tx, METHOD, &id, b"body").await.unwrap(), Begun::First);
        tx.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn a_repetition_waits_for_the_first_call_and_gets_its_answer() {
    let stage = Stage::new("waiting").await;
    let id = Uuid::new_v4().to_string();
    let mut first = stage.database.tenant(tenant(1)).await.unwrap();
    assert_eq!(begin(&mut first, METHOD, &id, b"body").await.unwrap(), Begun::First);
    let (database, second_id) = (stage.database.clone(), id.clone());
    let second = tokio::spawn(async move {
        let mut tx = database.tenant(tenant(1)).await.unwrap();
        begin(&mut tx, METHOD, &second_id, b"body").await.unwrap()
    });
    let mut admin = stage.admin().await;
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'";
    let deadline = tokio::time::Instant::now() + SOON;
    while sqlx::query_scalar::<_, i64>(waiting).bind(stage.server.name()).fetch_one(&mut admin).await.unwrap() == 0 {
        assert!(tokio::time::Instant::now() < deadline, "the repetition does not wait");
        tokio::task::yield_now().await;
    }
    finish(&mut first, METHOD, &id, b"answer").await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(second.await.unwrap(), Begun::Again(b"answer".to_vec()));
}

#[tokio::test]
async fn no_id_is_always_the_first_and_a_malformed_one_is_refused() {
    let stage = Stage::new("no_id").await;
    let mut tx = stage.database.tenant(tenant(1)).await.unwrap();
    for _ in 0..2 {
        assert_eq!(begin(&mut tx, METHOD, "", b"body").await.unwrap(), Begun::First);
        finish(&mut tx, METHOD, "", b"answer").await.unwrap();
    }
    assert_eq!(begin(&mut tx, METHOD, "seven", b"body").await.unwrap_err().code(), Code::InvalidArgument);
}
