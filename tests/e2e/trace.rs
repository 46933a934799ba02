//! One trace from LINE's request to LINE's API call, and one from a staff's answer to its push.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use contracts::messaging::v1::message_content::Kind;
use contracts::messaging::v1::{MessageContent, SendMessageRequest, SendPolicy, TextContent};
use testkit::otlp::Span;
use tests::{Options, Platform};
use tsunagi::stage::Shop;

/// LINE's webhook → Postgres row → NATS → identity-linking → gRPC → messaging-outbox → LINE's profile API: the spans of
/// all three services carry the one trace ID that began with the webhook.
#[tokio::test(flavor = "multi_thread")]
async fn one_trace_runs_from_the_webhook_to_lines_api() -> anyhow::Result<()> {
    let sink = testkit::otlp::Sink::start().await?;
    let settings = BTreeMap::from([("TSUNAGI_OTLP_ENDPOINT".to_owned(), sink.endpoint())]);
    let platform = Platform::start(Options { settings, ..Options::default() }).await?;
    let stage = platform.stage();
    let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let person = shop.person(&stage, "はなこ").await?;
    stage.line.write_text(&shop.card.channel_id, &person.id, "こんにちは").await?;
    let (conversation, _) = shop.sees(&stage, "こんにちは").await?;

    let wanted: BTreeSet<&str> = ["webhook-ingest", "identity-linking", "messaging-outbox"].into();
    testkit::eventually(Duration::from_secs(30), async || {
        let mut traces: BTreeMap<String, Vec<testkit::otlp::Span>> = BTreeMap::new();
        for span in sink.spans() {
            traces.entry(span.trace_id.clone()).or_default().push(span);
        }
        let whole = traces.values().find(|spans| {
            let services: BTreeSet<&str> = spans.iter().map(|span| span.service.as_str()).collect();
            let calls_line =
                spans.iter().any(|span| span.service == "messaging-outbox" && span.name.starts_with("line."));
            let begins_at_ingest = spans.iter().any(|span| span.service == "webhook-ingest");
            services.is_superset(&wanted) && calls_line && begins_at_ingest
        });
        match whole {
            Some(_) => Ok(()),
            None => Err(traces
                .values()
                .map(|spans| spans.iter().map(|s| format!("{}:{}", s.service, s.name)).collect::<Vec<_>>().join(" "))
                .collect::<Vec<_>>()
                .join("\n")),
        }
    })
    .await?;

    let push = SendMessageRequest {
        conversation_id: conversation.conversation_id,
        content: Some(MessageContent {
            kind: Some(Kind::Text(TextContent {
                text: "お待ちしております".to_owned(), ..Default::default()
            })),
        }),
        policy: SendPolicy::PushOnly.into(),
        request_id: uuid::Uuid::new_v4().to_string(),
        ..Default::default()
    };
    shop.messages(&stage)?.send_message(push).await?;
    answered_in_one_trace(&sink).await
}

/// gRPC → Postgres row → LINE's push API, some time later and in another task: the call to LINE stands in the trace that began
/// with the staff's answer.
async fn answered_in_one_trace(sink: &testkit::otlp::Sink) -> anyhow::Result<()> {
    let has = |span: &Span, name: &str, key: &str, end: &str| {
        span.name == name && span.attributes.get(key).is_some_and(|value| value.ends_with(end))
    };
    testkit::eventually(Duration::from_secs(30), async || {
        let spans = sink.spans();
        let served = spans.iter().find(|span| has(span, "serve", "rpc.method", "SendMessage")).ok_or("no answer")?;
        let of_trace = || spans.iter().filter(|span| span.trace_id == served.trace_id);
        let sending = of_trace().find(|span| span.name == "message.send").ok_or("not sent in its trace")?;
        let calls = |span: &&Span| has(span, "line.call", "endpoint", "Push") && span.parent_span_id == sending.span_id;
        of_trace().find(calls).map(drop).ok_or("LINE is not called in its trace")
    })
    .await?;
    Ok(())
}
