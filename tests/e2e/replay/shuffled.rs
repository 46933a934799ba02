//! A day told once more, shuffled and with repetitions, to services that have not heard of it: the same state in each round (R-5).

use chrono::TimeDelta;
use kernel::{Clock as _, SystemClock};
use line_simulator::BooksQuery;
use line_simulator::recording::{Recording, Replay, SALON_DAY, Target, replay};
use line_types::signature::{ChannelSecret, sign};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tests::{Options, Platform};
use tsunagi::stage::{Shop, Stage, until};

use super::dump::{Dump, dump, forget_handled, handled};
use super::{SOON, day};

/// What a lively day without staff leaves behind.
const TOLD: [&str; 5] =
    ["identity.friendship", "messaging.conversation", "messaging.message", "messaging.tombstone", "messaging.content"];

/// Has everybody told everything: nothing that was taken back is cut out of the archive and the stream before that.
async fn erase_nothing(admin: &mut PgConnection) -> anyhow::Result<()> {
    for stop in [
        "ALTER TABLE ingest.erasure ALTER COLUMN due_at SET DEFAULT 'infinity'",
        "UPDATE ingest.erasure SET due_at = 'infinity'",
    ] {
        sqlx::query(stop).execute(&mut *admin).await?;
    }
    Ok(())
}

/// Has nobody heard of the shop's day: neither the services nor the stream, which would take nothing twice.
async fn forget(platform: &Platform, admin: &mut PgConnection, shop: &Shop) -> anyhow::Result<()> {
    let more = ["messaging.content_chunk", "messaging.reply_token", "ingest.seen_event", "ingest.body"];
    for table in TOLD.into_iter().chain(more) {
        let forget = format!("DELETE FROM {table} WHERE tenant_id = $1");
        sqlx::query(AssertSqlSafe(forget)).bind(shop.tenant.uuid()).execute(&mut *admin).await?;
    }
    forget_handled(admin, shop.tenant).await?;
    platform.delete_streams().await
}

/// That both say the same of what the day leaves behind.
fn same(found: &Dump, expected: &Dump, round: u64) {
    for table in TOLD {
        assert_eq!(found.get(table), expected.get(table), "{table} in round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_day_told_shuffled_and_twice_ends_in_the_same_state() -> anyhow::Result<()> {
    let platform = Platform::start(Options::default()).await?;
    let stage = platform.stage();
    let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    day::come_and_go(&stage, &shop).await?;
    let mut admin = PgConnection::connect(&platform.admin_url()).await?;
    handled(&mut admin, shop.tenant, 0).await?;
    let right = dump(&mut admin, shop.tenant).await?;
    let query = BooksQuery { account: Some(shop.card.channel_id.clone()), ..BooksQuery::default() };
    let recorded: Vec<_> = stage.line.webhooks(&query).await?.into_iter().map(|webhook| webhook.event).collect();

    erase_nothing(&mut admin).await?;
    for round in 0..3 {
        forget(&platform, &mut admin, &shop).await?;
        let mut told: Vec<_> = recorded.iter().chain(&recorded).collect();
        told.sort_by_key(|event| uuid::Uuid::new_v5(&uuid::Uuid::nil(), format!("{round}{event}").as_bytes()));
        for event in told {
            tell(&stage, &shop, &event.to_string()).await?;
        }
        handled(&mut admin, shop.tenant, 0).await?;
        same(&dump(&mut admin, shop.tenant).await?, &right, round);
    }
    Ok(())
}

/// The day that is shipped with the simulator: 275 bodies, with media, a group, unsends, an edit and blocks.
#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_salon_day_told_shuffled_and_twice_ends_in_the_same_state() -> anyhow::Result<()> {
    let platform = Platform::start(Options::default()).await?;
    let stage = platform.stage();
    let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let mut admin = PgConnection::connect(&platform.admin_url()).await?;
    erase_nothing(&mut admin).await?;
    // Two days ago: nothing is answered any more.
    let day = Recording::read(SALON_DAY)?.beginning(SystemClock.now() - TimeDelta::days(2));
    let day = day.addressed_to(&shop.card.bot_user_id, &shop.card.channel_secret);
    let target = Target { url: stage.webhook_url(&shop.webhook_key), keep_signatures: true };
    let mut right = None;
    for round in 0..4 {
        forget(&platform, &mut admin, &shop).await?;
        // As it was lived first, then in other orders.
        let (shuffle, duplicate) = if round == 0 { (false, 0.0) } else { (true, 0.5) };
        let told = replay(&day, &Replay { shuffle, duplicate, seed: round, speed: None }, &target).await?;
        anyhow::ensure!(told.refused.is_empty() && told.accepted == told.sent, "{told:?}");
        handled(&mut admin, shop.tenant, 0).await?;
        let found = dump(&mut admin, shop.tenant).await?;
        anyhow::ensure!(TOLD.iter().all(|table| found.get(*table).is_some_and(|rows| !rows.is_empty())), "{found:?}");
        let Some(right) = &right else {
            right = Some(found);
            continue;
        };
        same(&found, right, round);
    }
    Ok(())
}

/// Sends an event as LINE does, in a body of its own.
async fn tell(stage: &Stage, shop: &Shop, event: &str) -> anyhow::Result<()> {
    let body = format!(r#"{{"destination":"{}","events":[{event}]}}"#, shop.card.bot_user_id.as_str());
    let signature = sign(&ChannelSecret::parse(&shop.card.channel_secret)?, body.as_bytes());
    let (url, http) = (stage.webhook_url(&shop.webhook_key), reqwest::Client::new());
    until(SOON, async || {
        let told = http.post(&url).header("x-line-signature", &signature).body(body.clone()).send().await?;
        told.error_for_status().map(drop)
    })
    .await
}
