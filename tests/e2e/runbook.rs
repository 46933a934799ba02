//! What the runbook tells people to do, done: its SQL, its rotations, its restoring.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use contracts::messaging::v1::MessageState;
use line_types::signature::{ChannelSecret, sign};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use tests::{Options, Platform, Service};
use tsunagi::stage::{Shop, Stage, until};

use crate::command_line::Operator;
use crate::dead_letter;

const SOON: Duration = Duration::from_secs(30);

fn pages(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(pages(&path)?);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
    Ok(found)
}

fn runbook() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/runbook")
}

/// The fenced blocks of the runbook that are SQL, with the page they stand in.
fn queries() -> anyhow::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for page in pages(&runbook())? {
        let text = std::fs::read_to_string(&page)?;
        let name = page.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let blocks = text.split("```").skip(1).step_by(2).map(str::trim);
        let sql =
            blocks.filter(|block| ["SELECT", "SET", "UPDATE", "DELETE"].iter().any(|word| block.starts_with(word)));
        found.extend(sql.map(|block| (name.clone(), block.to_owned())));
    }
    Ok(found)
}

/// The rows a query of the runbook answers with, asked as the role its page names: the worker of the schema, or, in a tenant, the
/// schema's own.
async fn answer(platform: &Platform, schema: &str, sql: &str) -> anyhow::Result<Vec<sqlx::postgres::PgRow>> {
    let role = if sql.starts_with("SET tsunagi.tenant") { schema.to_owned() } else { format!("{schema}_worker") };
    let mut connection = PgConnection::connect(&platform.url(&role)).await?;
    let (before, query) = sql.rsplit_once(";\n").unwrap_or(("", sql));
    sqlx::raw_sql(AssertSqlSafe(before.to_owned())).execute(&mut connection).await?;
    Ok(sqlx::query(AssertSqlSafe(query.to_owned())).fetch_all(&mut connection).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runbooks_sql_finds_what_it_is_for() -> anyhow::Result<()> {
    let platform = Platform::start(Options::default()).await?;
    let stage = platform.stage();
    let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let person = shop.person(&stage, "はなこ").await?;
    stage.line.write_text(&shop.card.channel_id, &person.id, "こんにちは").await?;
    let (conversation, _) = shop.sees(&stage, "こんにちは").await?;
    dead_letter::in_every_service(&platform.admin_url(), shop.tenant).await?;
    // What waits for long: a message of an account that has used up its month.
    let none = line_simulator::AccountSettings { quota: Some(Some(0)), ..Default::default() };
    stage.line.change_account(&shop.card.channel_id, &none).await?;
    let operator = Operator::new(&stage, &shop.program);
    let send = ["message", "send", "--text", "いらっしゃいませ", "--policy", "push_only", "--conversation-id"];
    let sent = operator.asks(&[&send[..], &[&conversation.conversation_id]].concat()).await?;
    let message = sent["message"]["message_id"].as_str().unwrap_or_default();
    shop.reaches(&stage, message, MessageState::WaitingForQuota).await?;
    let mut admin = PgConnection::connect(&platform.admin_url()).await?;
    let body: uuid::Uuid = until(SOON, async || {
        sqlx::query_scalar("SELECT body_id FROM ingest.body ORDER BY body_id DESC LIMIT 1").fetch_one(&mut admin).await
    })
    .await?;

    let queries = queries()?;
    let stands_in: Vec<&str> = queries.iter().map(|(page, _)| page.as_str()).collect();
    for page in ["dead-letters", "stuck-lane", "TsunagiWebhookLeftOut"] {
        assert!(stands_in.contains(&page), "{page} has no SQL any more");
    }
    for (page, sql) in queries {
        let sql = sql.replace("$TENANT", &shop.tenant.to_string()).replace("$BODY", &body.to_string());
        let known = Service::ALL.map(Service::schema);
        let schema =
            known.into_iter().find(|schema| sql.contains(&format!("{schema}."))).context("SQL of no schema")?;
        let rows = answer(&platform, schema, &sql).await.with_context(|| format!("{page}: {sql}"))?;
        assert_eq!(rows.len(), 1, "{page}: {sql}");
        if page == "dead-letters" {
            for other in known {
                let rows = answer(&platform, other, &sql.replace(&format!("{schema}."), &format!("{other}."))).await?;
                assert_eq!(
                    rows.first().context("no dead letter")?.get::<uuid::Uuid, _>("tenant_id"),
                    shop.tenant.uuid()
                );
            }
        }
    }
    Ok(())
}

/// One message in, one message out.
async fn works(stage: &Stage, shop: &Shop, said: &str) -> anyhow::Result<()> {
    let person = shop.person(stage, "はなこ").await?;
    stage.line.write_text(&shop.card.channel_id, &person.id, said).await?;
    let (conversation, _) = shop.sees(stage, said).await?;
    let answer = shop.answers(stage, &conversation.conversation_id, "承知しました").await?;
    shop.reaches(stage, &answer.message_id, MessageState::Accepted).await?;
    Ok(())
}

async fn restart(
    platform: &mut Platform,
    settings: &BTreeMap<String, String>,
    services: &[Service],
) -> anyhow::Result<()> {
    for service in services {
        platform.stop(*service).await?;
    }
    for service in services {
        platform.start_service(*service, settings).await?;
    }
    Ok(())
}

/// The master key is changed, step by step, and the old one is not needed any more.
#[tokio::test(flavor = "multi_thread")]
async fn after_the_rotation_of_the_master_key_the_new_one_is_enough() -> anyhow::Result<()> {
    let mut platform = Platform::start(Options::default()).await?;
    let stage = platform.stage();
    let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    works(&stage, &shop, "一").await?;
    let setting = |name: &str, value: String| BTreeMap::from([(name.to_owned(), value)]);
    let old = platform.setting("TSUNAGI_MASTER_KEYS").unwrap_or_default().to_owned();
    let new = "next:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let both = format!("{new},{old}");
    let holders = [Service::IdentityLinking, Service::WebhookIngest, Service::MessagingOutbox];
    restart(&mut platform, &setting("TSUNAGI_MASTER_KEYS", both.clone()), &holders).await?;
    works(&stage, &shop, "二").await?;
    let database = platform.setting("TSUNAGI_DATABASE_URL").unwrap_or_default();
    let at = Operator::nobody().with("TSUNAGI_DATABASE_URL", database).with("TSUNAGI_MASTER_KEYS", &both);
    let mut rounds = 0;
    while at.asks(&["keys", "rewrap"]).await?["rewrapped"].as_object().into_iter().flatten().any(|(_, keys)| keys != 0)
    {
        rounds += 1;
        anyhow::ensure!(rounds < 5, "there is always something to wrap anew");
    }
    assert!(rounds > 0, "nothing was wrapped anew");
    restart(&mut platform, &setting("TSUNAGI_MASTER_KEYS", new.to_owned()), &holders).await?;
    works(&stage, &shop, "三").await
}

/// The seal keys are changed, step by step: what was sealed before is set again.
#[tokio::test(flavor = "multi_thread")]
async fn after_the_rotation_of_the_seal_keys_secrets_that_were_set_again_are_opened() -> anyhow::Result<()> {
    let mut platform = Platform::start(Options::default()).await?;
    let stage = platform.stage();
    let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let made = Operator::nobody().asks(&["keys", "generate"]).await?;
    let seals = made.as_object().into_iter().flatten().filter(|(name, _)| name.contains("_SEAL_"));
    let seals = seals.map(|(name, key)| (name.clone(), key.as_str().unwrap_or_default().to_owned())).collect();
    let holders = [Service::IdentityLinking, Service::WebhookIngest, Service::MessagingOutbox];
    restart(&mut platform, &seals, &holders).await?;

    let folder = tempfile::tempdir()?;
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).map(|()| path.display().to_string())
    };
    let (secret, token) = (file("secret", &shop.card.channel_secret)?, file("token", &shop.card.access_token)?);
    let operator = Operator::new(&stage, &shop.program);
    let account = shop.account.to_string();
    let set = async |verb: &str, flag: &str, file: &str| {
        operator.asks(&["account", verb, "--account-id", &account, flag, file]).await
    };
    set("set-channel-secret", "--channel-secret-file", &secret).await?;
    set("set-channel-credential", "--credential-long-lived-token-file", &token).await?;
    // Told by an event: until it has come, LINE's webhooks are refused.
    let empty = format!(r#"{{"destination":"{}","events":[]}}"#, shop.card.bot_user_id.as_str());
    let signature = sign(&ChannelSecret::parse(&shop.card.channel_secret)?, empty.as_bytes());
    let (url, http) = (stage.webhook_url(&shop.webhook_key), reqwest::Client::new());
    until(SOON, async || {
        let asked = http.post(&url).header("x-line-signature", &signature).body(empty.clone()).send().await?;
        asked.error_for_status().map(drop)
    })
    .await?;
    works(&stage, &shop, "封").await
}

/// The database is restored from a backup into another one; what happened after it comes back out of the streams.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_serves_on_and_hears_again_what_came_after_it() -> anyhow::Result<()> {
    let mut platform = Platform::start(Options::default()).await?;
    let stage = platform.stage();
    let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let person = shop.person(&stage, "はなこ").await?;
    stage.line.write_text(&shop.card.channel_id, &person.id, "前").await?;
    shop.sees(&stage, "前").await?;
    let mut admin = PgConnection::connect(&platform.admin_url()).await?;
    until(SOON, async || {
        let remembered = "SELECT stream FROM ingest.stream_state";
        sqlx::query_scalar::<_, String>(remembered).fetch_one(&mut admin).await
    })
    .await?;
    let backup = platform.database().backup().await?;
    stage.line.write_text(&shop.card.channel_id, &person.id, "後").await?;
    shop.sees(&stage, "後").await?;

    for service in Service::ALL {
        platform.stop(service).await?;
    }
    let restored = backup.restore("restored").await?;
    let settings = BTreeMap::from([("TSUNAGI_DATABASE_URL".to_owned(), tests::without_user(&restored.admin_url())?)]);
    let migrate = Operator::nobody().with("TSUNAGI_ADMIN_DATABASE_URL", &restored.admin_url());
    let migrated = migrate.types(&["migrate"]).await?;
    assert!(migrated.tells(0, &[]), "{migrated:?}");
    assert_eq!(remove_consumers(&platform).await?, 2);
    for service in Service::ALL {
        platform.start_service(service, &settings).await?;
    }
    shop.sees(&stage, "前").await?;
    shop.sees(&stage, "後").await?;
    works(&stage, &shop, "今").await?;

    // And the streams come back from what the restored archive has.
    platform.delete_streams().await?;
    let nats = |name: &str| platform.setting(name).unwrap_or_default().to_owned();
    until(SOON, async || {
        let (url, prefix) = (nats("TSUNAGI_NATS_URL"), nats("TSUNAGI_NATS_PREFIX"));
        let events = testkit::nats::event_ids(&url, &prefix, "LINE_WEBHOOK").await?;
        anyhow::ensure!(events.len() >= 2, "{} events", events.len());
        anyhow::Ok(())
    })
    .await
}

/// Removes the consumers that the page on restoring names, and tells how many those were.
async fn remove_consumers(platform: &Platform) -> anyhow::Result<usize> {
    let page = std::fs::read_to_string(runbook().join("restoring.md"))?;
    let prefix = platform.setting("TSUNAGI_NATS_PREFIX").unwrap_or_default();
    let client = async_nats::connect(platform.setting("TSUNAGI_NATS_URL").unwrap_or_default()).await?;
    let jetstream = async_nats::jetstream::new(client);
    let mut removed = 0;
    for line in page.lines().filter_map(|line| line.trim().strip_prefix("nats consumer rm ")) {
        let (stream, consumer) = line.split_once(' ').context("a stream and a consumer")?;
        let stream = jetstream.get_stream(format!("{prefix}_{stream}")).await?;
        stream.delete_consumer(&format!("{prefix}_{consumer}")).await?;
        removed += 1;
    }
    Ok(removed)
}
