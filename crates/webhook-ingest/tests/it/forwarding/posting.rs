//! What the other system gets, and what it does not.

use bytes::Bytes;
use line_types::signature::{ChannelSecret, Signature, VerifyingKey};
use testkit::eventually;

use super::place::{
    eventually_told, eventually_took, from, heard, is_warming, manager, numbers, pause, resume, start, target, user,
};
use super::receiver::{Call, Receiver};
use crate::stage::{
    BOT, OLD_SECRET, SECRET, SOON, Stage, TestAccount, body, body_for, event, new_id, now, one, signature,
};

/// Bodies whose bytes every JSON library would write otherwise.
fn odd() -> Vec<Bytes> {
    let at = now().timestamp_millis();
    let event = |more: &str| {
        let source = format!(r#""source" : {{"userId":"{}", "type":"user"}}"#, user(7));
        format!(r#"{{ "type":"message" ,"timestamp": {at}.0e0, {source},"webhookEventId":"{}"{more}}}"#, new_id())
    };
    [
        format!("{{\n\t\"events\" : [ {} ] ,\r\n \"destination\":\"{BOT}\"\n}}\n  ", event("")),
        format!(
            r#"{{"destination":"{BOT}","events":[{}]}}"#,
            event(r#","text":"\u3053\ud83d\ude00 こんにちは 😀/\/""#)
        ),
        format!(r#"{{"events":[{}],"destination":"{BOT}","zero":-0.00,"big":1e400,"x":1,"x":2}}"#, event("")),
    ]
    .map(Bytes::from)
    .into()
}

#[tokio::test]
async fn a_body_arrives_to_the_byte_and_verifies_with_the_channel_secret() {
    let stage = Stage::new("forward_bytes").await;
    let receiver = Receiver::taking().await;
    let replica = start(&stage, &[&receiver]).await;
    let mut client = manager(&stage, &replica).await;
    let target_id = target(&mut client, &stage.account, &receiver).await;
    heard(&stage, &replica, &stage.account).await;
    let bodies = odd();
    for body in &bodies {
        assert_eq!(replica.post(&stage.account, body.clone()).await, 200);
    }
    // During a rotation LINE may sign with the older secret; the header is LINE's own all the same.
    let old = from(&[8], 1);
    assert_eq!(replica.send(&stage.account.key, Some(&signature(OLD_SECRET, &old)), old.clone()).await, 200);
    let calls = eventually(SOON, || async {
        let calls: Vec<_> = receiver.calls().into_iter().filter(|call| !is_warming(&call.body)).collect();
        if calls.len() == 4 { Ok(calls) } else { Err(calls) }
    })
    .await
    .unwrap();
    let key = |secret: &str| VerifyingKey::new(&ChannelSecret::parse(secret).unwrap());
    for call in &calls {
        let of = if call.body == old { OLD_SECRET } else { SECRET };
        assert!(call.body == old || bodies.contains(&call.body), "{call:?}");
        let header = call.headers["x-line-signature"].as_bytes();
        assert_eq!(Signature::verify(header, &call.body, &[key(of)]), Ok(0), "{call:?}");
        assert_eq!(call.headers["content-type"], "application/json; charset=utf-8");
        assert!(call.headers["user-agent"].starts_with("tsunagi/"));
        assert_eq!(call.path, "/line/secret-path?shop=1");
    }
    let mut ids: Vec<&str> = calls.iter().map(Call::delivery_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    let known = stage.count("SELECT count(*) FROM ingest.body").await;
    let told = eventually_told(&client, &target_id, |_, figures| figures.waiting_bodies == 0).await;
    let figures = told.figures.unwrap();
    assert!(figures.delivered_bodies >= 5 && figures.delivered_bodies <= known, "{figures:?}");
    assert!(figures.last_success_time.is_some() && figures.oldest_waiting_time.is_none(), "{figures:?}");
    assert_eq!(stage.count("SELECT count(*) FROM ingest.forwarding").await, 0, "no row is left");
}

#[tokio::test]
async fn a_repetition_and_what_is_quarantined_do_not_go_and_a_body_with_one_new_event_does() {
    let stage = Stage::new("forward_once").await;
    let receiver = Receiver::taking().await;
    let replica = start(&stage, &[&receiver]).await;
    let mut client = manager(&stage, &replica).await;
    target(&mut client, &stage.account, &receiver).await;
    heard(&stage, &replica, &stage.account).await;
    let (id, first) = one();
    assert_eq!(replica.post(&stage.account, first.clone()).await, 200);
    assert_eq!(replica.post(&stage.account, first.clone()).await, 200);
    let again = event(&id).replace(r#""isRedelivery":false"#, r#""isRedelivery":true"#);
    assert_eq!(replica.post(&stage.account, body(std::slice::from_ref(&again))).await, 200, "LINE's own repetition");
    assert_eq!(replica.post(&stage.account, body_for("Uother", &[event(&new_id())])).await, 200);
    assert_eq!(replica.post(&stage.account, Bytes::from_static(b"no webhook")).await, 200);
    assert_eq!(replica.post(&stage.account, body(&[])).await, 200, "LINE tests the address");
    assert_eq!(replica.send(&stage.account.key, None, one().1).await, 401);
    let partly_new = body(&[again, event(&new_id())]);
    let partly_read = body(&[r#"{"type":7}"#.to_owned(), event(&new_id())]);
    for body in [&partly_new, &partly_read] {
        assert_eq!(replica.post(&stage.account, body.clone()).await, 200);
    }
    let last = from(&[1], 1);
    assert_eq!(replica.post(&stage.account, last.clone()).await, 200);
    let expected = [&first, &partly_new, &partly_read, &last];
    eventually(SOON, || async {
        let calls: Vec<Bytes> =
            receiver.calls().into_iter().map(|call| call.body).filter(|body| !is_warming(body)).collect();
        if expected.iter().all(|body| calls.contains(body)) { Ok(calls) } else { Err(calls) }
    })
    .await
    .map(|calls| assert_eq!(calls.len(), expected.len()))
    .unwrap();
    assert_eq!(stage.count("SELECT count(*) FROM ingest.forwarding").await, 0);
}

#[tokio::test]
async fn an_account_without_a_target_lets_nothing_wait_and_each_target_gets_its_own() {
    let stage = Stage::new("forward_targets").await;
    let other = TestAccount::new();
    stage.put(&other, stage.replica_of(&other, 1)).await;
    let (first, second) = (Receiver::taking().await, Receiver::taking().await);
    let replica = start(&stage, &[&first, &second]).await;
    let mut client = manager(&stage, &replica).await;
    target(&mut client, &stage.account, &first).await;
    target(&mut client, &stage.account, &second).await;
    heard(&stage, &replica, &stage.account).await;
    assert_eq!(replica.post(&other, from(&[1], 99)).await, 200);
    for n in 0..5 {
        assert_eq!(replica.post(&stage.account, from(&[n], n)).await, 200);
    }
    eventually_took(&first, 0..5).await;
    eventually_took(&second, 0..5).await;
    assert_eq!(stage.count("SELECT count(*) FROM ingest.forwarding").await, 0);
}

#[tokio::test]
async fn what_was_erased_from_since_is_skipped_and_counted() {
    let stage = Stage::new("forward_erased").await;
    let receiver = Receiver::taking().await;
    let replica = start(&stage, &[&receiver]).await;
    let mut client = manager(&stage, &replica).await;
    let target_id = target(&mut client, &stage.account, &receiver).await;
    heard(&stage, &replica, &stage.account).await;
    pause(&mut client, &target_id).await;
    for n in 0..3 {
        assert_eq!(replica.post(&stage.account, from(&[1], n)).await, 200);
    }
    let erase = "UPDATE ingest.body SET redacted_at = now(), payload = '{}' WHERE body_id = (
        SELECT body_id FROM ingest.forwarding ORDER BY body_id DESC LIMIT 1 OFFSET 1)";
    sqlx::query(erase).execute(&mut stage.admin().await).await.unwrap();
    resume(&mut client, &target_id).await;
    eventually_took(&receiver, [0, 2]).await;
    let told = eventually_told(&client, &target_id, |_, figures| figures.waiting_bodies == 0).await;
    assert_eq!(told.figures.unwrap().erased_bodies, 1);
    assert_eq!(numbers(&receiver), [0, 2]);
}
