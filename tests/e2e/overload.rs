//! More than webhook-ingest takes, of the largest bodies: it refuses clearly, stays in the memory it is given, loses nothing that it
//! acknowledged, and takes everything again afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::future::join_all;
use line_types::signature::{ChannelSecret, VerifyingKey};
use sqlx::{Connection as _, PgConnection};
use tests::{Options, Platform, Service, stranger};
use tsunagi::stage::{Shop, until};
use uuid::Uuid;

/// What the manifests give a pod (`deploy/kubernetes/base/webhook-ingest.yaml`), in KiB.
const MEMORY_LIMIT: u64 = 256 * 1_024;
/// Bodies that are on their way at once: twice what `TSUNAGI_INGEST_MEMORY_KIB` (64 MiB) lets in.
const AT_ONCE: usize = 128;
/// How often each of them is sent anew.
const ROUNDS: usize = 2;
/// Bytes of a body: as large as one may be.
const SIZE: usize = 1 << 20;
const SOON: Duration = Duration::from_mins(2);

/// Sends bodies of one shop.
struct Sender {
    http: reqwest::Client,
    url: String,
    key: VerifyingKey,
    bot: String,
}

impl Sender {
    /// Sends a text in a body of `size` bytes; the event, and what was answered, if anything was.
    async fn post(&self, size: usize) -> (Uuid, Option<u16>) {
        let (id, body) = stranger::text_to(&self.bot, size);
        let post = self.http.post(&self.url).header("x-line-signature", self.key.sign(body.as_bytes())).body(body);
        (id, post.send().await.ok().map(|answer| answer.status().as_u16()))
    }
}

/// The most memory a process ever had in hand, in KiB.
fn peak(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no peak")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_the_largest_bodies_is_refused_clearly_within_the_memory_limit() -> anyhow::Result<()> {
    let mut platform = Platform::start(Options::default()).await?;
    let stage = platform.stage();
    let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let sender = Sender {
        http: reqwest::Client::builder().timeout(SOON).build()?,
        url: stage.webhook_url(&shop.webhook_key),
        key: VerifyingKey::new(&ChannelSecret::parse(&shop.card.channel_secret)?),
        bot: shop.card.bot_user_id.as_str().to_owned(),
    };
    let (_, first) = sender.post(0).await;
    ensure!(first == Some(200), "{first:?}");

    let flood = join_all((0..AT_ONCE).map(async |_| {
        let mut answers = Vec::new();
        for _ in 0..ROUNDS {
            answers.push(sender.post(SIZE).await);
        }
        answers
    }));
    let answers: Vec<_> = flood.await.into_iter().flatten().collect();
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for (_, answer) in &answers {
        *told.entry(answer.map_or_else(|| "cut off".to_owned(), |status| status.to_string())).or_default() += 1;
    }
    // A machine that is busy enough takes longer over a body than it may, or ends a connection before all of it was sent.
    let clear = ["200", "408", "503", "cut off"];
    assert!(told.keys().all(|answer| clear.contains(&answer.as_str())), "{told:?}");
    assert!(told.contains_key("200") && told.contains_key("503"), "{told:?}");
    let pid = platform.process(Service::WebhookIngest).context("webhook-ingest is gone")?.pid();
    let peak = peak(pid)?;
    assert!(peak < MEMORY_LIMIT, "{peak} KiB were in hand, {MEMORY_LIMIT} are given; {told:?}");

    // It takes everything again, and what it acknowledged is handled.
    let last = until(SOON, async || {
        let (last, after) = sender.post(0).await;
        if after == Some(200) { Ok(last) } else { Err(format!("{after:?}")) }
    })
    .await?;
    let acknowledged: BTreeSet<Uuid> =
        answers.iter().filter(|(_, answer)| *answer == Some(200)).map(|(id, _)| *id).chain([last]).collect();
    let mut admin = PgConnection::connect(&platform.admin_url()).await?;
    until(SOON, async || {
        let handled: Vec<Uuid> = sqlx::query_scalar(
            "SELECT event_key FROM messaging.inbox i WHERE EXISTS (SELECT FROM ingest.seen_event s WHERE s.event_id = i.event_key)",
        )
        .fetch_all(&mut admin)
        .await
        .map_err(|error| error.to_string())?;
        let lost = acknowledged.difference(&handled.into_iter().collect()).count();
        if lost == 0 { Ok(()) } else { Err(format!("{lost} of {} are not handled", acknowledged.len())) }
    })
    .await
}
