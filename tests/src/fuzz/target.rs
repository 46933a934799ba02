//! What is fuzzed: every place where bytes from outside become values.

use std::hash::{DefaultHasher, Hash, Hasher as _};

use bytes::Bytes;
use chassis::page::Page;
use contracts::EventBody;
use contracts::events::v1::{IdentityEvent, LineWebhookEvent, MessagingEvent, SchedulerEvent};
use contracts::identity::v1::ListFriendsRequest;
use kernel::Timestamp;
use line_simulator::recording::{Recording, Replay, SALON_DAY, plan};
use line_simulator::scenario::Scenario;
use line_types::signature::{ChannelSecret, Signature, VerifyingKey, sign};
use prost::Message as _;
use uuid::Uuid;
use webhook_ingest_core::{Account, Presented, SecretGrant, WebhookKey, Window, admit, occurred_at, read};

use super::consumed;

/// One reader of what comes from outside.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its corpus folder.
    pub name: &'static str,
    /// Bytes of memory it may ask for, over all of one input's reading: so many, and so many for each byte of it.
    pub bound: (usize, usize),
    /// Reads an input; what came of it, as a number.
    pub read: fn(&[u8]) -> u64,
    /// Sound inputs to begin with, beside the kept ones.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 12] = [
    Target { name: "webhook_body", bound: (64 << 10, 1_000), read: webhook_body, seeds: webhook_bodies },
    Target { name: "signature_header", bound: (4 << 10, 128), read: signature_header, seeds: signatures },
    Target { name: "webhook_key", bound: (4 << 10, 16), read: webhook_key, seeds: keys },
    Target { name: "page_token", bound: (16 << 10, 100), read: page_token, seeds: tokens },
    Target { name: "event_headers", bound: (16 << 10, 200), read: event_headers, seeds: headers },
    Target { name: "subject", bound: (4 << 10, 128), read: subject, seeds: subjects },
    Target { name: "event_bodies", bound: (64 << 10, 1_000), read: event_bodies, seeds: bodies },
    Target { name: "line_event", bound: (64 << 10, 1_000), read: consumed::line_event, seeds: consumed::events },
    Target { name: "body_senders", bound: (64 << 10, 1_000), read: consumed::body_senders, seeds: webhook_bodies },
    Target { name: "retry_after", bound: (4 << 10, 64), read: consumed::retry_after, seeds: consumed::waits },
    Target { name: "scenario", bound: (1 << 20, 10_000), read: scenario, seeds: scenarios },
    Target { name: "recording", bound: (64 << 10, 1_000), read: recording, seeds: recordings },
];

