//! A rebuild while the tenant is busy and its services die: the end is what LINE told (L-15, R-5).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contracts::ingest::v1::ReplayMode;
use contracts::messaging::v1::{ListConversationsRequest, MarkReadRequest};
use line_simulator::{AccountSettings, Act, BooksQuery, Trouble};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use tests::{Options, Platform, Service};
use tokio::time::interval;
use tsunagi::stage::{Person, Shop, Stage, until};

use super::{SOON, begun, ended};

const PEOPLE: usize = 8;
/// The pause between two things that friends do.
const PAUSE: Duration = Duration::from_millis(200);
/// Slow enough for both services to die while copies are published, and quicker than the friends.
const PER_SECOND: &str = "30";

/// Friends come, write, take back, block and come back, until somebody says stop.
async fn live(stage: &Stage, shop: &Shop, people: &[Person], stopping: &AtomicBool) -> anyhow::Result<()> {
    let (line, account) = (&stage.line, &shop.card.channel_id);
    let (mut round, mut every) = (0usize, interval(PAUSE));
    while !stopping.load(Ordering::Relaxed) {
        every.tick().await;
        let person = &people[round % people.len()];
        let message = line.write_text(account, &person.id, &format!("{round}")).await?.message_id.unwrap_or_default();
        match round % 7 {
            1 => drop(line.act(account, &person.id, Act::Unsend { message_id: message }).await?),
            3 => {
                let guest = shop.person(stage, &format!("ちょっと{round}")).await?;
                line.add_friend(account, &guest.id).await?;
                line.block(account, &guest.id).await?;
            }
            5 => {
                line.block(account, &person.id).await?;
                line.unblock(account, &person.id).await?;
            }
            6 => {
                let new = shop.person(stage, &format!("新しい{round}")).await?;
                line.add_friend(account, &new.id).await?;
            }
            _ => {}
        }
        round += 1;
    }
    Ok(())
}

/// Staff read and answer, until somebody says stop; how often.
async fn answer(stage: &Stage, shop: &Shop, stopping: &AtomicBool) -> anyhow::Result<usize> {
    let (mut answers, mut every) = (0, interval(PAUSE * 2));
    while !stopping.load(Ordering::Relaxed) {
        every.tick().await;
        let listed = shop.conversations(stage)?.list_conversations(ListConversationsRequest::default()).await?;
        for conversation in listed.into_inner().conversations.into_iter().take(2) {
            let read = MarkReadRequest { conversation_id: conversation.conversation_id.clone(), ..Default::default() };
            shop.conversations(stage)?.mark_read(read).await?;
            // Whoever has blocked the account cannot be answered.
            let answered = shop.answers(stage, &conversation.conversation_id, &format!("answer {answers}")).await;
            answers += usize::from(answered.is_ok());
        }
    }
    Ok(answers)
}

/// Kills services and starts them again, one after the other.
async fn kill(platform: &mut Platform) -> anyhow::Result<()> {
    for service in [Service::IdentityLinking, Service::WebhookIngest, Service::IdentityLinking, Service::WebhookIngest]
    {
        platform.kill(service).await?;
        platform.start_service(service, &BTreeMap::new()).await?;
    }
    Ok(())
}

/// Friendships by user (state, and since when in milliseconds), messages by LINE's ID (the text; none: taken back), unread messages.
type State = (BTreeMap<String, (String, i64)>, BTreeMap<String, Option<String>>, bool);

/// What LINE told, by its own books.
async fn told(stage: &Stage, shop: &Shop) -> anyhow::Result<State> {
    let query = BooksQuery { account: Some(shop.card.channel_id.clone()), ..BooksQuery::default() };
    let (mut turns, mut firsts, mut messages) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let (mut taken_back, text) = (Vec::new(), |value: &Value| value.as_str().unwrap_or_default().to_owned());
    for webhook in stage.line.webhooks(&query).await? {
        let event = webhook.event;
        let (user, at) = (text(&event["source"]["userId"]), event["timestamp"].as_i64().unwrap_or_default());
        let first = firsts.entry(user.clone()).or_insert(at);
        *first = at.min(*first);
        match event["type"].as_str() {
            Some(kind @ ("follow" | "unfollow")) => {
                let state = if kind == "follow" { "FRIEND" } else { "BLOCKED" };
                let turn = (at, text(&event["webhookEventId"]), state.to_owned());
                let latest = turns.entry(user).or_insert_with(|| turn.clone());
                *latest = turn.max(latest.clone());
            }
            Some("message") => {
                messages.insert(text(&event["message"]["id"]), Some(text(&event["message"]["text"])));
            }
            Some("unsend") => taken_back.push(text(&event["unsend"]["messageId"])),
            _ => {}
        }
    }
    for message in taken_back {
        messages.insert(message, None);
    }
    let friendship = |(user, first): (String, i64)| {
        let turn = turns.get(&user).map(|(at, _, state)| (state.clone(), *at));
        (user, turn.unwrap_or_else(|| ("SEEN".to_owned(), first)))
    };
    Ok((firsts.into_iter().map(friendship).collect(), messages, true))
}

