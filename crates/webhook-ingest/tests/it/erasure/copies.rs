//! Copies of a message that was taken back which no event ID leads to, and many that are looked for together.

use contracts::access_proto::v1::Right;
use contracts::events::v1::AccountReplica;
use contracts::ingest::v1::quarantine_service_client::QuarantineServiceClient;
use contracts::ingest::v1::{ListQuarantinedBodiesRequest, ReleaseQuarantinedBodyRequest};
use testkit::eventually;
use tonic::Code;
use uuid::Uuid;

use super::{HANAKO, RIGHTS, TARO, everything, looked, said};
use crate::stage::{Replica, SOON, Stage, body, body_for, id_at, now};

const SHARED: &str = "SELECT count(*) FROM ingest.body WHERE shared";

async fn take_back(stage: &Stage, replica: &Replica, message: &str) {
    assert_eq!(replica.post(&stage.account, body(&[said("unsend", HANAKO, message).1])).await, 200);
    looked(stage, 1).await;
}

/// Releases every quarantined body, whatever lies outside of the window.
async fn release_all(stage: &Stage, replica: &Replica) {
    let rights = [RIGHTS.as_slice(), &[Right::OperationsRead]].concat();
    let mut quarantine = QuarantineServiceClient::new(stage.caller(replica, stage.account.tenant, &rights).await);
    let listed = quarantine.list_quarantined_bodies(ListQuarantinedBodiesRequest::default()).await.unwrap();
    for body in listed.into_inner().bodies {
        let ask =
            ReleaseQuarantinedBodyRequest { body_id: body.body_id, accept_outside_window: true, ..<_>::default() };
        eventually(SOON, || {
            let (mut quarantine, ask) = (quarantine.clone(), ask.clone());
            async move {
                match quarantine.release_quarantined_body(ask).await {
                    Err(status) if status.code() == Code::FailedPrecondition => Err(status),
                    done => Ok(done.unwrap()),
                }
            }
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn a_repetition_beside_a_new_event_goes_with_the_message() {
    let stage = Stage::new("copy_beside").await;
    let replica = stage.start().await;
    let (message, other) = (said("message", HANAKO, "4711").1, said("message", TARO, "4712").1);
    assert_eq!(replica.post(&stage.account, body(std::slice::from_ref(&message))).await, 200);
    assert_eq!(stage.count(SHARED).await, 0);
    assert_eq!(replica.post(&stage.account, body(&[message, other])).await, 200);
    assert_eq!(stage.count(SHARED).await, 1, "the second alone");
    take_back(&stage, &replica, "4711").await;
    let left = everything(&stage).await;
    assert!(!left.contains("words of 4711") && left.contains("words of 4712"), "{left}");
    replica.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_beside_an_event_goes_where_it_names_the_message() {
    let stage = Stage::new("copy_faulty").await;
    let replica = stage.start().await;
    let faulty = r#"{"message":{"id":"4711","text":"words of 4711"}}"#.to_owned();
    assert_eq!(replica.post(&stage.account, body(&[said("message", TARO, "4712").1, faulty])).await, 200);
    take_back(&stage, &replica, "4711").await;
    let left = everything(&stage).await;
    assert!(!left.contains("words of 4711") && left.contains("words of 4712"), "{left}");
    replica.stop().await;
}

#[tokio::test]
async fn the_copy_that_a_release_made_goes_with_the_message() {
    let stage = Stage::new("copy_released").await;
    let replica = stage.start().await;
    let old = said("message", TARO, "4712");
    let outside = old.1.replace(&old.0, &id_at(now() - chrono::TimeDelta::days(200)));
    assert_eq!(replica.post(&stage.account, body(&[said("message", HANAKO, "4711").1, outside])).await, 200);
    release_all(&stage, &replica).await;
    assert_eq!(stage.count(SHARED).await, 2);
    // Of what is settled nothing is kept that could be read.
    let settled = "DELETE FROM ingest.quarantined_body WHERE payload = ''";
    sqlx::query(settled).execute(&mut stage.admin().await).await.unwrap();
    take_back(&stage, &replica, "4711").await;
    let left = everything(&stage).await;
    assert!(!left.contains("words of 4711") && left.contains("words of 4712"), "{left}");
    replica.stop().await;
}

#[tokio::test]
async fn a_body_that_something_was_cut_out_of_says_so_when_it_is_released() {
    let stage = Stage::new("release_redacted").await;
    let replica = stage.start().await;
    let texts = [said("message", HANAKO, "4711").1, said("message", TARO, "4712").1];
    assert_eq!(replica.post(&stage.account, body_for("U00000000000000000000000000000000", &texts)).await, 200);
    take_back(&stage, &replica, "4711").await;
    let corrected = AccountReplica {
        bot_user_id: "U00000000000000000000000000000000".to_owned(),
        ..stage.replica_of(&stage.account, 2)
    };
    stage.put(&stage.account, corrected).await;
    release_all(&stage, &replica).await;
    let redacted = "SELECT count(*) FROM ingest.body WHERE redacted_at IS NOT NULL AND shared";
    assert_eq!(stage.count(redacted).await, 1, "its signature fits no more, and something of it stayed");
    replica.stop().await;
}

#[tokio::test]
async fn late_looks_of_an_account_are_taken_together() {
    let stage = Stage::new("looks_together").await;
    let mut admin = stage.admin().await;
    // The first will be due; of the others two are near, one was just looked for, and one is of another account.
    for (nth, (due, near, account)) in [
        ("6 days", "2.5 days", stage.account.id.uuid()),
        ("2 days", "-1.5 days", stage.account.id.uuid()),
        ("3 days", "-0.5 days", stage.account.id.uuid()),
        ("6 days", "2.5 days", stage.account.id.uuid()),
        ("2 days", "-1.5 days", Uuid::new_v4()),
    ]
    .into_iter()
    .enumerate()
    {
        let unsend = Uuid::from_u128(id_at(now() - chrono::TimeDelta::days(8)).parse::<ulid::Ulid>().unwrap().0);
        sqlx::query(
            "INSERT INTO ingest.erasure (tenant_id, erasure_id, account_id, unsend_event_id, message_id, create_time, looks, due_at,
                 near_at) VALUES ($1, $2, $3, $4, $5, now() - interval '8 days', 7, now() + $6::interval, now() + $7::interval)",
        )
        .bind(stage.account.tenant.uuid())
        .bind(Uuid::from_u128(u128::try_from(nth).unwrap()))
        .bind(account)
        .bind(unsend)
        .bind(format!("471{nth}"))
        .bind(due)
        .bind(near)
        .execute(&mut admin)
        .await
        .unwrap();
    }
    let replica = stage.start().await;
    // A copy of one that is near, with an ID of then.
    let (id, copy) = said("message", HANAKO, "4711");
    let copy = copy.replace(&id, &id_at(now() - chrono::TimeDelta::days(9)));
    assert_eq!(replica.post(&stage.account, body(&[copy])).await, 200);
    let due = "UPDATE ingest.erasure SET due_at = now() WHERE message_id = '4710'";
    sqlx::query(due).execute(&mut admin).await.unwrap();
    eventually(SOON, || async {
        let looks: Vec<i16> = sqlx::query_scalar("SELECT looks FROM ingest.erasure ORDER BY erasure_id")
            .fetch_all(&mut stage.admin().await)
            .await
            .unwrap();
        if looks == [8, 8, 8, 7, 7] { Ok(()) } else { Err(looks) }
    })
    .await
    .unwrap();
    // And so will the next ones be.
    let together = "SELECT count(*) FROM ingest.erasure WHERE looks = 8 AND due_at > now() + interval '167 hours'
         AND near_at BETWEEN now() + interval '83 hours' AND now() + interval '84 hours'";
    eventually(SOON, || async { (stage.count(together).await == 3).then_some(()) }).await.unwrap();
    assert!(!everything(&stage).await.contains("words of 4711"));
    replica.stop().await;
}

#[tokio::test]
async fn first_looks_of_many_that_were_taken_back_at_once_are_taken_together_and_each_is_counted_once() {
    let stage = Stage::new("looks_at_once").await;
    let replica = stage.start().await;
    for chunk in 0..4 {
        let message = |nth: u32| format!("47{chunk}{nth:02}");
        let said: Vec<String> = (0..25).map(|nth| said("message", HANAKO, &message(nth)).1).collect();
        let taken_back: Vec<String> = (0..25).map(|nth| said_unsend(&message(nth))).collect();
        assert_eq!(replica.post(&stage.account, body(&said)).await, 200);
        assert_eq!(replica.post(&stage.account, body(&taken_back)).await, 200);
    }
    looked(&stage, 100).await;
    // Those that were looked for together were looked for at the same moment.
    let passes = "SELECT count(DISTINCT looked_at) FROM ingest.erasure";
    let passes = stage.count(passes).await;
    assert!(passes <= 30, "{passes} passes for 100 messages");
    let hurried =
        "SELECT count(*) FROM ingest.erasure WHERE looks > 1 AND looked_at < create_time + interval '3 seconds'";
    assert_eq!(stage.count(hurried).await, 0, "a pass beside another counts as no look of its own");
    assert!(!everything(&stage).await.contains("words of"));
    replica.stop().await;
}

fn said_unsend(message: &str) -> String {
    said("unsend", HANAKO, message).1
}
