//! Friends who stay silent, through the real services, LINE's side and the operator's command line.

use std::time::Duration;

use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use testkit::eventually;
use tests::{Options, Platform};
use tsunagi::stage::{Shop, Stage};

use crate::command_line::Operator;

const SOON: Duration = Duration::from_secs(30);
const COUNT: [&str; 2] = ["friend", "count"];
const ACCOUNT: [&str; 2] = ["account", "get"];
const FRIENDS: &str = "/account/friend_coverage/friends";
const UNKNOWN: &str = "/account/friend_coverage/unknown_friends";

/// The day is over: LINE is asked once more.
async fn day_passes(platform: &Platform) -> anyhow::Result<()> {
    let mut admin = PgConnection::connect(&platform.admin_url()).await?;
    sqlx::query("UPDATE identity.friend_coverage SET as_of_date = as_of_date - 1").execute(&mut admin).await?;
    sqlx::query("UPDATE identity.account_check SET due_time = now()").execute(&mut admin).await?;
    Ok(())
}

/// Waits until a command about the account answers so; its answer.
async fn until(stage: &Stage, shop: &Shop, command: [&str; 2], wanted: &[(&str, &str)]) -> anyhow::Result<Value> {
    let operator = Operator::new(stage, &shop.program);
    let account = shop.account.to_string();
    let look = async || {
        let asked = operator.asks(&[&command[..], &["--account-id", &account]].concat()).await;
        let told = asked.map_err(|error| error.to_string())?;
        let is_so = wanted.iter().all(|(at, value)| told.pointer(at).is_some_and(|found| found == value));
        if is_so { Ok(told) } else { Err(told.to_string()) }
    };
    Ok(eventually(SOON, look).await?)
}

/// F-60: three friends from before stay silent until one of them writes; one who adds the account today is none of LINE's figures yet.
#[tokio::test(flavor = "multi_thread")]
async fn friends_who_stay_silent_are_counted_and_are_fewer_once_one_writes() -> anyhow::Result<()> {
    let platform = Platform::start(Options::default()).await?;
    let stage = platform.stage();
    let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let silent = stage.line.add_friends(&shop.card.channel_id, 3, true).await?;
    let hanako = shop.person(&stage, "はなこ").await?;
    stage.line.add_friend(&shop.card.channel_id, &hanako.id).await?;
    until(&stage, &shop, COUNT, &[("/friends", "1")]).await?;
    day_passes(&platform).await?;
    let told = until(&stage, &shop, ACCOUNT, &[(FRIENDS, "3"), (UNKNOWN, "3")]).await?;
    let advice = told.pointer("/account/friend_coverage/advice_ja");
    assert!(advice.and_then(Value::as_str).is_some_and(|advice| advice.contains("ここには表示されません")), "{told}");

    stage.line.write_text(&shop.card.channel_id, &silent[0].person, "予約したいです").await?;
    until(&stage, &shop, COUNT, &[("/friends", "1"), ("/seen", "1")]).await?;
    day_passes(&platform).await?;
    until(&stage, &shop, ACCOUNT, &[(FRIENDS, "3"), (UNKNOWN, "2")]).await?;
    Ok(())
}
