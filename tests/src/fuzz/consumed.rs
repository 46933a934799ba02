//! What others make of an event or a body of LINE's: identity-linking, messaging-outbox, the systems it is forwarded to.

use std::time::Duration;

use bytes::Bytes;
use identity_linking_core::friendship::{bare, sign_of};
use identity_linking_core::link::{Tap, act_of};
use kernel::Timestamp;
use line_types::webhook::{Event, EventKind};
use messaging_outbox_core::inbound;
use uuid::Uuid;
use webhook_ingest_core::forwarding::retry_after;
use webhook_ingest_core::forwarding::sender::{Sender, senders};

use super::target::{about, number};

/// What the consumers of an event read in it. What identity-linking keeps of one tells it the same again.
pub(super) fn line_event(input: &[u8]) -> u64 {
    let Ok(event) = Event::parse(&String::from_utf8_lossy(input)) else { return 0 };
    let kept = Event::parse(&bare(&event));
    assert!(kept.is_ok(), "what is kept of an event is none");
    let same = kept.is_ok_and(|kept| sign_of(&kept) == sign_of(&event) && act_of(&kept) == act_of(&event));
    assert!(same, "what is kept of an event tells something else");
    let tap = match &event.kind {
        EventKind::Postback(postback) => Tap::read(&postback.data),
        _ => None,
    };
    assert!(tap.is_none_or(|tap| Tap::read(&tap.data()) == Some(tap)), "a button is another one");
    let inbound = inbound::read(Uuid::nil().into(), "event", Timestamp::UNIX_EPOCH, &event);
    let inbound = inbound.map(|it| (it.about.is_some(), it.standby, it.reply_token.is_some()));
    number((
        std::mem::discriminant(&event.kind),
        sign_of(&event).is_some(),
        act_of(&event).is_some(),
        inbound,
        tap.is_some(),
    ))
}

/// Whose events a body holds: somebody's, each once, and never more than it has events.
pub(super) fn body_senders(input: &[u8]) -> u64 {
    let senders = senders(Uuid::nil().into(), &Bytes::copy_from_slice(input));
    assert!(!senders.is_empty(), "a body of nobody's waits in no lane");
    assert!(senders.is_sorted_by(|one, next| one < next), "a sender comes twice");
    assert!(senders.len() <= input.len() + 1, "more senders than events");
    number((about(senders.len()), senders.contains(&Sender::NOBODY)))
}

/// How long a target asks to be left alone.
pub(super) fn retry_after(input: &[u8]) -> u64 {
    let wait = retry_after::wait(&String::from_utf8_lossy(input), Timestamp::UNIX_EPOCH);
    number(wait.map(|wait| (wait == Duration::ZERO, wait.as_secs().checked_ilog10())))
}

pub(super) fn events() -> Vec<Vec<u8>> {
    let source =
        r#""source":{"type":"user","userId":"U4af4980629aaaaaaaaaaaaaaaaaaaaaa"},"timestamp":1,"mode":"active""#;
    [
        r#""type":"message","replyToken":"a","message":{"id":"1","type":"text","text":"a"}"#,
        r#""type":"postback","postback":{"data":"tsunagi:takeover:00000000-0000-0000-0000-000000000000:yes"}"#,
        r#""type":"unsend","unsend":{"messageId":"1"}"#,
        r#""type":"follow","follow":{"isUnblocked":false}"#,
        r#""type":"accountLink","link":{"result":"ok","nonce":"a"}"#,
    ]
    .iter()
    .map(|event| format!("{{{event},{source}}}").into_bytes())
    .collect()
}

pub(super) fn waits() -> Vec<Vec<u8>> {
    vec![b"120".to_vec(), b"Wed, 21 Oct 2015 07:28:00 GMT".to_vec()]
}
