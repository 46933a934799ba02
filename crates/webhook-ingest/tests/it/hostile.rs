//! Senders who abuse HTTP: each is cut off or refused within bounds, and keeps nobody else from being answered.

use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use testkit::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stage::{Replica, SECRET, SOON, Stage, one, signature};

/// An HTTP/2 client's preface and a SETTINGS frame without settings (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// `:method: GET`, `:scheme: http`, `:path: /`, as HPACK's static table has them.
const GET: &[u8] = &[0x82, 0x86, 0x84];
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

async fn connect(replica: &Replica) -> TcpStream {
    TcpStream::connect(replica.app.http_addr()).await.unwrap()
}

/// Writes what `next` gives until the other side takes no more of it; tells how many bytes it took. Whoever takes everything for
/// ever fails the test.
async fn until_cut_off(socket: TcpStream, mut next: impl FnMut(u32) -> Vec<u8>, most: usize) -> usize {
    let (mut read, mut write) = socket.into_split();
    // What comes back is read and thrown away, so that only the other side can end this.
    let ended = async {
        let mut thrown = vec![0; 65_536];
        while read.read(&mut thrown).await.is_ok_and(|bytes| bytes > 0) {}
    };
    let mut taken = 0;
    let writing = async {
        for nth in 0.. {
            let bytes = next(nth);
            if write.write_all(&bytes).await.is_err() {
                return;
            }
            taken += bytes.len();
            assert!(taken < most, "{taken} bytes were taken");
        }
    };
    let both = async {
        tokio::select! {
            () = ended => {}
            () = writing => {}
        }
    };
    tokio::time::timeout(SOON, both).await.expect("it is cut off");
    taken
}

/// A webhook of somebody else is taken as ever.
async fn others_are_answered(stage: &Stage, replica: &Replica) {
    let (id, body) = one();
    let answered = tokio::time::timeout(Duration::from_secs(20), replica.post(&stage.account, body)).await;
    assert_eq!(answered.expect("it is answered in time"), 200);
    stage.eventually_published(&[id]).await;
}

#[tokio::test]
async fn streams_opened_and_reset_without_end_cut_their_connection_off() {
    let stage = Stage::new("reset").await;
    let replica = stage.start().await;
    let mut socket = connect(&replica).await;
    socket.write_all(PREFACE).await.unwrap();
    let cancel = 8u32.to_be_bytes();
    let opened_and_reset = |nth: u32| {
        let stream = 2 * nth + 1;
        let opened = frame(HEADERS, END_STREAM | END_HEADERS, stream, GET);
        [opened, frame(RST_STREAM, 0, stream, &cancel)].concat()
    };
    until_cut_off(socket, opened_and_reset, 8 << 20).await;
    others_are_answered(&stage, &replica).await;
}

#[tokio::test]
async fn a_head_continued_without_end_cuts_its_connection_off() {
    let stage = Stage::new("continuation").await;
    let replica = stage.start().await;
    let mut socket = connect(&replica).await;
    socket.write_all(PREFACE).await.unwrap();
    socket.write_all(&frame(HEADERS, END_STREAM, 1, GET)).await.unwrap();
    // A literal field without indexing: `a: a…`, 100 bytes.
    let field = [&[0, 1, b'a', 100][..], &[b'a'; 100]].concat();
    let more = frame(CONTINUATION, 0, 1, &field.repeat(100));
    until_cut_off(socket, |_| more.clone(), 8 << 20).await;
    others_are_answered(&stage, &replica).await;
}

#[tokio::test]
async fn pings_without_end_hold_up_nobody() {
    let stage = Stage::new("pings").await;
    let replica = stage.start().await;
    let mut socket = connect(&replica).await;
    socket.write_all(PREFACE).await.unwrap();
    let pings = frame(PING, 0, 0, &[7; 8]).repeat(1_000);
    // Nothing of what comes back is read: the answers fill the way back, and then nothing more is taken.
    let flood = async {
        loop {
            if socket.write_all(&pings).await.is_err() {
                break;
            }
        }
    };
    let others = async {
        for _ in 0..3 {
            let (_, body) = one();
            assert_eq!(replica.post(&stage.account, body).await, 200);
        }
    };
    tokio::select! {
        () = others => {}
        () = async { flood.await; std::future::pending().await } => {}
    }
}

