//! A rolling restart of everything under load: no webhook is refused, and no call fails but for a moment.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::ensure;
use contracts::messaging::v1::ListConversationsRequest;
use futures::future::{join_all, try_join_all};
use line_types::signature::{ChannelSecret, sign};
use sqlx::{Connection as _, PgConnection};
use tests::{Options, Platform, Service, stranger};
use tokio::time::interval;
use tonic::{Code, Status};
use tsunagi::stage::{Shop, Stage};

/// How often a balancer asks who is ready, and how long a service serves on after it was told to end.
const ASKED_EVERY: Duration = Duration::from_millis(50);
const DRAIN_SECONDS: &str = "4";
/// The pause between two webhooks of a sender, and how many send.
const PAUSE: Duration = Duration::from_millis(40);
const SENDERS: usize = 8;
const SOON: Duration = Duration::from_mins(1);

/// The instances of webhook-ingest, as a balancer knows them.
#[derive(Default)]
struct Balancer {
    /// Where each takes webhooks and says whether it is ready.
    known: Mutex<Vec<(u16, u16)>>,
    ready: Mutex<Vec<u16>>,
    turn: AtomicU64,
}

impl Balancer {
    fn learn(&self, platform: &Platform) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = platform.doors(Service::WebhookIngest);
    }

    /// Asks every instance whether it is ready, again and again.
    async fn ask(&self, stopping: &AtomicBool) -> anyhow::Result<()> {
        let (client, mut every) = (reqwest::Client::new(), interval(ASKED_EVERY));
        while !stopping.load(Ordering::Relaxed) {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let asked = known.into_iter().map(async |(door, admin)| {
                let asked = client.get(format!("http://127.0.0.1:{admin}/readyz")).timeout(Duration::from_secs(1));
                asked.send().await.is_ok_and(|answer| answer.status().is_success()).then_some(door)
            });
            let ready = join_all(asked).await.into_iter().flatten().collect();
            *self.ready.lock().unwrap_or_else(PoisonError::into_inner) = ready;
            every.tick().await;
        }
        Ok(())
    }

    /// Waits until it has seen all it knows to be ready: nobody takes an instance away before the balancer has the next.
    async fn has_all(&self) -> anyhow::Result<()> {
        testkit::eventually(SOON, async || {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).len();
            let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner).len();
            if known == ready { Ok(()) } else { Err(format!("{ready} of {known} are ready")) }
        })
        .await?;
        Ok(())
    }

    fn next(&self) -> Option<u16> {
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = usize::try_from(self.turn.fetch_add(1, Ordering::Relaxed)).unwrap_or(0);
        (!ready.is_empty()).then(|| ready[turn % ready.len()])
    }
}

/// Sends webhooks to whoever is ready; tells what was answered.
async fn send(shop: &Shop, balancer: &Balancer, stopping: &AtomicBool) -> anyhow::Result<Vec<Result<u16, String>>> {
    let (client, secret) = (reqwest::Client::new(), ChannelSecret::parse(&shop.card.channel_secret)?);
    let (mut answers, mut every) = (Vec::new(), interval(PAUSE));
    while !stopping.load(Ordering::Relaxed) {
        every.tick().await;
        let (_, body) = stranger::text_to(shop.card.bot_user_id.as_str(), 0);
        let Some(door) = balancer.next() else {
            answers.push(Err("nobody is ready".to_owned()));
            continue;
        };
        let url = format!("http://127.0.0.1:{door}/line/webhooks/{}", shop.webhook_key);
        let post = client.post(url).header("x-line-signature", sign(&secret, body.as_bytes())).body(body);
        let answer = post.send().await;
        answers.push(answer.map(|answer| answer.status().as_u16()).map_err(|error| format!("{error:?}")));
    }
    Ok(answers)
}

/// Whether a call that failed so may be made again: the service ended, or the connection did before an answer came.
fn passes(status: &Status) -> bool {
    let unanswered = status.source().is_some_and(<dyn Error>::is::<tonic::transport::Error>);
    status.code() == Code::Unavailable || unanswered
}

/// Staff look at their conversations all the while; a call that fails is one that may be made again.
async fn look(stage: &Stage, shop: &Shop, stopping: &AtomicBool) -> anyhow::Result<u32> {
    let (mut looked, mut every) = (0, interval(ASKED_EVERY));
    while !stopping.load(Ordering::Relaxed) {
        let listed = shop.conversations(stage)?.list_conversations(ListConversationsRequest::default()).await;
        match listed {
            Ok(_) => looked += 1,
            Err(status) => ensure!(passes(&status), "a call failed for good: {status:?}"),
        }
        every.tick().await;
    }
    Ok(looked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_of_everything_under_load_refuses_no_webhook_and_loses_none() -> anyhow::Result<()> {
    let settings = BTreeMap::from([("TSUNAGI_DRAIN_PAUSE_SECONDS".to_owned(), DRAIN_SECONDS.to_owned())]);
    let mut platform = Platform::start(Options { settings, ..Options::default() }).await?;
    let stage = platform.stage();
    let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let (balancer, stopping, admin_url) = (Balancer::default(), AtomicBool::new(false), platform.admin_url());
    balancer.learn(&platform);

    let roll = async {
        // Everybody is at work before it begins.
        balancer.has_all().await?;
        for service in Service::ALL {
            platform.add_replica(service).await?;
            balancer.learn(&platform);
            balancer.has_all().await?;
            platform.stop(service).await?;
            platform.start_service(service, &BTreeMap::new()).await?;
            balancer.has_all().await?;
            platform.remove_replica(service).await?;
            balancer.learn(&platform);
        }
        stopping.store(true, Ordering::Relaxed);
        anyhow::Ok(())
    };
    let (answers, looked, ..) = tokio::try_join!(
        async {
            balancer.has_all().await?;
            let senders = std::iter::repeat_with(|| send(&shop, &balancer, &stopping)).take(SENDERS);
            anyhow::Ok(try_join_all(senders).await?.concat())
        },
        look(&stage, &shop, &stopping),
        balancer.ask(&stopping),
        roll,
    )?;
    let refused: Vec<_> = answers.iter().filter(|answer| **answer != Ok(200)).collect();
    assert!(refused.is_empty(), "{} of {} refused: {:?}", refused.len(), answers.len(), refused.first());
    assert!(answers.len() > 100 && looked > 10, "{} webhooks, {looked} looks", answers.len());

    let mut admin = PgConnection::connect(&admin_url).await?;
    let sent = i64::try_from(answers.len())?;
    testkit::eventually(SOON, async || {
        let shown = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM messaging.message WHERE direction = 1");
        let shown = shown.fetch_one(&mut admin).await.map_err(|error| error.to_string())?;
        if shown == sent { Ok(()) } else { Err(format!("{shown} of {sent} are shown")) }
    })
    .await?;
    Ok(())
}
