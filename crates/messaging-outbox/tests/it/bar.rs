//! The yellow bar on the rich menu of staff (F-28).

mod desk;
mod killed;
mod line_away;
mod many;
mod several_tenants;

use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{AccountReplica, AccountState};
use contracts::messaging::v1 as wire;
use line_simulator::{Act, RichMenuSource};
use testkit::eventually;
use url::Url;
use uuid::Uuid;

use self::desk::{Bar, Desk, LINK, LISTED, MADE, UNLINK};
use crate::notices::place::Office;
use crate::world::{SOON, World};

#[tokio::test]
async fn the_bar_is_shown_while_something_is_unread_and_goes_when_all_is_read() {
    let world = World::new("bar").await;
    let house = world.open().await;
    let desk = Desk::new(&world, &house).await;
    let (here, inactive) = (desk.member(&world, true).await, desk.member(&world, false).await);
    desk.until(&world, &here, Bar::Plain).await;
    let person = desk.write(&world, "hello").await;
    desk.until(&world, &here, Bar::Unread).await;
    desk.write_again(&world, &person, "are you there?").await;
    desk.read_all(&house).await;
    desk.until(&world, &here, Bar::Plain).await;
    desk.until(&world, &inactive, Bar::Plain).await;
    assert_eq!((desk.asked(&world, MADE).await, desk.asked(&world, LINK).await), (2, 1));
    let menus = world.control.account(&desk.office.card.channel_id).await.unwrap().rich_menus;
    assert_eq!(menus.iter().filter(|menu| menu.is_default && menu.has_image).count(), 1);
    assert!(menus.iter().all(|menu| menu.has_image && menu.name.starts_with("tsunagi-bar/")), "{menus:?}");
    house.close().await;
}

#[tokio::test]
async fn a_tap_opens_the_staffs_page_or_asks_for_what_is_unread() {
    let world = World::new("bar_page").await;
    let page = Url::parse("https://staff.example.com/unread").unwrap();
    for (page, opened) in [(Some(page), Some("https://staff.example.com/unread")), (None, None)] {
        let house = world.open_with(|config| config.staff_page = page.clone()).await;
        let desk = Desk::new(&world, &house).await;
        let member = desk.member(&world, true).await;
        desk.write(&world, "hello").await;
        desk.until(&world, &member, Bar::Unread).await;
        let tap = Act::TapRichMenu { area: 0 };
        let done = world.control.act(&desk.office.card.channel_id, &member.person, tap).await.unwrap();
        assert_eq!((done.uri.as_deref(), done.message_id.is_some()), (opened, opened.is_none()));
        // What staff write there is nobody's conversation.
        let listed = house.list(&desk.tenant).await;
        assert_eq!(listed.len(), 1, "{listed:?}");
        house.close().await;
    }
}

#[tokio::test]
async fn another_page_makes_other_menus_and_the_earlier_ones_go() {
    let world = World::new("bar_version").await;
    let house = world.open().await;
    let desk = Desk::new(&world, &house).await;
    let member = desk.member(&world, true).await;
    desk.write(&world, "hello").await;
    desk.until(&world, &member, Bar::Unread).await;
    let before = desk.menus(&world).await;
    house.close().await;
    let page = Url::parse("https://staff.example.com/").unwrap();
    let house = world.open_with(|config| config.staff_page = Some(page)).await;
    desk.write(&world, "again").await;
    let after = eventually(SOON, || async {
        let menus = desk.menus(&world).await;
        if menus.len() == 2 && menus.iter().all(|menu| !before.contains(menu)) { Ok(menus) } else { Err(menus) }
    })
    .await
    .unwrap();
    assert_eq!(after.len(), 2);
    desk.until(&world, &member, Bar::Unread).await;
    house.close().await;
}

#[tokio::test]
async fn nothing_is_asked_of_line_where_nothing_changes() {
    let world = World::new("bar_calls").await;
    let house = world.open().await;
    let desk = Desk::new(&world, &house).await;
    let member = desk.member(&world, true).await;
    let person = desk.write(&world, "first").await;
    desk.until(&world, &member, Bar::Unread).await;
    desk.until_quiet(&world).await;
    let asked = desk.asked_in_all(&world).await;
    for number in 0..5 {
        desk.write_again(&world, &person, &number.to_string()).await;
        desk.until_quiet(&world).await;
    }
    house.close().await;
    let house = world.open().await;
    desk.write_again(&world, &person, "last").await;
    desk.until_quiet(&world).await;
    assert_eq!(desk.asked_in_all(&world).await, asked);
    desk.read_all(&house).await;
    desk.until(&world, &member, Bar::Plain).await;
    assert_eq!(desk.asked_in_all(&world).await, asked + 1);
    house.close().await;
}

