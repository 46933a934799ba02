//! A lively day is told once more, from the archive: nobody hears of it, and everything stands as it stood (L-15, R-5).

mod busy;
mod day;
mod dump;
mod forgotten;
mod shuffled;

use std::time::Duration;

use contracts::ingest::v1::replay_service_client::ReplayServiceClient;
use contracts::ingest::v1::{GetReplayRequest, Replay, ReplayMode, ReplayState, StartReplayRequest};
use line_simulator::BooksQuery;
use line_types::id::WebhookEventId;
use sqlx::Connection as _;
use tests::{Options, Platform};
use tsunagi::stage::{Shop, Stage, until};

use crate::command_line::Operator;
use dump::{INBOUND, dump, handled};

/// A replica that dies leaves its replay alone until its lease has run out, and what others had in hand is tried again after a pause.
const SOON: Duration = Duration::from_mins(3);

/// Starts a replay of the shop's tenant and waits for its end.
async fn replayed(stage: &Stage, shop: &Shop, mode: ReplayMode) -> anyhow::Result<Replay> {
    let id = begun(stage, shop, mode).await?;
    ended(stage, shop, id).await
}

/// Starts a replay of the shop's tenant; its ID.
async fn begun(stage: &Stage, shop: &Shop, mode: ReplayMode) -> anyhow::Result<String> {
    let mut replays = ReplayServiceClient::new(shop.program.connect(&stage.ingest)?);
    let request = StartReplayRequest { mode: mode.into(), ..Default::default() };
    Ok(replays.start_replay(request).await?.into_inner().replay.unwrap_or_default().replay_id)
}

/// Waits for the end of a replay.
async fn ended(stage: &Stage, shop: &Shop, replay_id: String) -> anyhow::Result<Replay> {
    let mut replays = ReplayServiceClient::new(shop.program.connect(&stage.ingest)?);
    let request = GetReplayRequest { replay_id };
    until(SOON, async || {
        let found = replays.get_replay(request.clone()).await.map_err(|status| status.to_string())?.into_inner();
        let replay = found.replay.unwrap_or_default();
        if replay.state() == ReplayState::Done { Ok(replay) } else { Err(format!("{replay:?}")) }
    })
    .await
}

