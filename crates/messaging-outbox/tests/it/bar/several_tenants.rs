//! The bar of whoever is staff of several tenants on one account of the operator's.

use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{AccountPurpose, TenantReplica};
use testkit::eventually;
use uuid::Uuid;

use super::desk::{Bar, Desk, LINK, UNLINK};
use crate::house::House;
use crate::notices::place::{Member, Office};
use crate::world::{SOON, Tenant, World};

/// Two tenants with shares in the account of a third, and a person who is staff of both.
struct Scene {
    home: Tenant,
    one: Desk,
    two: Desk,
    here: Member,
    there: Member,
}

impl Scene {
    async fn open(world: &World, house: &House) -> Self {
        let home = world.tenant(house).await;
        let account = Office::open_for(world, &home, AccountPurpose::SharedStaff).await;
        let mut desks = Vec::new();
        for _ in 0..2 {
            let tenant = world.tenant(house).await;
            let office = account.shared(world, &home, &tenant, 1_000).await;
            desks.push(Desk::at(world, tenant, office).await);
        }
        let (two, one) = (desks.pop().unwrap(), desks.pop().unwrap());
        let here = one.member(world, true).await;
        let there = Member { id: Uuid::new_v4().into(), ..here.clone() };
        there.say(world, &two.tenant, two.office.branch, true).await;
        there.contact(world, &two.tenant, 1, two.office.account, &there.line_user, "").await;
        Self { home, one, two, here, there }
    }

    /// Waits until nothing is left to be done, by the tenants' jobs and then by the account's own.
    async fn until_quiet(&self, world: &World) {
        for _ in 0..2 {
            self.one.until_quiet(world).await;
            self.two.until_quiet(world).await;
            let waits = format!(
                "SELECT count(*) FROM messaging.staff_bar_job WHERE tenant_id = '{}'
                     AND (due < now() + interval '1 minute' OR claim IS NOT NULL)",
                self.home.id
            );
            eventually(SOON, || async {
                let waiting = world.count(&waits).await;
                if waiting == 0 { Ok(()) } else { Err(waiting) }
            })
            .await
            .unwrap();
        }
    }
}

#[tokio::test]
async fn the_bar_is_shown_while_anything_waits_in_any_of_a_persons_tenants() {
    let world = World::new("bar_shared").await;
    let house = world.open().await;
    let scene = Scene::open(&world, &house).await;
    let colleague = scene.two.member(&world, true).await;
    scene.one.write(&world, "hello").await;
    scene.one.until(&world, &scene.here, Bar::Unread).await;
    scene.until_quiet(&world).await;
    scene.one.until(&world, &colleague, Bar::Plain).await;
    // Whoever is new is given the plain menu once.
    let before = scene.one.asked(&world, UNLINK).await;
    scene.two.write(&world, "hello").await;
    scene.two.until(&world, &colleague, Bar::Unread).await;
    scene.one.read_all(&house).await;
    scene.until_quiet(&world).await;
    scene.one.until(&world, &scene.here, Bar::Unread).await;
    assert_eq!(scene.one.asked(&world, UNLINK).await, before, "it was never taken away in between");
    scene.two.read_all(&house).await;
    scene.two.until(&world, &scene.here, Bar::Plain).await;
    scene.two.until(&world, &colleague, Bar::Plain).await;
    assert_eq!(scene.one.asked(&world, LINK).await, 2, "once for each person");
    // LINE is called by the account's own tenant, which knows what it shows, and by no other.
    let of_guests = format!(
        "SELECT (SELECT count(*) FROM messaging.staff_bar WHERE tenant_id <> '{home}')
             + (SELECT count(*) FROM messaging.staff_bar_menus WHERE tenant_id <> '{home}')
             + (SELECT count(*) FROM messaging.staff_bar_wish WHERE tenant_id <> '{home}')",
        home = scene.home.id
    );
    assert_eq!(world.count(&of_guests).await, 0);
    house.close().await;
}

#[tokio::test]
async fn a_tenant_that_is_suspended_or_left_or_whose_staff_one_is_no_more_makes_nobodys_bar_yellow() {
    let world = World::new("bar_shared_ends").await;
    let house = world.open().await;
    let scene = Scene::open(&world, &house).await;
    let (one, two) = (&scene.one, &scene.two);
    let suspend = async |version, suspended| {
        let replica = TenantReplica {
            tenant_id: two.tenant.id.to_string(),
            version,
            time_zone: "Asia/Tokyo".to_owned(),
            suspended,
            ..Default::default()
        };
        world.say(&two.tenant, Body::Tenant(replica)).await;
    };
    two.write(&world, "hello").await;
    two.until(&world, &scene.there, Bar::Unread).await;
    suspend(2, true).await;
    two.until(&world, &scene.there, Bar::Plain).await;
    suspend(3, false).await;
    two.until(&world, &scene.there, Bar::Unread).await;
    two.office.share(&world, &scene.home, &two.tenant, (2, false), 1_000).await;
    two.until(&world, &scene.there, Bar::Plain).await;
    two.office.share(&world, &scene.home, &two.tenant, (3, true), 1_000).await;
    two.until(&world, &scene.there, Bar::Unread).await;
    scene.there.contact(&world, &two.tenant, 2, two.office.account, "", "").await;
    two.until(&world, &scene.there, Bar::Plain).await;
    one.write(&world, "hello").await;
    one.until(&world, &scene.here, Bar::Unread).await;
    scene.here.contact(&world, &one.tenant, 2, one.office.account, "", "").await;
    one.until(&world, &scene.here, Bar::Plain).await;
    scene.until_quiet(&world).await;
    assert_eq!(world.number("SELECT count(*) FROM messaging.staff_bar_wish").await, 0);
    assert_eq!(world.number("SELECT count(*) FROM messaging.staff_bar").await, 0, "who is nobody's is forgotten");
    house.close().await;
}

#[tokio::test]
async fn what_changed_while_nothing_ran_or_was_heard_of_by_nobody_is_found() {
    let world = World::new("bar_shared_unheard").await;
    let house = world.open().await;
    let scene = Scene::open(&world, &house).await;
    scene.one.write(&world, "hello").await;
    scene.one.until(&world, &scene.here, Bar::Unread).await;
    scene.until_quiet(&world).await;
    house.close().await;
    world
        .admin(
            "UPDATE messaging.conversation SET unread_count = 0; UPDATE messaging.message SET unread = false;
             INSERT INTO messaging.conversation_change (tenant_id, conversation_id)
                 SELECT tenant_id, conversation_id FROM messaging.conversation",
        )
        .await;
    let (house, beside) = (world.open().await, world.open().await);
    scene.one.until(&world, &scene.here, Bar::Plain).await;
    house.close().await;
    beside.close().await;
}
