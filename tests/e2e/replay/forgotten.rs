//! Somebody is to be forgotten: no rebuild brings back what they said, and their friendship stands as it stood.

use contracts::ingest::v1::erasure_service_client::ErasureServiceClient;
use contracts::ingest::v1::{EraseLineUserRequest, ReplayMode};
use sqlx::Connection as _;
use tests::{Options, Platform};
use tsunagi::stage::{Shop, until};

use super::dump::{dump, handled};
use super::{SOON, replayed};

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_brings_back_nothing_of_whoever_was_erased_and_leaves_their_friendship() -> anyhow::Result<()> {
    let platform = Platform::start(Options::default()).await?;
    let stage = platform.stage();
    let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let (gone, here) = (shop.person(&stage, "はなこ").await?, shop.person(&stage, "たろう").await?);
    for (person, text) in [(&gone, "わすれてください"), (&here, "こんにちは")] {
        stage.line.add_friend(&shop.card.channel_id, &person.id).await?;
        stage.line.write_text(&shop.card.channel_id, &person.id, text).await?;
        shop.sees(&stage, text).await?;
    }
    stage.line.block(&shop.card.channel_id, &gone.id).await?;
    let mut admin = sqlx::PgConnection::connect(&platform.admin_url()).await?;
    anyhow::ensure!(stage.line.webhooks_settled(SOON).await?, "webhooks are on their way still");
    handled(&mut admin, shop.tenant, 0).await?;
    let friendships = dump(&mut admin, shop.tenant).await?.remove("identity.friendship");

    let line_user_id = stage.line.user_id(&shop.card.channel_id, &gone.id).await?.as_str().to_owned();
    let mut erasures = ErasureServiceClient::new(shop.program.connect(&stage.ingest)?);
    erasures.erase_line_user(EraseLineUserRequest { line_user_id, ..Default::default() }).await?;
    // What the shop itself kept of both is gone, too, and somebody else's is to come back.
    let lost = "DELETE FROM messaging.message WHERE tenant_id = $1 AND direction = 1";
    anyhow::ensure!(sqlx::query(lost).bind(shop.tenant.uuid()).execute(&mut admin).await?.rows_affected() == 2);

    let done = replayed(&stage, &shop, ReplayMode::Rebuild).await?;
    assert_eq!((done.published_count, done.skipped_count), (2, 3));
    assert_eq!((done.renewed_count, done.kept_count), (1, 1));
    until(SOON, async || {
        let texts: Vec<String> =
            sqlx::query_scalar("SELECT object->>'text' FROM messaging.message WHERE tenant_id = $1 AND direction = 1")
                .bind(shop.tenant.uuid())
                .fetch_all(&mut admin)
                .await
                .map_err(|error| error.to_string())?;
        if texts == ["こんにちは"] { Ok(()) } else { Err(format!("{texts:?}")) }
    })
    .await?;
    handled(&mut admin, shop.tenant, done.published_count).await?;
    let rebuilt = dump(&mut admin, shop.tenant).await?;
    assert_eq!(rebuilt.get("identity.friendship"), friendships.as_ref());
    assert_eq!(rebuilt.get("messaging.message").map(Vec::len), Some(1));
    Ok(())
}