#[tokio::test]
async fn a_change_that_nobody_heard_of_is_found() {
    let world = World::new("bar_unheard").await;
    let house = world.open().await;
    let desk = Desk::new(&world, &house).await;
    let member = desk.member(&world, true).await;
    desk.write(&world, "hello").await;
    desk.until(&world, &member, Bar::Unread).await;
    desk.until_quiet(&world).await;
    // As if the process that read it had died after its commit and before it told anybody.
    world
        .admin(
            "UPDATE messaging.conversation SET unread_count = 0; UPDATE messaging.message SET unread = false;
             INSERT INTO messaging.conversation_change (tenant_id, conversation_id)
                 SELECT tenant_id, conversation_id FROM messaging.conversation",
        )
        .await;
    desk.until(&world, &member, Bar::Plain).await;
    house.close().await;
}

#[tokio::test]
async fn who_is_bound_no_more_or_no_longer_active_loses_the_bar_and_a_new_member_gets_it() {
    let world = World::new("bar_unbound").await;
    let house = world.open().await;
    let desk = Desk::new(&world, &house).await;
    let (unbound, left, moved) =
        (desk.member(&world, true).await, desk.member(&world, true).await, desk.member(&world, true).await);
    desk.write(&world, "hello").await;
    for member in [&unbound, &left, &moved] {
        desk.until(&world, member, Bar::Unread).await;
    }
    unbound.contact(&world, &desk.tenant, 2, desk.office.account, "", "").await;
    desk.until(&world, &unbound, Bar::Plain).await;
    left.say_version(&world, &desk.tenant, desk.office.branch, false, 2).await;
    desk.until(&world, &left, Bar::Plain).await;
    // A LINE user goes from one member to another.
    desk.until_quiet(&world).await;
    let before = desk.asked(&world, UNLINK).await;
    let heir = desk.member(&world, true).await;
    moved.contact(&world, &desk.tenant, 2, desk.office.account, "", "").await;
    heir.contact(&world, &desk.tenant, 2, desk.office.account, &moved.line_user, "").await;
    desk.until(&world, &moved, Bar::Unread).await;
    desk.until_quiet(&world).await;
    desk.until(&world, &heir, Bar::Plain).await;
    assert!(desk.asked(&world, UNLINK).await - before <= 2, "the heir's own LINE user, and at most the one who moved");
    assert_eq!(world.number("SELECT count(*) FROM messaging.staff_bar").await, 2, "who is nobody's is forgotten");
    house.close().await;
}

#[tokio::test]
async fn another_tenants_staff_see_nothing_of_it() {
    let world = World::new("bar_neighbours").await;
    let house = world.open().await;
    let (ours, theirs) = (Desk::new(&world, &house).await, Desk::new(&world, &house).await);
    let (our_member, their_member) = (ours.member(&world, true).await, theirs.member(&world, true).await);
    ours.write(&world, "hello").await;
    ours.until(&world, &our_member, Bar::Unread).await;
    theirs.until(&world, &their_member, Bar::Plain).await;
    theirs.until_quiet(&world).await;
    assert_eq!(theirs.asked(&world, LINK).await, 0);
    let unseen = "SELECT count(*) FROM messaging.staff_bar b WHERE NOT EXISTS (
        SELECT FROM messaging.staff_contact c WHERE (c.tenant_id, c.line_user_id) = (b.tenant_id, b.line_user_id))";
    assert_eq!(world.number(unseen).await, 0);
    house.close().await;
}

#[tokio::test]
async fn a_paused_account_is_left_alone_and_caught_up_with() {
    let world = World::new("bar_paused").await;
    let house = world.open().await;
    let desk = Desk::new(&world, &house).await;
    let member = desk.member(&world, true).await;
    desk.until(&world, &member, Bar::Plain).await;
    desk.office.stand(&world, &desk.tenant, 2, AccountState::Paused).await;
    eventually(SOON, || async {
        let paused =
            world.number("SELECT count(*) FROM messaging.account_replica WHERE purpose = 2 AND version = 2").await;
        if paused == 1 { Ok(()) } else { Err(paused) }
    })
    .await
    .unwrap();
    desk.until_quiet(&world).await;
    let asked = desk.asked_in_all(&world).await;
    desk.write(&world, "hello").await;
    desk.until_quiet(&world).await;
    assert_eq!(desk.asked_in_all(&world).await, asked);
    desk.office.stand(&world, &desk.tenant, 3, AccountState::Connected).await;
    desk.until(&world, &member, Bar::Unread).await;
    house.close().await;
}

#[tokio::test]
async fn a_blocked_account_leaves_no_menu_and_an_unblocked_one_gets_its_bar_again() {
    let world = World::new("bar_blocked").await;
    let house = world.open().await;
    let desk = Desk::new(&world, &house).await;
    let (member, channel) = (desk.member(&world, true).await, &desk.office.card.channel_id);
    desk.write(&world, "hello").await;
    desk.until(&world, &member, Bar::Unread).await;
    world.control.block(channel, &member.person).await.unwrap();
    member.contact(&world, &desk.tenant, 2, desk.office.account, "", "").await;
    desk.until_quiet(&world).await;
    assert_eq!(world.control.rich_menu(channel, &member.person).await.unwrap(), None);
    world.control.unblock(channel, &member.person).await.unwrap();
    member.contact(&world, &desk.tenant, 3, desk.office.account, &member.line_user, "").await;
    desk.until(&world, &member, Bar::Unread).await;
    let shown = world.control.rich_menu(channel, &member.person).await.unwrap().unwrap();
    assert_eq!(shown.source, RichMenuSource::PerUser);
    assert_eq!(shown.menu.unwrap().chat_bar_text, "未読メッセージがあります");
    house.close().await;
}

