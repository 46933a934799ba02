//! A shop, its friends who write and take back, and the other system it forwards to.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use contracts::ingest::v1::forwarding_service_client::ForwardingServiceClient;
use contracts::ingest::v1::{CreateForwardingTargetRequest, ForwardingTarget};
use line_simulator::{AccountSettings, Act, Trouble};
use line_types::signature::ChannelSecret;
use tokio::sync::Mutex;
use tsunagi::stage::{Person, Shop, Stage, until};
use uuid::Uuid;

use super::books::Books;
use super::neighbour::Neighbour;

/// Friends who write, and the pause of each between two messages: what kills leave to forward goes sender by sender, each in order.
const FRIENDS: usize = 16;
const PAUSE: Duration = Duration::from_millis(160);
/// Every how many messages one is taken back.
const TAKEN_BACK_EVERY: u64 = 20;
/// How long webhook-ingest may take to hear of the neighbour.
const SOON: Duration = Duration::from_secs(30);

/// Whom the webhooks are of, and what is known of them.
pub(super) struct Scene {
    pub(super) shop: Shop,
    friends: Vec<Person>,
    written: AtomicU64,
    pub(super) neighbour: Neighbour,
    pub(super) books: Mutex<Books>,
    /// Events from before webhook-ingest had heard of the neighbour.
    pub(super) unheard: BTreeSet<Uuid>,
}

impl Scene {
    /// Opens the shop, has it forward to `neighbour`, and invites its friends.
    pub(super) async fn set(stage: &Stage, neighbour: Neighbour) -> anyhow::Result<Self> {
        let shop = Shop::open(stage, "さくら美容室", "佐藤 美咲").await?;
        neighbour.knows(&ChannelSecret::parse(&shop.card.channel_secret)?);
        let target = ForwardingTarget {
            account_id: shop.account.to_string(),
            url: neighbour.url(),
            display_name: "予約システム".to_owned(),
            ..ForwardingTarget::default()
        };
        let request = CreateForwardingTargetRequest { forwarding_target: Some(target), ..Default::default() };
        ForwardingServiceClient::new(shop.program.connect(&stage.ingest)?).create_forwarding_target(request).await?;
        let passer_by = shop.person(stage, "とおりすがり").await?;
        until(SOON, async || {
            // What comes before webhook-ingest has heard of the neighbour is not forwarded.
            stage.line.write_text(&shop.card.channel_id, &passer_by.id, "いますか").await.map_err(|e| e.to_string())?;
            if neighbour.events().is_empty() { Err("nothing was forwarded".to_owned()) } else { Ok(()) }
        })
        .await?;
        anyhow::ensure!(stage.line.webhooks_settled(SOON).await?, "webhooks are on their way still");
        let mut books = Books::default();
        books.read(stage, &shop).await?;
        let mut friends = Vec::new();
        for n in 0..FRIENDS {
            let person = shop.person(stage, &format!("友だち{n}")).await?;
            stage.line.add_friend(&shop.card.channel_id, &person.id).await?;
            friends.push(person);
        }
        let redelivery = AccountSettings { redelivery: Some(true), ..AccountSettings::default() };
        stage.line.change_account(&shop.card.channel_id, &redelivery).await?;
        let trouble = Trouble {
            duplicate: 0.1,
            batch: 4,
            parallel: 4,
            // LINE tries again until somebody is there.
            redeliver_after_ms: vec![250; 2_000],
            ..Trouble::default()
        };
        stage.line.set_delivery(&shop.card.channel_id, &trouble).await?;
        Ok(Self {
            shop,
            friends,
            written: AtomicU64::new(0),
            neighbour,
            unheard: books.events(),
            books: Mutex::new(books),
        })
    }

    /// Every friend writes, one message after the other, and takes some back, until somebody says stop.
    pub(super) async fn write(&self, stage: &Stage, stopping: &AtomicBool) -> anyhow::Result<()> {
        let write = async |person: &Person| {
            while !stopping.load(Ordering::Relaxed) {
                let number = self.written.fetch_add(1, Ordering::Relaxed);
                let account = &self.shop.card.channel_id;
                let written = stage.line.write_text(account, &person.id, &number.to_string()).await?;
                tokio::time::sleep(PAUSE).await;
                if let (0, Some(message_id)) = (number % TAKEN_BACK_EVERY, written.message_id) {
                    stage.line.act(account, &person.id, Act::Unsend { message_id }).await?;
                }
            }
            anyhow::Ok(())
        };
        futures::future::try_join_all(self.friends.iter().map(write)).await.map(drop)
    }

    /// How many messages were written.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}
