//! One trace from LINE's request to LINE's API call.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

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
    shop.sees(&stage, "こんにちは").await?;

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
    Ok(())
}