/// What the services keep.
async fn kept(admin: &mut PgConnection, shop: &Shop) -> Result<State, sqlx::Error> {
    let friendships: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT u.line_user_id, f.state, (extract(epoch FROM coalesce(f.turn_time, f.first_seen_time)) * 1000)::bigint
         FROM identity.friendship f JOIN identity.line_user u USING (tenant_id, friend_id) WHERE tenant_id = $1",
    )
    .bind(shop.tenant.uuid())
    .fetch_all(&mut *admin)
    .await?;
    let messages: Vec<(String, Option<String>)> = sqlx::query_as(
        "SELECT line_message_id, object->>'text' FROM messaging.message
         WHERE tenant_id = $1 AND direction = 1 AND line_message_id IS NOT NULL",
    )
    .bind(shop.tenant.uuid())
    .fetch_all(&mut *admin)
    .await?;
    let counted = sqlx::query_scalar(
        "SELECT bool_and(unread_count = (SELECT count(*) FROM messaging.message m
             WHERE m.tenant_id = c.tenant_id AND m.conversation_id = c.conversation_id AND m.unread))
         FROM messaging.conversation c WHERE tenant_id = $1",
    )
    .bind(shop.tenant.uuid())
    .fetch_one(&mut *admin)
    .await?;
    let friendships = friendships.into_iter().map(|(user, state, since)| (user, (state, since))).collect();
    Ok((friendships, messages.into_iter().collect(), counted))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_of_a_busy_tenant_whose_services_are_killed_ends_in_what_line_told() -> anyhow::Result<()> {
    let settings = BTreeMap::from([("TSUNAGI_INGEST_REPLAYED_PER_SECOND".to_owned(), PER_SECOND.to_owned())]);
    let mut platform = Platform::start(Options { settings, ..Options::default() }).await?;
    let stage = platform.stage();
    let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let account = &shop.card.channel_id;
    let mut people = Vec::new();
    for n in 0..PEOPLE {
        let person = shop.person(&stage, &format!("友だち{n}")).await?;
        stage.line.add_friend(account, &person.id).await?;
        for text in ["一", "二", "三"] {
            stage.line.write_text(account, &person.id, &format!("{text}{n}")).await?;
        }
        people.push(person);
    }
    // LINE tries again until somebody is there.
    let redelivery = AccountSettings { redelivery: Some(true), ..AccountSettings::default() };
    stage.line.change_account(account, &redelivery).await?;
    let trouble = Trouble { redeliver_after_ms: vec![250; 2_000], ..Trouble::default() };
    stage.line.set_delivery(account, &trouble).await?;
    let mut admin = PgConnection::connect(&platform.admin_url()).await?;
    settled(&stage, &shop, &mut admin).await?;
    for spoil in [
        "UPDATE identity.friendship SET state = 'BLOCKED', turn_time = now(), turn_event_id = 'spoilt' WHERE tenant_id = $1",
        "DELETE FROM messaging.message WHERE tenant_id = $1 AND object->>'text' LIKE '二%'",
    ] {
        let spoilt = sqlx::query(spoil).bind(shop.tenant.uuid()).execute(&mut admin).await?;
        anyhow::ensure!(spoilt.rows_affected() == PEOPLE as u64, "{spoil}: {spoilt:?}");
    }
    let recount = "UPDATE messaging.conversation c SET unread_count = (SELECT count(*) FROM messaging.message m
        WHERE m.tenant_id = c.tenant_id AND m.conversation_id = c.conversation_id AND m.unread) WHERE tenant_id = $1";
    sqlx::query(recount).bind(shop.tenant.uuid()).execute(&mut admin).await?;

    let stopping = AtomicBool::new(false);
    let replay = begun(&stage, &shop, ReplayMode::Rebuild).await?;
    let rebuild = async {
        kill(&mut platform).await?;
        let ended = ended(&stage, &shop, replay).await;
        stopping.store(true, Ordering::Relaxed);
        ended
    };
    let (done, (), answers) =
        tokio::try_join!(rebuild, live(&stage, &shop, &people, &stopping), answer(&stage, &shop, &stopping))?;
    anyhow::ensure!(done.published_count >= done.planned_count && answers > 0, "{done:?}, {answers} answers");
    assert_eq!(done.waiting_count, 0);
    settled(&stage, &shop, &mut admin).await?;
    let query = BooksQuery { account: Some(account.clone()), ..BooksQuery::default() };
    let sent: Vec<String> = stage
        .line
        .sent(&query)
        .await?
        .iter()
        .flat_map(|sent| sent.messages.iter().map(|message| message["text"].to_string()))
        .filter(|text| !text.starts_with("\"answer "))
        .collect();
    assert_eq!(sent, Vec::<String>::new(), "nobody else was answered");
    Ok(())
}

/// Waits until LINE has told everything, and the services keep what it told.
async fn settled(stage: &Stage, shop: &Shop, admin: &mut PgConnection) -> anyhow::Result<()> {
    anyhow::ensure!(stage.line.webhooks_settled(SOON).await?, "webhooks are on their way still");
    let told = told(stage, shop).await?;
    until(SOON, async || {
        let kept = kept(admin, shop).await.map_err(|error| error.to_string())?;
        if kept == told { Ok(()) } else { Err(format!("LINE told {told:#?}\nkept is {kept:#?}")) }
    })
    .await
}
