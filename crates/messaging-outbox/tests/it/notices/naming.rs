//! Whom a notice is about: by name where the profile comes in time, and in words where it does not.

use bus::subject::Family;
use chrono::TimeDelta;
use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{self as events, StaffNoticeKind};
use kernel::{Clock as _, SystemClock};
use testkit::eventually;
use uuid::Uuid;

use super::place::{Office, matter};
use crate::world::{SOON, Tenant, World};

const USER: &str = "U0123456789abcdef0123456789abcdef";

/// A new friend of whom nothing is known yet.
fn friend(office: &Office, tenant: &Tenant) -> Body {
    let mut matter = matter(Uuid::new_v4(), StaffNoticeKind::FriendAdded, Some(office.branch), tenant);
    if let Body::StaffNoticeRequested(asked) = &mut matter {
        USER.clone_into(&mut asked.line_user_id);
    }
    matter
}

async fn until_pushed(world: &World, office: &Office, count: usize) -> Vec<(String, String)> {
    eventually(SOON, || async {
        let pushed = office.pushed(world).await;
        if pushed.len() == count { Ok(pushed) } else { Err(pushed) }
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_new_friends_name_is_waited_for_and_what_came_without_one_says_so() {
    let world = World::new("notice_named").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let office = Office::open(&world, &tenant).await;
    office.member(&world, &tenant, office.branch, true).await;

    // Asked for a minute ago: nothing is waited for any more.
    let event = events::IdentityEvent { body: Some(friend(&office, &tenant)) };
    world.publish_at(&tenant, Family::Identity, &event, SystemClock.now() - TimeDelta::seconds(60)).await;
    let told = until_pushed(&world, &office, 1).await.remove(0).1;
    assert!(told.contains("\n\nプロフィール未取得の方が「さくら美容室」を友だち追加しました。\n"), "{told}");
    assert!(told.ends_with("New friend of “さくら美容室”: somebody whose LINE profile is not known yet."), "{told}");

    world.say(&tenant, friend(&office, &tenant)).await;
    eventually(SOON, || async {
        let waiting = world.number("SELECT count(*) FROM messaging.parked_message").await;
        if waiting == 1 { Ok(()) } else { Err(waiting) }
    })
    .await
    .unwrap();
    assert_eq!(office.pushed(&world).await.len(), 1, "it waits for the name");
    let profile = events::LineUserReplica {
        provider_id: tenant.provider.to_string(),
        line_user_id: USER.to_owned(),
        version: 1,
        display_name: "花子".to_owned(),
        ..Default::default()
    };
    world.say(&tenant, Body::LineUser(profile)).await;
    let told = until_pushed(&world, &office, 2).await.remove(1).1;
    assert!(told.contains("\n\n花子 さんが「さくら美容室」を友だち追加しました。\n"), "{told}");
    house.close().await;
}