/// What was sent to the shop's friends, and what of it was asked of LINE besides the quota.
async fn books(stage: &Stage, shop: &Shop) -> anyhow::Result<(usize, usize)> {
    let query = BooksQuery { account: Some(shop.card.channel_id.clone()), ..BooksQuery::default() };
    let requests = stage.line.requests(&query).await?;
    let asked = requests.iter().filter(|request| !request.endpoint.contains("quota")).count();
    Ok((stage.line.sent(&query).await?.len(), asked))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_of_one_tenant_equals_its_live_state_and_another_tenant_is_not_touched() -> anyhow::Result<()> {
    let platform = Platform::start(Options::default()).await?;
    let stage = platform.stage();
    let ours = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let theirs = Shop::open(&stage, "みどり歯科", "鈴木 一郎").await?;
    day::live(&stage, &ours).await?;
    day::live(&stage, &theirs).await?;
    let mut admin = sqlx::PgConnection::connect(&platform.admin_url()).await?;
    handled(&mut admin, ours.tenant, 0).await?;
    handled(&mut admin, theirs.tenant, 0).await?;

    let (right, others) = (dump(&mut admin, ours.tenant).await?, dump(&mut admin, theirs.tenant).await?);
    anyhow::ensure!(INBOUND.iter().all(|table| right.get(*table).is_some_and(|rows| !rows.is_empty())), "{right:?}");
    let asked = books(&stage, &ours).await?;
    let done = replayed(&stage, &ours, ReplayMode::Rebuild).await?;
    // What was taken back is cut out of the archive; it was none before, and is none again.
    assert_eq!((done.published_count, done.skipped_count), (done.planned_count - 1, 1));
    handled(&mut admin, ours.tenant, done.published_count).await?;
    dump::same(&dump(&mut admin, ours.tenant).await?, &right);
    dump::same(&dump(&mut admin, theirs.tenant).await?, &others);
    assert_eq!(books(&stage, &ours).await?, asked, "LINE was sent or asked something");

    // What was spoilt or lost is as it was again.
    for lost in [
        "UPDATE identity.friendship SET state = 'BLOCKED', turn_time = now(), turn_event_id = 'spoilt' WHERE tenant_id = $1",
        "DELETE FROM messaging.message m WHERE tenant_id = $1 AND direction = 1 AND NOT unread AND line_message_id IS NOT NULL
             AND unsend_time IS NULL AND NOT EXISTS (SELECT FROM messaging.content c WHERE c.message_id = m.message_id)",
    ] {
        let spoilt = sqlx::query(lost).bind(ours.tenant.uuid()).execute(&mut admin).await?;
        anyhow::ensure!(spoilt.rows_affected() > 0, "{lost}");
    }
    let texts = |dump: &dump::Dump| dump.get("messaging.message").map_or(0, Vec::len);
    anyhow::ensure!(texts(&dump(&mut admin, ours.tenant).await?) < texts(&right), "nothing was lost");
    let again = replayed(&stage, &ours, ReplayMode::Rebuild).await?;
    handled(&mut admin, ours.tenant, done.published_count + again.published_count).await?;
    let rebuilt = dump(&mut admin, ours.tenant).await?;
    assert_eq!(rebuilt.get("identity.friendship"), right.get("identity.friendship"));
    assert_eq!(texts(&rebuilt), texts(&right));
    dump::same(&dump(&mut admin, theirs.tenant).await?, &others);
    assert_eq!(books(&stage, &ours).await?, asked, "LINE was sent or asked something");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_handles_what_was_never_handled_and_changes_nothing_else() -> anyhow::Result<()> {
    let platform = Platform::start(Options::default()).await?;
    let stage = platform.stage();
    let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let word = day::live(&stage, &shop).await?;
    let mut admin = sqlx::PgConnection::connect(&platform.admin_url()).await?;
    handled(&mut admin, shop.tenant, 0).await?;
    let (right, asked) = (dump(&mut admin, shop.tenant).await?, books(&stage, &shop).await?);
    replayed(&stage, &shop, ReplayMode::Redrive).await?;
    dump::same(&dump(&mut admin, shop.tenant).await?, &right);

    // A service that was to handle a text of the day never did.
    let gone = sqlx::query("DELETE FROM messaging.message WHERE tenant_id = $1 AND object::text LIKE $2")
        .bind(shop.tenant.uuid())
        .bind(format!("%{}%", day::WORD))
        .execute(&mut admin)
        .await?;
    let forgotten = sqlx::query("DELETE FROM messaging.inbox WHERE tenant_id = $1 AND event_key = $2")
        .bind(shop.tenant.uuid())
        .bind(uuid::Uuid::from_u128(WebhookEventId::parse(&word)?.ulid().0))
        .execute(&mut admin)
        .await?;
    assert_eq!((gone.rows_affected(), forgotten.rows_affected()), (1, 1));
    replayed(&stage, &shop, ReplayMode::Redrive).await?;
    shop.sees(&stage, day::WORD).await?;
    assert_eq!(books(&stage, &shop).await?.0, asked.0, "somebody was sent something");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_counts_starts_and_stops_replays_from_the_command_line() -> anyhow::Result<()> {
    let platform = Platform::start(Options::default()).await?;
    let stage = platform.stage();
    let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let person = shop.person(&stage, "はなこ").await?;
    stage.line.add_friend(&shop.card.channel_id, &person.id).await?;
    stage.line.write_text(&shop.card.channel_id, &person.id, "こんにちは").await?;
    shop.sees(&stage, "こんにちは").await?;
    let operator = Operator::new(&stage, &shop.program);

    let counted = operator.asks(&["replay", "start", "--mode", "rebuild", "--dry-run"]).await?;
    assert_eq!((counted["plan"]["event_count"].as_str(), counted["replay"].is_null()), (Some("2"), true), "{counted}");
    let unasked = operator.types(&["replay", "start", "--mode", "redrive"]).await?;
    assert!(unasked.tells(1, &["\"event_count\": \"2\"", "--yes starts it"]), "{unasked:?}");
    assert_eq!(operator.asks(&["replay", "list"]).await?["replays"].as_array().map(Vec::len), Some(0));
    let started = ["replay", "start", "--mode", "redrive", "--event-types", "message", "--yes"];
    let done = operator.types(&started).await?;
    let told = ["\"event_count\": \"1\"", "done: 1 of 1 published, 0 passed over", "REPLAY_STATE_DONE"];
    assert!(done.tells(0, &told), "{done:?}");
    let listed = operator.asks(&["replay", "list"]).await?;
    let id = listed["replays"][0]["replay_id"].as_str().unwrap_or_default().to_owned();
    let got = operator.asks(&["replay", "get", "--replay-id", &id]).await?;
    assert_eq!(got["replay"]["published_count"], "1");
    let stopped = operator.asks(&["replay", "stop", "--replay-id", &id]).await?;
    assert_eq!(stopped["replay"]["state"], "REPLAY_STATE_DONE", "what has ended stays so");
    let wrong = operator.types(&["replay", "start", "--mode", "rebuild", "--event-types", "message", "--yes"]).await?;
    assert!(wrong.tells(1, &["INVALID_ARGUMENT", "field event_types: "]), "{wrong:?}");
    Ok(())
}