#[tokio::test]
async fn a_head_of_too_many_or_too_long_fields_is_refused_as_such() {
    let stage = Stage::new("head_bomb").await;
    let replica = stage.start().await;
    for fields in ["x: y\r\n".repeat(200), format!("x: {}\r\n", "y".repeat(100_000))] {
        let head = format!("POST /line/webhooks/{} HTTP/1.1\r\nhost: x\r\n{fields}\r\n", stage.account.key);
        assert_eq!(status_of(&replica, head.as_bytes()).await, Some(431));
    }
    let long = format!("POST /line/webhooks/{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(70_000));
    assert!(matches!(status_of(&replica, long.as_bytes()).await, Some(414 | 431)));
    let http2 = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let (_, body) = one();
    let post = http2.post(replica.url(&stage.account.key)).header("x-line-signature", signature(SECRET, &body));
    let refused = post.header("x", "y".repeat(20_000)).body(body).send().await;
    // Some clients heed what the server told them and do not even ask.
    assert!(refused.map_or(true, |answer| answer.status() == 431));
    others_are_answered(&stage, &replica).await;
}

/// What a request, written as it stands, is answered; none: hung up on.
async fn status_of(replica: &Replica, request: &[u8]) -> Option<u16> {
    let mut socket = connect(replica).await;
    // It may be answered, and the rest of it refused, before it is written.
    let _ = socket.write_all(request).await;
    let mut answer = Vec::new();
    let reading = async {
        let mut piece = [0; 1_024];
        while !answer.windows(2).any(|end| end == b"\r\n") {
            match socket.read(&mut piece).await {
                Ok(bytes) if bytes > 0 => answer.extend_from_slice(&piece[..bytes]),
                _ => break,
            }
        }
    };
    tokio::time::timeout(SOON, reading).await.expect("it is answered");
    let line = String::from_utf8_lossy(&answer).into_owned();
    line.split(' ').nth(1).and_then(|status| status.parse().ok())
}

#[tokio::test]
async fn a_body_that_lies_about_its_length_is_kept_by_no_one() {
    let stage = Stage::new("length").await;
    let replica = stage.start().await;
    let (_, body) = one();
    let signed = format!("x-line-signature: {}\r\n", signature(SECRET, &body));
    let request = |framing: &str, body: &[u8]| {
        let head = format!("POST /line/webhooks/{} HTTP/1.1\r\nhost: x\r\n{signed}{framing}\r\n", stage.account.key);
        [head.as_bytes(), body].concat()
    };
    let length = |bytes: usize| format!("content-length: {bytes}\r\n");
    for (why, framing, sent, expected) in [
        ("two lengths", length(body.len()) + &length(1), &body[..], Some(400)),
        ("no number", "content-length: many\r\n".to_owned(), &body, Some(400)),
        ("more than is told", length(usize::MAX / 2), &body, Some(413)),
        ("less than was sent", length(body.len() - 1), &body, Some(401)),
        ("more than was sent", length(body.len() + 1), &body, Some(408)),
        (
            "a chunk as large as the world",
            "transfer-encoding: chunked\r\n".to_owned(),
            b"ffffffffffffffff1\r\n{",
            Some(400),
        ),
        ("a chunk of no size", "transfer-encoding: chunked\r\n".to_owned(), b"zz\r\n{", Some(400)),
        ("an encoding nobody knows", "transfer-encoding: gzip\r\n".to_owned(), &body, Some(400)),
    ] {
        assert_eq!(status_of(&replica, &request(&framing, sent)).await, expected, "{why}");
    }
    assert_eq!(stage.count("SELECT count(*) FROM ingest.body").await, 0);
    others_are_answered(&stage, &replica).await;
}

#[tokio::test]
async fn chunks_without_end_are_cut_off_at_the_limit() {
    let stage = Stage::new("chunks").await;
    let replica = stage.start().await;
    for (chunk, most) in [
        // Whole ones, and ones of a byte behind an extension that says nothing.
        (format!("1000\r\n{}\r\n", "x".repeat(0x1000)), 16 << 20),
        (format!("1;{}\r\nx\r\n", "e".repeat(1_000)), 64 << 20),
    ] {
        let mut socket = connect(&replica).await;
        let head = format!(
            "POST /line/webhooks/{} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n",
            stage.account.key
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        until_cut_off(socket, |_| chunk.clone().into_bytes(), most).await;
    }
    others_are_answered(&stage, &replica).await;
}

#[tokio::test]
async fn what_is_refused_is_read_no_longer_and_no_further_than_it_takes_to_tell() {
    let stage = Stage::new("drained").await;
    let replica = stage.start().await;
    let head = "POST /line/webhooks/x HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000000\r\n\r\n";
    // Who sends no more is answered all the same, and who sends everything is not listened to.
    assert_eq!(status_of(&replica, head.as_bytes()).await, Some(404));
    let mut socket = connect(&replica).await;
    socket.write_all(head.as_bytes()).await.unwrap();
    until_cut_off(socket, |_| vec![b'x'; 65_536], 32 << 20).await;
    others_are_answered(&stage, &replica).await;
}

#[tokio::test]
async fn bodies_that_would_take_more_memory_than_there_is_are_answered_503_until_there_is_some() {
    let stage = Stage::new("memory").await;
    let config = webhook_ingest::Config {
        memory_kib: NonZeroU32::new(64).unwrap(),
        read_timeout: Duration::from_mins(10),
        ..stage.config()
    };
    let replica = stage.start_with(config, chassis::HostConfig::loopback()).await;
    replica.ready().await;
    let head = |bytes: usize| {
        let key = &stage.account.key;
        format!("POST /line/webhooks/{key} HTTP/1.1\r\nhost: x\r\ncontent-length: {bytes}\r\n\r\n").into_bytes()
    };
    let mut large = connect(&replica).await;
    large.write_all(&head(60_000)).await.unwrap();
    let another = [head(20_000), vec![b'x'; 20_000]].concat();
    let answered = async |status: u16| {
        eventually(SOON, async || {
            let told = status_of(&replica, &another).await;
            if told == Some(status) { Ok(()) } else { Err(told) }
        })
        .await
        .unwrap();
    };
    answered(503).await;
    // A small one has room beside it.
    others_are_answered(&stage, &replica).await;
    drop(large);
    answered(401).await;
}

#[tokio::test]
async fn an_encoded_body_is_judged_as_it_is_and_never_decoded() {
    let stage = Stage::new("encoded").await;
    let replica = stage.start().await;
    // The beginning of what gzip makes of something: that is what was signed, or not.
    let encoded = Bytes::from_static(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03bomb");
    for (signed, expected) in [(&one().1, 401), (&encoded, 200)] {
        let post = replica.http.post(replica.url(&stage.account.key)).header("content-encoding", "gzip");
        let post = post.header("x-line-signature", signature(SECRET, signed)).body(encoded.clone());
        assert_eq!(post.send().await.unwrap().status(), expected);
    }
    assert_eq!(stage.count("SELECT count(*) FROM ingest.quarantined_body WHERE reason = 'unreadable'").await, 1);
}

/// Sends a byte now and then until the other side hangs up.
async fn trickle(mut socket: TcpStream, begin: Vec<u8>) {
    if socket.write_all(&begin).await.is_err() {
        return;
    }
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    loop {
        ticks.tick().await;
        if socket.write_all(b"x").await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn senders_of_a_byte_at_a_time_lose_their_places_to_others() {
    let stage = Stage::new("trickle").await;
    let config = webhook_ingest::Config {
        connections: NonZeroU32::new(3).unwrap(),
        idle_timeout: Duration::from_secs(1),
        ..stage.config()
    };
    let replica = stage.start_with(config, chassis::HostConfig::loopback()).await;
    replica.ready().await;
    let head = b"POST /line/webhooks/x HTTP/1.1\r\nhost: ".to_vec();
    let in_body =
        format!("POST /line/webhooks/{} HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n{{", stage.account.key);
    let http2 = [PREFACE, &frame(HEADERS, END_STREAM, 1, GET)[..]].concat();
    let mut slow = Vec::new();
    for begin in [head, in_body.into_bytes(), http2] {
        slow.push(trickle(connect(&replica).await, begin));
    }
    let others = async {
        // All places are taken; those of the slow ones become free.
        eventually(SOON, || async {
            let posted = tokio::time::timeout(Duration::from_secs(5), replica.post(&stage.account, one().1)).await;
            (posted == Ok(200)).then_some(())
        })
        .await
        .unwrap();
    };
    // The slow ones go on until they are hung up on, each of them.
    tokio::time::timeout(SOON, futures::future::join(others, futures::future::join_all(slow)))
        .await
        .expect("every place is given back");
    replica.stop().await;
}
