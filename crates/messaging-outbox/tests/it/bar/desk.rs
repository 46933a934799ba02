//! A tenant whose staff look at their menus.

use contracts::messaging::v1 as wire;
use line_simulator::{BooksQuery, PersonId};
use testkit::eventually;
use uuid::Uuid;

use crate::house::House;
use crate::notices::place::{Member, Office};
use crate::world::{SOON, Tenant, World};

pub(super) const LINK: &str = "POST /v2/bot/user/{userId}/richmenu/{richMenuId}";
pub(super) const UNLINK: &str = "DELETE /v2/bot/user/{userId}/richmenu";
pub(super) const MADE: &str = "POST /v2/bot/richmenu";
pub(super) const LISTED: &str = "GET /v2/bot/richmenu/list";
pub(super) const BULK_LINK: &str = "POST /v2/bot/richmenu/bulk/link";

/// What a member sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bar {
    Plain,
    Unread,
}

/// A tenant with a staff account, whose account for customers is a branch's.
pub(super) struct Desk {
    pub(super) tenant: Tenant,
    pub(super) office: Office,
}

impl Desk {
    pub(super) async fn new(world: &World, house: &House) -> Self {
        let tenant = world.tenant(house).await;
        let office = Office::open(world, &tenant).await;
        Self::at(world, tenant, office).await
    }

    /// The same of a tenant that has its staff account.
    pub(super) async fn at(world: &World, tenant: Tenant, office: Office) -> Self {
        world.account_of(&tenant, 2, Some(office.branch), None).await;
        let placed = format!(
            "SELECT count(*) FROM messaging.account_replica WHERE account_id = '{}' AND version = 2",
            tenant.account
        );
        eventually(SOON, || async {
            let placed = world.count(&placed).await;
            if placed == 1 { Ok(()) } else { Err(placed) }
        })
        .await
        .unwrap();
        Self { tenant, office }
    }

    /// A member of the branch that everything belongs to.
    pub(super) async fn member(&self, world: &World, active: bool) -> Member {
        self.member_of(world, self.office.branch, active).await
    }

    pub(super) async fn member_of(&self, world: &World, branch: Uuid, active: bool) -> Member {
        self.office.member(world, &self.tenant, branch, active).await
    }

    /// A new friend of the tenant's account for customers writes.
    pub(super) async fn write(&self, world: &World, text: &str) -> PersonId {
        let person = world.friend(&self.tenant).await;
        self.write_again(world, &person, text).await;
        person
    }

    /// The friend writes; it is a message by the time this returns.
    pub(super) async fn write_again(&self, world: &World, person: &PersonId, text: &str) {
        let messages = format!("SELECT count(*) FROM messaging.message WHERE tenant_id = '{}'", self.tenant.id);
        let before = world.count(&messages).await;
        world.control.write_text(&self.tenant.card.channel_id, person, text).await.unwrap();
        eventually(SOON, || async {
            let now = world.count(&messages).await;
            if now > before { Ok(()) } else { Err(now) }
        })
        .await
        .unwrap();
    }

    /// Every conversation is read.
    pub(super) async fn read_all(&self, house: &House) {
        for conversation in house.list(&self.tenant).await {
            let conversation_id = conversation.conversation_id;
            let request = wire::MarkReadRequest { conversation_id, ..Default::default() };
            house.conversations(&self.tenant).mark_read(request).await.unwrap();
        }
    }

    /// Waits until the member sees this, as LINE shows it.
    pub(super) async fn until(&self, world: &World, member: &Member, bar: Bar) {
        eventually(SOON, || async {
            let shown = world.control.rich_menu(&self.office.card.channel_id, &member.person).await.unwrap();
            let name = shown.and_then(|shown| shown.menu).map(|menu| menu.name).unwrap_or_default();
            let is = if name.starts_with("tsunagi-bar/unread/") { Bar::Unread } else { Bar::Plain };
            // The plain menu is there as soon as LINE has any of ours.
            if is == bar && !name.is_empty() { Ok(()) } else { Err(name) }
        })
        .await
        .unwrap_or_else(|error| panic!("{bar:?}: {error}"));
    }

    /// Waits until everything that may concern the bars is taken in and nothing is left to be done.
    pub(super) async fn until_quiet(&self, world: &World) {
        let waits = format!(
            "SELECT count(*) FROM messaging.staff_bar_job j WHERE tenant_id = '{}' AND (
                 due < now() + interval '1 minute' OR claim IS NOT NULL
                 OR EXISTS (SELECT FROM messaging.conversation_change c
                            WHERE c.tenant_id = j.tenant_id AND c.changed >= j.seen))",
            self.tenant.id
        );
        eventually(SOON, || async {
            let waiting = world.count(&waits).await;
            if waiting == 0 { Ok(()) } else { Err(waiting) }
        })
        .await
        .unwrap();
    }

    /// Makes every claim end now, as its time would.
    pub(super) async fn forget_claims(world: &World) {
        world.admin("UPDATE messaging.staff_bar_job SET due = now()").await;
    }

    /// How often LINE was asked so for the staff account.
    pub(super) async fn asked(&self, world: &World, endpoint: &str) -> usize {
        self.requests(world).await.iter().filter(|asked| *asked == endpoint).count()
    }

    /// How often LINE was asked anything about rich menus.
    pub(super) async fn asked_in_all(&self, world: &World) -> usize {
        self.requests(world).await.iter().filter(|asked| asked.contains("richmenu")).count()
    }

    async fn requests(&self, world: &World) -> Vec<String> {
        let query = BooksQuery { account: Some(self.office.card.channel_id.clone()), ..Default::default() };
        world.control.requests(&query).await.unwrap().into_iter().map(|request| request.endpoint).collect()
    }

    /// The IDs of the menus LINE has.
    pub(super) async fn menus(&self, world: &World) -> Vec<String> {
        let account = world.control.account(&self.office.card.channel_id).await.unwrap();
        account.rich_menus.into_iter().map(|menu| menu.rich_menu_id).collect()
    }
}
