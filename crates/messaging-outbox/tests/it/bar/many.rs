//! Many members at once, by LINE's requests for many.

use super::desk::{BULK_LINK, Bar, Desk, LINK};
use crate::world::World;

#[tokio::test]
async fn many_are_switched_by_one_request_and_looked_after() {
    let world = World::new("bar_many").await;
    let house = world.open().await;
    let desk = Desk::new(&world, &house).await;
    let mut members = Vec::new();
    for _ in 0..25 {
        members.push(desk.member(&world, true).await);
    }
    desk.until_quiet(&world).await;
    desk.write(&world, "hello").await;
    for member in &members {
        desk.until(&world, member, Bar::Unread).await;
    }
    desk.until_quiet(&world).await;
    assert_eq!((desk.asked(&world, BULK_LINK).await, desk.asked(&world, LINK).await), (1, 0));
    let under_way = "SELECT count(*) FROM messaging.staff_bar WHERE check_time IS NOT NULL OR shown = 0";
    assert_eq!(world.number(under_way).await, 0);
    desk.read_all(&house).await;
    for member in &members {
        desk.until(&world, member, Bar::Plain).await;
    }
    house.close().await;
}
