//! What is not proved is refused, costs no row but a bounded number of held ones, and is counted.

use std::time::Duration;

use bytes::Bytes;
use contracts::events::v1::WebhookKeyHash;
use contracts::timestamp;
use hyper_util::rt::{TokioExecutor, TokioIo};
use testkit::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::stage::{SECRET, SOON, Stage, TestAccount, body, event, new_id, now, one, signature};

/// Nothing was kept of any request so far.
async fn nothing_kept(stage: &Stage) {
    for table in [
        "SELECT count(*) FROM ingest.seen_event",
        "SELECT count(*) FROM ingest.body",
        "SELECT count(*) FROM ingest.quarantined_body",
    ] {
        assert_eq!(stage.count(table).await, 0, "{table}");
    }
}

/// Waits for the findings of the stage's account: kind and count, sorted by kind.
async fn eventually_found(stage: &Stage, expected: &[(&str, i64)]) {
    eventually(SOON, || async {
        let found: Vec<(String, i64)> =
            sqlx::query_as("SELECT kind, count FROM ingest.finding WHERE account_id = $1 ORDER BY kind")
                .bind(stage.account.id.uuid())
                .fetch_all(&mut stage.admin().await)
                .await
                .unwrap();
        let same = found.iter().map(|(kind, count)| (kind.as_str(), *count)).eq(expected.iter().copied());
        if same { Ok(()) } else { Err(found) }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn an_address_nobody_has_is_not_found() {
    let stage = Stage::new("unknown_key").await;
    let replica = stage.start().await;
    let (_, body) = one();
    let signature = signature(SECRET, &body);
    let other = TestAccount::new();
    let foreign = format!("{}.{}", other.tenant, stage.account.key.split_once('.').unwrap().1);
    for key in [other.key.as_str(), &foreign, "nonsense", "", "a/b"] {
        assert_eq!(replica.send(key, Some(&signature), body.clone()).await, 404, "{key}");
    }
    let get = replica.http.get(replica.url(&stage.account.key)).send().await.unwrap();
    assert_eq!((get.status().as_u16(), get.headers()["allow"].to_str().unwrap()), (405, "POST"));
    let elsewhere = replica.http.post(format!("http://{}/", replica.app.http_addr())).body(body).send().await.unwrap();
    assert_eq!(elsewhere.status(), 404);
    nothing_kept(&stage).await;
}

#[tokio::test]
async fn a_bad_signature_is_refused_and_a_thousand_of_them_are_one_row() {
    let stage = Stage::new("signature").await;
    let replica = stage.start().await;
    let (_, body) = one();
    let key = &stage.account.key;
    let good = signature(SECRET, &body);
    let mut flipped = body.to_vec();
    flipped[40] ^= 1;
    assert_eq!(replica.send(key, None, body.clone()).await, 401);
    for wrong in
        [signature("another", &body), good.replace('+', "-").replace('/', "_") + "x", String::new(), "é".to_owned()]
    {
        assert_eq!(replica.send(key, Some(&wrong), body.clone()).await, 401, "{wrong}");
    }
    assert_eq!(replica.send(key, Some(&good), flipped).await, 401);
    let twice = replica.http.post(replica.url(key)).header("x-line-signature", &good).header("x-line-signature", &good);
    assert_eq!(twice.body(body.clone()).send().await.unwrap().status(), 401);
    let stranger = signature("stranger", &body);
    let flood = (0..994).map(|_| replica.send(key, Some(&stranger), body.clone()));
    for chunk in futures::future::join_all(flood).await {
        assert_eq!(chunk, 401);
    }
    let found = [("signature_held", 500), ("signature_missing", 1), ("signature_wrong", 1_000)];
    eventually_found(&stage, &found).await;
    nothing_kept(&stage).await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whatever_length_it_declares() {
    let stage = Stage::new("too_large").await;
    let replica = stage.start().await;
    let limit = 64 * 1024;
    let padded = |size: usize| {
        let mut body = body(&[event(&new_id())]).to_vec();
        body.resize(size, b' ');
        Bytes::from(body)
    };
    assert_eq!(replica.post(&stage.account, padded(limit)).await, 200);
    let over = padded(limit + 1);
    assert_eq!(replica.post(&stage.account, over.clone()).await, 413);
    let pieces: Vec<Result<Bytes, std::io::Error>> =
        over.chunks(4_096).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let chunked = replica.http.post(replica.url(&stage.account.key));
    let chunked = chunked.header("x-line-signature", signature(SECRET, &over));
    let chunked = chunked.body(reqwest::Body::wrap_stream(futures::stream::iter(pieces)));
    assert_eq!(chunked.send().await.unwrap().status(), 413);
    let http2 = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    for size in [limit + 1, 2 * limit, 40 * limit] {
        let over = padded(size);
        let pieces: Vec<Result<Bytes, std::io::Error>> =
            over.chunks(4_096).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let streamed = http2.post(replica.url(&stage.account.key)).header("x-line-signature", signature(SECRET, &over));
        let streamed = streamed.body(reqwest::Body::wrap_stream(futures::stream::iter(pieces)));
        assert_eq!(streamed.send().await.unwrap().status(), 413, "{size}");
    }
    eventually_found(&stage, &[("body_too_large", 5)]).await;
    assert_eq!(stage.count("SELECT count(*) FROM ingest.body").await, 1);
}

#[tokio::test]
async fn a_sender_who_dawdles_is_cut_off() {
    let stage = Stage::new("slow").await;
    let replica = stage.start().await;
    let mut socket = tokio::net::TcpStream::connect(replica.app.http_addr()).await.unwrap();
    let head = format!("POST /line/webhooks/{} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n", stage.account.key);
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(b"{").await.unwrap();
    let mut answer = vec![0; 64];
    let read = tokio::time::timeout(Duration::from_secs(5), socket.read(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    nothing_kept(&stage).await;
}

#[tokio::test]
async fn who_connects_and_says_nothing_or_next_to_nothing_takes_no_place_for_long() {
    let stage = Stage::new("silent").await;
    let config = webhook_ingest::Config {
        connections: std::num::NonZeroU32::new(2).unwrap(),
        idle_timeout: Duration::from_secs(1),
        ..stage.config()
    };
    let replica = stage.start_with(config, chassis::HostConfig::loopback()).await;
    replica.ready().await;
    let _silent = tokio::net::TcpStream::connect(replica.app.http_addr()).await.unwrap();
    let mut terse = tokio::net::TcpStream::connect(replica.app.http_addr()).await.unwrap();
    // So HTTP/1.1 and HTTP/2 both may begin.
    terse.write_all(b"P").await.unwrap();
    let answered = tokio::time::timeout(Duration::from_secs(20), replica.post(&stage.account, one().1)).await;
    assert_eq!(answered.expect("there is a place again"), 200);
    replica.stop().await;
}

#[tokio::test]
async fn who_opens_http2_and_answers_no_ping_is_put_out_without_being_waited_for() {
    let stage = Stage::new("deaf").await;
    let config = webhook_ingest::Config {
        connections: std::num::NonZeroU32::MIN,
        idle_timeout: Duration::from_secs(1),
        ..stage.config()
    };
    let replica = stage.start_with(config, chassis::HostConfig::loopback()).await;
    replica.ready().await;
    let mut deaf = tokio::net::TcpStream::connect(replica.app.http_addr()).await.unwrap();
    // The preface, and a SETTINGS frame without settings (RFC 9113, 3.4).
    deaf.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let answered = tokio::time::timeout(Duration::from_secs(20), replica.post(&stage.account, one().1)).await;
    assert_eq!(answered.expect("there is a place again"), 200);
    replica.stop().await;
}

/// Opens an HTTP/2 connection and gets one answer on it. Whoever holds what comes back answers pings.
async fn http2(address: std::net::SocketAddr) -> impl Sized {
    let socket = TokioIo::new(tokio::net::TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), socket).await.unwrap();
    let pings = tokio::spawn(connection);
    let request = http::Request::get(format!("http://{address}/")).body(http_body_util::Empty::<Bytes>::new()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 404);
    (sender, pings)
}

/// Opens an HTTP/1.1 connection and gets one answer on it.
async fn http1(address: std::net::SocketAddr) -> tokio::net::TcpStream {
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 1_024];
    let read = socket.read(&mut answer).await.unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 404"));
    socket
}

#[tokio::test]
async fn a_connection_that_was_answered_and_asks_no_more_gives_its_place_back() {
    let stage = Stage::new("idle").await;
    let config = webhook_ingest::Config {
        connections: std::num::NonZeroU32::new(2).unwrap(),
        idle_timeout: Duration::from_secs(1),
        ..stage.config()
    };
    let replica = stage.start_with(config, chassis::HostConfig::loopback()).await;
    replica.ready().await;
    let address = replica.app.http_addr();
    let (_first, _second) = (http2(address).await, http2(address).await);
    let third = async { (http1(address).await, http1(address).await) };
    let _held = tokio::time::timeout(Duration::from_secs(20), third).await.expect("HTTP/2 gives its places back");
    let answered = tokio::time::timeout(Duration::from_secs(20), replica.post(&stage.account, one().1)).await;
    assert_eq!(answered.expect("HTTP/1.1 gives its places back"), 200);
    replica.stop().await;
}

#[tokio::test]
async fn an_expired_key_opens_nothing_and_the_new_one_does() {
    let stage = Stage::new("rotation").await;
    let replica = stage.start().await;
    let account = &stage.account;
    let renewed = TestAccount { key: format!("{}.{}", account.tenant, "n".repeat(43)), ..account.clone() };
    let over = WebhookKeyHash { expire_time: Some(timestamp(now())), ..account.key_hash() };
    let mut rotated = stage.replica_of(account, 2);
    rotated.webhook_keys = vec![renewed.key_hash(), over];
    stage.put(account, rotated).await;
    // An older version, arriving late, changes nothing.
    stage.put(account, stage.replica_of(account, 1)).await;
    eventually(SOON, || async {
        let (_, body) = one();
        (replica.post(&renewed, body).await == 200).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(replica.post(account, one().1).await, 404);
}

#[tokio::test]
async fn a_replica_that_never_read_its_accounts_is_not_ready() {
    let mut server = testkit::postgres::Private::start().await.unwrap();
    let stage = Stage::on(&server.cluster().unwrap(), testkit::nats::url(), "never").await;
    server.stop().await.unwrap();
    let replica = stage.start_with(stage.config(), chassis::HostConfig::loopback()).await;
    assert!(replica.host.readiness().closed().contains(&"ingest.accounts".to_owned()));
    assert_eq!(replica.post(&stage.account, one().1).await, 404);
    server.start_again().await.unwrap();
    replica.ready().await;
    assert_eq!(replica.post(&stage.account, one().1).await, 200);
    replica.stop().await;
}
