//! How a service leaves a balancer: it says so first, and serves on until it is sent nothing more.

use std::collections::BTreeMap;
use std::time::Duration;

use tests::{Options, Platform, Service};
use tsunagi::stage::Shop;

const SOON: Duration = Duration::from_secs(20);

/// between SIGTERM and the end of its listeners webhook-ingest is not ready any more and still takes webhooks.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_told_to_end_takes_webhooks_until_the_pause_is_over() -> anyhow::Result<()> {
    // Longer than the test: only what happens in the pause is looked at.
    let settings = BTreeMap::from([("TSUNAGI_DRAIN_PAUSE_SECONDS".to_owned(), "600".to_owned())]);
    let mut platform = Platform::start(Options { settings, ..Options::default() }).await?;
    let stage = platform.stage();
    let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let person = shop.person(&stage, "はなこ").await?;

    let ingest = platform.process(Service::WebhookIngest).expect("it runs");
    ingest.sigterm()?;
    let url = format!("http://127.0.0.1:{}/readyz", platform.admin(Service::WebhookIngest));
    testkit::eventually(SOON, async || match reqwest::get(&url).await {
        Ok(answer) if answer.status() == 503 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await?;
    stage.line.write_text(&shop.card.channel_id, &person.id, "まだ届きますか").await?;
    shop.sees(&stage, "まだ届きますか").await?;
    platform.kill(Service::WebhookIngest).await?;
    Ok(())
}