#[tokio::test]
async fn menus_that_line_has_lost_are_made_again() {
    let world = World::new("bar_lost").await;
    let house = world.open().await;
    let desk = Desk::new(&world, &house).await;
    let (one, other) = (desk.member(&world, true).await, desk.member(&world, true).await);
    desk.write(&world, "hello").await;
    desk.until(&world, &one, Bar::Unread).await;
    desk.until(&world, &other, Bar::Unread).await;
    desk.until_quiet(&world).await;
    world.control.lose_rich_menus(&desk.office.card.channel_id).await.unwrap();
    // A third member's bar is the first that LINE knows no more; the others' are set anew with it.
    let third = desk.member(&world, true).await;
    for member in [&one, &other, &third] {
        desk.until(&world, member, Bar::Unread).await;
    }
    assert_eq!(desk.asked(&world, MADE).await, 4);
    // The hourly look finds a loss that no call came across.
    desk.until_quiet(&world).await;
    world.control.lose_rich_menus(&desk.office.card.channel_id).await.unwrap();
    world.admin("UPDATE messaging.staff_bar_menus SET look_time = now() - interval '2 hours'").await;
    let looked = desk.asked(&world, LISTED).await;
    desk.write(&world, "again").await;
    for member in [&one, &other, &third] {
        desk.until(&world, member, Bar::Unread).await;
    }
    assert_eq!((desk.asked(&world, LISTED).await, desk.asked(&world, MADE).await), (looked + 1, 6));
    house.close().await;
}

#[tokio::test]
async fn what_is_put_off_keeps_the_bar_though_it_is_read_until_it_is_done_with() {
    let world = World::new("bar_put_off").await;
    let house = world.open().await;
    let desk = Desk::new(&world, &house).await;
    let member = desk.member(&world, true).await;
    desk.write(&world, "hello").await;
    desk.until(&world, &member, Bar::Unread).await;
    let conversation_id = house.list(&desk.tenant).await.remove(0).conversation_id;
    let mut conversations = house.conversations(&desk.tenant);
    let off = wire::PutOffConversationRequest { conversation_id: conversation_id.clone() };
    conversations.put_off_conversation(desk.tenant.as_staff(off)).await.unwrap();
    desk.read_all(&house).await;
    desk.until_quiet(&world).await;
    desk.until(&world, &member, Bar::Unread).await;
    assert_eq!(desk.asked(&world, LINK).await, 1, "it never went");
    let done = wire::ClearPutOffRequest { conversation_id };
    conversations.clear_put_off(desk.tenant.as_staff(done)).await.unwrap();
    desk.until(&world, &member, Bar::Plain).await;
    house.close().await;
}

#[tokio::test]
async fn the_bar_is_of_what_a_members_own_branch_has_to_answer() {
    let world = World::new("bar_branches").await;
    let house = world.open().await;
    let desk = Desk::new(&world, &house).await;
    let branch = Uuid::new_v4();
    let (here, there) = (desk.member(&world, true).await, desk.member_of(&world, branch, true).await);
    desk.write(&world, "hello").await;
    desk.until(&world, &here, Bar::Unread).await;
    desk.until_quiet(&world).await;
    desk.until(&world, &there, Bar::Plain).await;
    // The account, and what waits on it, becomes the other branch's.
    world.account_of(&desk.tenant, 3, Some(branch), None).await;
    desk.until(&world, &there, Bar::Unread).await;
    desk.until(&world, &here, Bar::Plain).await;
    // And a member moves there.
    here.say_version(&world, &desk.tenant, branch, true, 2).await;
    desk.until(&world, &here, Bar::Unread).await;
    house.close().await;
}

#[tokio::test]
async fn what_waits_on_an_account_that_turns_out_to_be_for_staff_is_in_no_bar() {
    let world = World::new("bar_late_staff").await;
    let house = world.open().await;
    let desk = Desk::new(&world, &house).await;
    let member = desk.member(&world, true).await;
    desk.write(&world, "hello").await;
    desk.until(&world, &member, Bar::Unread).await;
    let (account, card) = (desk.tenant.account, desk.tenant.card.clone());
    let (branch, purpose) = (desk.office.branch, desk.office.purpose);
    let told = Office { account, card, branch, purpose }.told(&world, 3, AccountState::Connected);
    // It is the same branch's still.
    let told = AccountReplica { owner_organization_id: branch.to_string(), ..told };
    world.say(&desk.tenant, Body::Account(told)).await;
    desk.until(&world, &member, Bar::Plain).await;
    house.close().await;
}
