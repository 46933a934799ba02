//! The program killed (SIGKILL) around its calls: nobody is left with the wrong menu.

use std::os::unix::process::ExitStatusExt as _;

use super::desk::{Bar, Desk};
use crate::killing::program_killed;
use crate::world::{SOON, World};

#[tokio::test]
async fn a_process_killed_between_a_call_and_its_record_leaves_nobody_with_the_wrong_menu() {
    let world = World::new("bar_killed").await;
    for place in ["messaging.before_bar", "messaging.after_bar"] {
        let house = world.open().await;
        let desk = Desk::new(&world, &house).await;
        let member = desk.member(&world, true).await;
        desk.until(&world, &member, Bar::Plain).await;
        desk.until_quiet(&world).await;
        house.close().await;

        let mut killed = program_killed(&world, testkit::port::free(), &format!("{place}=kill"));
        desk.write(&world, "hello").await;
        let status = killed.exit(SOON).await.unwrap();
        assert_eq!(status.signal(), Some(9), "{place}: {:?}", killed.lines());
        Desk::forget_claims(&world).await;

        // All is read before anybody looks at the bar again: what was called for and never written must go, too.
        world
            .admin("UPDATE messaging.conversation SET unread_count = 0; UPDATE messaging.message SET unread = false")
            .await;
        let house = world.open().await;
        desk.until_quiet(&world).await;
        desk.until(&world, &member, Bar::Plain).await;
        desk.write(&world, "again").await;
        desk.until(&world, &member, Bar::Unread).await;
        house.close().await;
    }
}

#[tokio::test]
async fn a_process_killed_while_it_makes_the_menus_makes_none_twice() {
    let world = World::new("bar_killed_making").await;
    for pass in [1, 2] {
        let house = world.open().await;
        let desk = Desk::new(&world, &house).await;
        house.close().await;
        let place = "messaging.bar_menu_made";
        let mut killed = program_killed(&world, testkit::port::free(), &format!("{place}=kill@{pass}"));
        let member = desk.member(&world, true).await;
        let status = killed.exit(SOON).await.unwrap();
        assert_eq!(status.signal(), Some(9), "{place}: {:?}", killed.lines());
        Desk::forget_claims(&world).await;
        let house = world.open().await;
        desk.write(&world, "hello").await;
        desk.until(&world, &member, Bar::Unread).await;
        assert_eq!(desk.menus(&world).await.len(), 2, "{place}");
        house.close().await;
    }
}

#[tokio::test]
async fn a_process_killed_around_a_request_for_many_leaves_nobody_behind() {
    let world = World::new("bar_killed_many").await;
    for place in ["messaging.before_bars", "messaging.after_bars"] {
        let house = world.open().await;
        let desk = Desk::new(&world, &house).await;
        let mut members = Vec::new();
        for _ in 0..21 {
            members.push(desk.member(&world, true).await);
        }
        desk.until_quiet(&world).await;
        house.close().await;
        let mut killed = program_killed(&world, testkit::port::free(), &format!("{place}=kill"));
        desk.write(&world, "hello").await;
        let status = killed.exit(SOON).await.unwrap();
        assert_eq!(status.signal(), Some(9), "{place}: {:?}", killed.lines());
        Desk::forget_claims(&world).await;
        let house = world.open().await;
        for member in &members {
            desk.until(&world, member, Bar::Unread).await;
        }
        house.close().await;
    }
}