pub(super) fn number(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// How many, by orders of magnitude: a pool of inputs with one event more each would say nothing new.
pub(super) fn about(count: usize) -> u32 {
    usize::BITS - count.leading_zeros()
}

/// The hot path's reading, the full one behind it, and the verdict on it once it is signed.
fn webhook_body(input: &[u8]) -> u64 {
    let body = Bytes::copy_from_slice(input);
    let reading = read(&body);
    let mut kinds = Vec::new();
    for event in reading.iter().flat_map(|reading| &reading.events) {
        let text = std::str::from_utf8(&event.raw).unwrap_or_default();
        let parsed = line_types::webhook::Event::parse(text);
        // What has facts can be read in full.
        assert!(parsed.is_ok(), "an event with facts cannot be read in full: {text}");
        let placed = occurred_at(event.occurred_at.timestamp_millis(), event.id);
        kinds.push((
            event.event_type.len().min(20),
            parsed.map(|event| std::mem::discriminant(&event.kind)),
            placed == event.occurred_at,
        ));
    }
    kinds.truncate(8);
    let (key, signature) = secret(input);
    let account = Account {
        tenant: Uuid::nil().into(),
        id: Uuid::nil().into(),
        version: 1,
        bot_user_id: None,
        keys: Vec::new(),
        secrets: vec![SecretGrant { key, expires: None }],
    };
    let verdict =
        admit(&account, Presented::of([signature.as_bytes()]), &body, Window::of_days(90), Timestamp::UNIX_EPOCH);
    // Proved, so it is kept or holds no event at all.
    let kept = !verdict.keep.is_nothing() || reading.as_ref().is_ok_and(|it| it.events.is_empty() && it.faulty == 0);
    assert!(kept, "a proved body is lost");
    let kinds = format!("{kinds:?}");
    number((kinds, about(reading.as_ref().map_or(0, |it| it.events.len())), reading.is_ok_and(|it| it.faulty > 0)))
}

fn secret(body: &[u8]) -> (VerifyingKey, String) {
    // One secret is as good as another: 32 hexadecimal digits.
    match ChannelSecret::parse("0123456789abcdef0123456789abcdef") {
        Ok(secret) => (VerifyingKey::new(&secret), sign(&secret, body)),
        Err(fault) => unreachable!("{fault}"),
    }
}

fn webhook_bodies() -> Vec<Vec<u8>> {
    let day = Recording::read(SALON_DAY).unwrap_or_default();
    day.deliveries.into_iter().step_by(9).map(|delivery| delivery.body.into_bytes()).collect()
}

/// One header, or several parted by a zero byte.
fn signature_header(input: &[u8]) -> u64 {
    let values: Vec<&[u8]> = input.split(|byte| *byte == 0).collect();
    let presented = Presented::of(values.iter().copied());
    let (key, right) = secret(b"body");
    let proved = matches!(presented, Presented::One(signature) if key.verifies(&signature, b"body"));
    assert!(!proved || values == [right.as_bytes()], "another text is a signature as well");
    let alone = Signature::verify(input, b"body", &[key]);
    number((std::mem::discriminant(&presented), alone.is_ok(), about(values.len())))
}

fn signatures() -> Vec<Vec<u8>> {
    vec![secret(b"body").1.into_bytes(), b"GhRKmvmHys4Pi8DxkF4+EayaH0OqtJtaZxgTD9fMDLs=".to_vec(), Vec::new()]
}

fn webhook_key(input: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(input);
    let key = WebhookKey::parse(&text);
    number((key.is_ok(), text.contains('.'), about(text.len())))
}

fn keys() -> Vec<Vec<u8>> {
    let secret = "A".repeat(43);
    vec![
        format!("{}.{secret}", Uuid::nil()).into_bytes(),
        format!("{}.{}", Uuid::nil().simple(), "a".repeat(64)).into_bytes(),
    ]
}

/// A token is of its own list or of none, and what is read is a place that can be said again.
fn page_token(input: &[u8]) -> u64 {
    let request =
        ListFriendsRequest { page_token: String::from_utf8_lossy(input).into_owned(), ..ListFriendsRequest::default() };
    let page = Page::<(Timestamp, Uuid)>::asked(Uuid::nil().into(), &request);
    if let Ok(Page { after: Some(place), .. }) = &page {
        let again = page.as_ref().map(|page| page.token(place)).unwrap_or_default();
        let request = ListFriendsRequest { page_token: again, ..ListFriendsRequest::default() };
        let same = Page::<(Timestamp, Uuid)>::asked(Uuid::nil().into(), &request);
        assert!(same.is_ok_and(|same| same.after.as_ref() == Some(place)), "a place cannot be said again");
    }
    let open = chassis::page::decode::<serde_json::Value>(&request.page_token);
    number((page.is_ok(), open.map(|value| std::mem::discriminant(&value))))
}

fn tokens() -> Vec<Vec<u8>> {
    let first = Page::<(Timestamp, Uuid)>::asked(Uuid::nil().into(), &ListFriendsRequest::default());
    let own = first.map(|page| page.token(&(Timestamp::UNIX_EPOCH, Uuid::nil()))).unwrap_or_default();
    vec![own.into_bytes(), chassis::page::encode(&(1_u64, "place")).into_bytes(), Vec::new()]
}

/// Headers as they are kept aside and read back.
fn event_headers(input: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(input);
    let map = bus::header::from_lines(&text);
    let header = bus::header::read(&map);
    let lines = bus::header::to_lines(&map);
    assert!(lines.chars().all(|c| c == '\n' || !c.is_control()), "a control character is kept");
    if let Ok(header) = &header {
        let again = bus::header::write(header).map(|map| bus::header::read(&map));
        assert_eq!(again.ok().and_then(Result::ok).as_ref(), Some(header), "a header cannot be written again");
    }
    number((
        header.map_err(|fault| fault.to_string()).map(|header| (header.tenant.is_some(), header.trace.is_some())),
        about(map.len()),
    ))
}

fn headers() -> Vec<Vec<u8>> {
    let header = kernel::EventHeader {
        id: "01FZ74A0TDDPYRVKNK77XKC3ZR".to_owned(),
        kind: "tsunagi.events.v1.IdentityEvent".to_owned(),
        source: "identity-linking".to_owned(),
        time: Timestamp::UNIX_EPOCH,
        tenant: Some(Uuid::nil().into()),
        trace: None,
    };
    let lines = bus::header::write(&header).map(|map| bus::header::to_lines(&map)).unwrap_or_default();
    vec![
        lines.clone().into_bytes(),
        format!("{lines}traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n").into_bytes(),
    ]
}

/// A subject that is read says itself again.
fn subject(input: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(input);
    let read = text.parse::<bus::subject::Subject>();
    if let Ok(subject) = &read {
        assert_eq!(subject.to_string(), text, "two texts are one subject");
    }
    number((
        read.as_ref().ok().map(|it| (it.family() as u8, it.tenant().is_some(), it.account().is_some())),
        text.matches('.').count().min(9),
    ))
}

fn subjects() -> Vec<Vec<u8>> {
    let tenant = Uuid::nil();
    ["message", "timers_due"]
        .iter()
        .flat_map(|word| [format!("line.webhook.v1.{tenant}.{tenant}.{word}"), format!("scheduler.v1.{tenant}.{word}")])
        .map(String::into_bytes)
        .collect()
}

/// Each kind of event: what is read can be written and read again, and names what happened in one token.
fn event_bodies(input: &[u8]) -> u64 {
    fn one<B: EventBody + PartialEq>(input: &[u8]) -> Option<String> {
        let body = B::decode(input).ok()?;
        let bytes = body.encode_to_vec();
        // By its bytes, too: a number that is none is not equal to itself.
        let same = |again: B| again == body || again.encode_to_vec() == bytes;
        assert!(B::decode(&*bytes).is_ok_and(same), "an event cannot be written again");
        let happened = body.happened();
        let token =
            !happened.is_empty() && happened.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        assert!(token, "{happened} is no token of a subject");
        Some(happened)
    }
    let line = LineWebhookEvent::decode(input).ok();
    // What friends write travels as JSON in the event, and consumers read it in full.
    let inside = line.map(|event| line_types::webhook::Event::parse(&String::from_utf8_lossy(&event.raw)).is_ok());
    let line = one::<LineWebhookEvent>(input).is_some();
    number((inside, line, one::<IdentityEvent>(input), one::<MessagingEvent>(input), one::<SchedulerEvent>(input)))
}

fn bodies() -> Vec<Vec<u8>> {
    let raw = b"{\"type\":\"message\",\"timestamp\":1,\"message\":{\"id\":\"1\",\"type\":\"text\",\"text\":\"a\"}}";
    let line = LineWebhookEvent {
        event_type: "message".to_owned(),
        raw: Bytes::from_static(raw),
        ..LineWebhookEvent::default()
    };
    vec![line.encode_to_vec(), Vec::new()]
}

fn scenario(input: &[u8]) -> u64 {
    let read = Scenario::read(&String::from_utf8_lossy(input));
    let words = |reason: &str| reason.chars().filter(|c| c.is_alphabetic() || *c == ' ').take(24).collect::<String>();
    match read {
        Ok(scenario) => {
            number((about(scenario.steps()), scenario.seed.is_some(), scenario.length().num_seconds().min(9)))
        }
        Err(error) => number(error.faults.first().map(|fault| words(&fault.reason))),
    }
}

fn scenarios() -> Vec<Vec<u8>> {
    let shipped = ["echo", "every-act", "first-steps"];
    let file = |name: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/line-simulator/scenarios");
        std::fs::read(format!("{folder}/{name}.yaml")).unwrap_or_default()
    };
    shipped.iter().map(|name| file(name)).collect()
}

/// What is read can be written and read again, moved to another day and planned.
fn recording(input: &[u8]) -> u64 {
    let Ok(recording) = Recording::read(&String::from_utf8_lossy(input)) else {
        return number(input.split(|byte| *byte == b'\n').count().min(9));
    };
    assert_eq!(Recording::read(&recording.write()).as_ref(), Ok(&recording), "a recording cannot be written again");
    let planned = plan(&recording.deliveries, &Replay { speed: Some(1), shuffle: true, duplicate: 0.5, seed: 1 });
    assert!(planned.len() >= recording.deliveries.len(), "a delivery is lost");
    let moved = recording.clone().beginning(Timestamp::UNIX_EPOCH);
    assert_eq!(moved.deliveries.len(), recording.deliveries.len(), "a delivery is lost");
    number((about(recording.accounts.len()), about(recording.deliveries.len())))
}

fn recordings() -> Vec<Vec<u8>> {
    let lines: Vec<&str> = SALON_DAY.lines().collect();
    [3, 12].iter().map(|count| lines[..*count].join("\n").into_bytes()).collect()
}
