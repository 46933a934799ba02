//! Who counts as told: whoever is surely reached by a channel, and nobody else.

use contracts::messaging::v1::NoticeChannel;

use super::slot::{outcome, say, slot, told};
use crate::notices::mail_server::{Act, MailServer};
use crate::notices::place::{Office, settled};
use crate::world::World;

#[tokio::test]
async fn an_address_reaches_nobody_where_there_is_no_mail_server() {
    let world = World::new("digest_no_mail").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let office = Office::open(&world, &tenant).await;
    world.account_of(&tenant, 2, None, Some(office.branch)).await;
    let member = office.member(&world, &tenant, office.branch, true).await;
    member.contact(&world, &tenant, 2, office.account, "", "sato@shop.example").await;
    house.conversing(&world, &tenant).await;
    house.until_seen_by(&tenant, member.id, 1).await;
    let due = slot(10);
    say(&world, &tenant, &due).await;
    let digest = told(&house, &tenant, &due, 2).await.remove(&member.id).unwrap();
    assert_eq!((outcome(&digest), digest.conversation_count, digest.body.as_str()), ("NOT_REACHABLE", 1, ""));
    assert_eq!(world.number("SELECT count(*) FROM messaging.notice").await, 0);
    house.close().await;

    // Where there is one, the next slot is told.
    let server = MailServer::start(&[Act::Take]).await;
    let house = world.open_with(|config| config.mail = Some(server.config())).await;
    let due = slot(5);
    say(&world, &tenant, &due).await;
    let digest = told(&house, &tenant, &due, 2).await.remove(&member.id).unwrap();
    assert_eq!(outcome(&digest), "TOLD");
    settled(&house, &tenant, NoticeChannel::Email, 1).await;
    assert_eq!(server.letters().len(), 1);
    house.close().await;
}
