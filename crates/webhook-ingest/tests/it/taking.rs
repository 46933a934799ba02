//! What is proved is kept to the byte, once, before the answer; and published.

use std::collections::HashSet;

use bytes::Bytes;
use contracts::to_timestamp;
use futures::future::join_all;

use crate::stage::{OLD_SECRET, SECRET, Stage, TestAccount, body, event, new_id, one, signature};

#[tokio::test]
async fn an_event_is_committed_before_the_answer_and_published_with_its_names() {
    let stage = Stage::new("one").await;
    let replica = stage.start().await;
    let id = new_id();
    let raw = event(&id);
    let body = body(std::slice::from_ref(&raw));
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let post = replica.http.post(replica.url(&stage.account.key)).body(body.clone());
    let post = post.header("X-LINE-SIGNATURE", signature(SECRET, &body)).header("traceparent", trace);
    let answer = post.send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.content_length()), (200, Some(0)));
    let kept_trace: String =
        sqlx::query_scalar("SELECT trace FROM ingest.body").fetch_one(&mut stage.admin().await).await.unwrap();
    assert_eq!(stage.kept("body").await, [body]);
    assert_eq!(kept_trace[3..35], trace[3..35]);

    stage.eventually_published(std::slice::from_ref(&id)).await;
    let (message, event) = stage.published().await.remove(0);
    let TestAccount { tenant, id: account, .. } = &stage.account;
    assert_eq!(message.subject.as_str(), format!("{}.line.webhook.v1.{tenant}.{account}.message", stage.prefix));
    let header = |name: &str| message.headers.get(name).map(|value| value.as_str().to_owned()).unwrap_or_default();
    assert_eq!((header("ce-id"), header("Nats-Msg-Id")), (id.clone(), id));
    assert_eq!((header("ce-source"), header("ce-tenant")), ("webhook-ingest".to_owned(), tenant.to_string()));
    assert_eq!(header("ce-type"), "tsunagi.events.v1.LineWebhookEvent");
    assert_eq!(header("traceparent")[3..35], trace[3..35]);
    assert_eq!(event.raw, raw.as_bytes());
    assert_eq!((event.event_type.as_str(), event.account_id), ("message", account.to_string()));
    assert!(to_timestamp(&event.receive_time.unwrap()).unwrap() >= to_timestamp(&event.occur_time.unwrap()).unwrap());
}

#[tokio::test]
async fn lines_address_test_is_answered_and_leaves_nothing() {
    let stage = Stage::new("empty").await;
    let replica = stage.start().await;
    assert_eq!(replica.post(&stage.account, body(&[])).await, 200);
    assert_eq!(stage.count("SELECT count(*) FROM ingest.body").await, 0);
}

#[tokio::test]
async fn the_old_secret_still_proves_a_body_during_a_rotation() {
    let stage = Stage::new("old_secret").await;
    let replica = stage.start().await;
    let (id, body) = one();
    let signature = signature(OLD_SECRET, &body);
    assert_eq!(replica.send(&stage.account.key, Some(&signature), body).await, 200);
    stage.eventually_published(&[id]).await;
}

#[tokio::test]
async fn http2_is_spoken_too() {
    let stage = Stage::new("http2").await;
    let replica = stage.start().await;
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let (_, body) = one();
    let post = client.post(replica.url(&stage.account.key)).header("x-line-signature", signature(SECRET, &body));
    let answer = post.body(body).send().await.unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (reqwest::Version::HTTP_2, 200));
}

#[tokio::test]
async fn five_hundred_at_once_are_all_kept_in_far_fewer_commits() {
    let stage = Stage::new("concurrent").await;
    let replica = stage.start().await;
    let bodies: Vec<(String, Bytes)> = (0..500).map(|_| one()).collect();
    join_all(bodies.iter().map(|(_, body)| replica.deliver(&stage.account, body.clone()))).await;
    let ids: Vec<String> = bodies.into_iter().map(|(id, _)| id).collect();
    stage.eventually_published(&ids).await;
    assert_eq!(stage.count("SELECT count(*) FROM ingest.body").await, 500);
    let commits = stage.count("SELECT count(DISTINCT xmin::text) FROM ingest.body").await;
    assert!(commits < 250, "{commits} commits");
}

