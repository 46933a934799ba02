//! LINE away, slow or refusing: the bar comes late and is right.

use line_simulator::{Effect, Fault};

use super::desk::{Bar, Desk, LINK, MADE, UNLINK};
use crate::world::World;

#[tokio::test]
async fn whatever_line_does_the_bar_is_right_in_the_end() {
    let world = World::new("bar_faults").await;
    let house = world.open().await;
    let desk = Desk::new(&world, &house).await;
    let member = desk.member(&world, true).await;
    desk.until(&world, &member, Bar::Plain).await;
    let table = [
        (Effect::RateLimited, 3),
        (Effect::ServerError, 1),
        (Effect::CutBefore, 1),
        (Effect::AcceptedAnswerLost, 1),
        (Effect::AcceptedThenServerError, 1),
        (Effect::Refuse { status: 404, message: "Not found".to_owned() }, 1),
        (Effect::Refuse { status: 401, message: "Authentication failed".to_owned() }, 1),
    ];
    for (effect, times) in table {
        world.control.add_fault(&Fault::times(effect.clone(), times).at(LINK)).await.unwrap();
        desk.write(&world, "hello").await;
        desk.until(&world, &member, Bar::Unread).await;
        world.control.add_fault(&Fault::times(effect, times).at(UNLINK)).await.unwrap();
        desk.read_all(&house).await;
        desk.until(&world, &member, Bar::Plain).await;
        world.control.clear_faults().await.unwrap();
    }
    assert_eq!(desk.menus(&world).await.len(), 2);
    house.close().await;
}

#[tokio::test]
async fn a_menu_made_by_a_call_whose_answer_was_lost_is_taken_and_not_made_again() {
    let world = World::new("bar_made").await;
    world.control.add_fault(&Fault::times(Effect::AcceptedAnswerLost, 1).at(MADE)).await.unwrap();
    let house = world.open().await;
    let desk = Desk::new(&world, &house).await;
    let member = desk.member(&world, true).await;
    desk.write(&world, "hello").await;
    desk.until(&world, &member, Bar::Unread).await;
    desk.until_quiet(&world).await;
    assert_eq!((desk.menus(&world).await.len(), desk.asked(&world, MADE).await), (2, 2));
    house.close().await;
}
