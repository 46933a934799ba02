//! How customers stand with LINE: what staff see beside the record (F-39 to F-41).

use std::collections::HashMap;

use chassis::postgres::TenantTx;
use contracts::identity::v1::{CustomerLink, LineStanding, LineTab as WireTab};
use identity_linking_core::Tenant;
use identity_linking_core::link::{LineTab, NOT_LINKED, line_tab};
use kernel::{CustomerId, FriendId, Timestamp};

use crate::postgres::link::{self, ShownLink};
use crate::postgres::{friendship, link_policy};
use crate::replica;

fn wire_tab(tab: LineTab) -> WireTab {
    match tab {
        LineTab::Open => WireTab::Open,
        LineTab::NotLinked => WireTab::NotLinked,
        LineTab::AssuranceTooLow => WireTab::AssuranceTooLow,
        LineTab::Plan => WireTab::Plan,
        LineTab::ChatModeOn => WireTab::ChatModeOn,
    }
}

/// The standings of customers at `now`.
pub(super) async fn of(
    tx: &mut TenantTx,
    tenant: &Tenant,
    now: Timestamp,
    customers: &[CustomerId],
) -> Result<HashMap<CustomerId, LineStanding>, sqlx::Error> {
    let least = link_policy::find(tx).await?.value.least.chat;
    let mut links: HashMap<CustomerId, Vec<ShownLink>> = HashMap::new();
    for shown in link::of_customers(tx, customers).await? {
        links.entry(shown.link.stored.value.customer).or_default().push(shown);
    }
    let friends: Vec<FriendId> = links.values().flatten().map(|shown| shown.link.stored.value.friend).collect();
    let chats = friendship::chats(tx, &friends).await?;
    let today = tenant.time_zone.day(now);
    let standing = |id: &CustomerId| {
        let mut links = links.remove(id).unwrap_or_default();
        // The surest first: it is the one that is shown.
        links.sort_by_key(|shown| std::cmp::Reverse(shown.link.stored.value.assurance));
        let surest = links.first().map(|shown| shown.link.stored.value.assurance);
        let known_by = links.iter().filter_map(|shown| chats.get(&shown.link.stored.value.friend));
        let known_by: Vec<bool> = known_by.flatten().copied().collect();
        let tab = line_tab(surest, least, tenant.gate, today, &known_by);
        let standing = LineStanding {
            linked: surest.is_some(),
            line_name: match links.first() {
                Some(shown) => shown.display_name.clone().unwrap_or_default(),
                None => NOT_LINKED.to_owned(),
            },
            tab: wire_tab(tab).into(),
            links: links.iter().map(tell).collect(),
            tab_reason_ja: tab.reason_ja(tenant.gate),
            tab_reason_en: tab.reason_en(tenant.gate),
        };
        (*id, standing)
    };
    Ok(customers.iter().map(standing).collect())
}

fn tell(shown: &ShownLink) -> CustomerLink {
    let stored = &shown.link.stored;
    CustomerLink {
        link_id: stored.id.to_string(),
        friend_id: stored.value.friend.to_string(),
        line_display_name: shown.display_name.clone().unwrap_or_default(),
        assurance: replica::assurance(stored.value.assurance).into(),
    }
}