#[tokio::test]
async fn a_repeated_event_is_one_event_at_once_or_later_here_or_at_another_replica() {
    let stage = Stage::new("repeated").await;
    let (first, second) = (stage.start().await, stage.start().await);
    let (id, payload) = one();
    // At once, to both: most of them meet in one batch, the rest in concurrent commits.
    let posts = (0..60).map(|n| if n % 2 == 0 { &first } else { &second }.post(&stage.account, payload.clone()));
    assert!(join_all(posts).await.iter().all(|status| *status == 200));
    // Later, as LINE redelivers, together with a new one.
    let redelivered = event(&id).replace("\"isRedelivery\":false", "\"isRedelivery\":true");
    let new = new_id();
    assert_eq!(second.post(&stage.account, body(&[redelivered, event(&new)])).await, 200);
    // After a restart.
    first.stop().await;
    let third = stage.start().await;
    assert_eq!(third.post(&stage.account, payload).await, 200);
    assert_eq!(stage.count("SELECT count(*) FROM ingest.seen_event").await, 2);
    assert_eq!(stage.count("SELECT count(*) FROM ingest.body").await, 2);
    stage.eventually_published(&[id, new]).await;
}

#[tokio::test]
async fn a_body_is_counted_as_committed_once_however_often_it_comes() {
    let stage = Stage::new("counted").await;
    let replica = stage.start().await;
    let (_, payload) = one();
    for _ in 0..3 {
        assert_eq!(replica.post(&stage.account, payload.clone()).await, 200);
    }
    assert_eq!(replica.post(&stage.account, one().1).await, 200);
    let figures = replica.figures().await;
    assert!(figures.lines().any(|line| line == "tsunagi_ingest_committed_bodies_total 2"), "{figures}");
}

#[tokio::test]
async fn the_same_event_id_at_another_account_is_another_event() {
    let stage = Stage::new("two_tenants").await;
    let other = TestAccount::new();
    stage.put(&other, stage.replica_of(&other, 1)).await;
    let replica = stage.start().await;
    let (_, body) = one();
    assert_eq!(replica.post(&stage.account, body.clone()).await, 200);
    assert_eq!(replica.post(&other, body).await, 200);
    assert_eq!(stage.count("SELECT count(*) FROM ingest.seen_event").await, 2);
    assert_eq!(stage.count("SELECT count(DISTINCT tenant_id) FROM ingest.body").await, 2);
}

#[tokio::test]
async fn a_body_of_a_hundred_events_of_every_kind_is_published_event_by_event() {
    let stage = Stage::new("hundred").await;
    let replica = stage.start().await;
    let ids: Vec<String> = (0..100).map(|_| new_id()).collect();
    let kinds = ["message", "follow", "unfollow", "neverHeardOf"];
    let events: Vec<String> =
        ids.iter().zip(kinds.iter().cycle()).map(|(id, kind)| event(id).replacen("message", kind, 1)).collect();
    assert_eq!(replica.post(&stage.account, body(&events)).await, 200);
    stage.eventually_published(&ids).await;
    let published = stage.published().await;
    let subjects: HashSet<String> =
        published.iter().filter_map(|(m, _)| Some(m.subject.rsplit('.').next()?.to_owned())).collect();
    assert_eq!(subjects.len(), 4);
    let raw: Vec<&[u8]> = published.iter().map(|(_, event)| &event.raw[..]).collect();
    assert!(raw.iter().copied().eq(events.iter().map(String::as_bytes)), "the order of the body is kept");
}
