//! Notices by LINE.

use contracts::events::v1::StaffNoticeKind;
use contracts::messaging::v1 as wire;
use testkit::eventually;
use uuid::Uuid;

use super::place::{Office, matter, until_heard};
use crate::world::{SOON, World};

const DELIVERED: &str = "SELECT count(*) FROM messaging.notice_delivery WHERE channel = 1 AND state = 2";

#[tokio::test]
async fn active_staff_of_the_branch_are_pushed_the_notice_once_and_nobody_sees_the_conversation() {
    let world = World::new("notice_line").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let office = Office::open(&world, &tenant).await;
    let (of_branch, other) = (office.branch, Uuid::new_v4());
    let heard = office.member(&world, &tenant, of_branch, true).await;
    office.member(&world, &tenant, of_branch, false).await;
    office.member(&world, &tenant, other, true).await;

    let id = Uuid::new_v4();
    for _ in 0..3 {
        world.say(&tenant, matter(id, StaffNoticeKind::FriendAdded, Some(of_branch), &tenant)).await;
    }
    eventually(SOON, || async {
        let delivered = world.number(DELIVERED).await;
        if delivered == 1 { Ok(()) } else { Err(delivered) }
    })
    .await
    .unwrap();
    until_heard(&world, &house, &tenant).await;
    let pushed = office.pushed(&world).await;
    assert_eq!(pushed.len(), 1, "{pushed:?}");
    assert_eq!(pushed[0].0, heard.line_user);
    assert!(pushed[0].1.starts_with("友だち追加 / New friend\n\nお客様が"), "{pushed:?}");
    assert_eq!(world.number("SELECT count(*) FROM messaging.notice").await, 1);

    assert_eq!(house.list(&tenant).await.len(), 0, "the conversation with staff is shown nowhere");
    let outbound = house.messages(&tenant).list_outbound_messages(wire::ListOutboundMessagesRequest::default()).await;
    assert_eq!(outbound.unwrap().into_inner().messages.len(), 0);
    house.close().await;
}

#[tokio::test]
async fn without_an_organization_nobody_is_told() {
    let world = World::new("notice_nobody").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let office = Office::open(&world, &tenant).await;
    office.member(&world, &tenant, office.branch, true).await;
    world.say(&tenant, matter(Uuid::new_v4(), StaffNoticeKind::FriendAdded, None, &tenant)).await;
    until_heard(&world, &house, &tenant).await;
    assert_eq!(world.number("SELECT count(*) FROM messaging.notice").await, 0);
    assert_eq!(office.pushed(&world).await, []);
    house.close().await;
}
