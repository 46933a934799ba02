//! Which customers, LINE users, links and attempts a caller reaches (F-72): what it may not see is not there for it. Whose they are,
//! `identity_linking_core::visibility` decides.

use std::collections::BTreeSet;

use chassis::grpc::refuse;
use chassis::postgres::TenantTx;
use identity_linking_core::visibility::Whose;
use kernel::{AccountId, CustomerId, FriendId, LinkAttemptId, Sight};
use tonic::Status;

use super::refusal::Refusal;
use crate::postgres::customer::{self, StoredCustomer};
use crate::postgres::friendship::{self, StoredFriend};
use crate::postgres::link::ShownLink;
use crate::postgres::link_attempt::{self, StoredAttempt};
use crate::postgres::takeover::StoredTakeover;
use crate::postgres::{friend, takeover, whose};

/// A customer, if there is one that `sight` takes in.
pub(super) fn seen_customer(found: Option<StoredCustomer>, sight: &Sight) -> Result<StoredCustomer, Status> {
    let seen = found.filter(|found| Whose::customer(found.stored.value.organization).is_seen(sight));
    seen.ok_or_else(|| refuse::not_found("CUSTOMER"))
}

/// A customer that `sight` takes in.
pub(super) async fn customer(tx: &mut TenantTx, sight: &Sight, id: CustomerId) -> Result<StoredCustomer, Refusal> {
    Ok(seen_customer(customer::find(tx, id).await?, sight)?)
}

/// Refuses two customers, unless `sight` takes in both; what joins them is of the kind `kind`.
pub(super) async fn both(
    tx: &mut TenantTx,
    sight: &Sight,
    pair: (CustomerId, CustomerId),
    kind: &'static str,
) -> Result<(), Refusal> {
    if pairs(tx, sight, vec![pair], |pair| *pair).await?.is_empty() {
        return Err(refuse::not_found(kind).into());
    }
    Ok(())
}

/// Those of `rows`, each about two customers, of which `sight` takes in both.
pub(super) async fn pairs<T>(
    tx: &mut TenantTx,
    sight: &Sight,
    mut rows: Vec<T>,
    pair: fn(&T) -> (CustomerId, CustomerId),
) -> Result<Vec<T>, sqlx::Error> {
    if *sight == Sight::Everything || rows.is_empty() {
        return Ok(rows);
    }
    let ids: Vec<CustomerId> = rows.iter().map(pair).flat_map(|(one, other)| [one, other]).collect();
    let of = whose::customers(tx, &ids).await?;
    let of = |id: CustomerId| of.get(&id).copied().flatten();
    rows.retain(|row| {
        let (one, other) = pair(row);
        Whose::pair(of(one), of(other)).is_seen(sight)
    });
    Ok(rows)
}

/// A LINE user as an account knows it, if `sight` takes it in there.
pub(super) async fn friend(
    tx: &mut TenantTx,
    sight: &Sight,
    account: AccountId,
    id: FriendId,
) -> Result<StoredFriend, Refusal> {
    let found = friendship::find(tx, account, id).await?.into_iter().collect();
    let seen = friends(tx, sight, account, found).await?.pop();
    Ok(seen.ok_or_else(|| refuse::not_found("FRIEND"))?)
}

/// Those LINE users of an account that `sight` takes in.
pub(super) async fn friends(
    tx: &mut TenantTx,
    sight: &Sight,
    account: AccountId,
    mut found: Vec<StoredFriend>,
) -> Result<Vec<StoredFriend>, sqlx::Error> {
    if *sight == Sight::Everything || found.is_empty() {
        return Ok(found);
    }
    let ids: Vec<FriendId> = found.iter().map(|friend| friend.line_user.id).collect();
    let linked = whose::linked(tx, &ids).await?;
    let friends = whose::friends(tx, &[account]).await?.remove(&account).flatten();
    found.retain(|one| Whose::line_user(linked.get(&one.line_user.id).copied().flatten(), &[friends]).is_seen(sight));
    Ok(found)
}

/// Refuses a LINE user that `sight` takes in on no account.
pub(super) async fn line_user(tx: &mut TenantTx, sight: &Sight, id: FriendId) -> Result<(), Refusal> {
    let absent = || refuse::not_found("FRIEND");
    friend::find(tx, id).await?.ok_or_else(absent)?;
    if *sight == Sight::Everything {
        return Ok(());
    }
    let linked = whose::linked(tx, &[id]).await?.remove(&id).flatten();
    let known_by = whose::known_by(tx, id).await?;
    if Whose::line_user(linked, &known_by).is_seen(sight) { Ok(()) } else { Err(absent().into()) }
}

/// Those links of a LINE user that `sight` takes in: each by its own customer, also where it has ended.
pub(super) async fn links(
    tx: &mut TenantTx,
    sight: &Sight,
    friend: FriendId,
    mut found: Vec<ShownLink>,
) -> Result<Vec<ShownLink>, sqlx::Error> {
    if *sight == Sight::Everything || found.is_empty() {
        return Ok(found);
    }
    let customer_of = |one: &ShownLink| one.link.stored.value.customer;
    let customers = whose::customers(tx, &found.iter().map(customer_of).collect::<Vec<_>>()).await?;
    let known_by = whose::known_by(tx, friend).await?;
    found.retain(|one| Whose::line_user(customers.get(&customer_of(one)).copied().flatten(), &known_by).is_seen(sight));
    Ok(found)
}

/// An attempt that `sight` takes in.
pub(super) async fn attempt(tx: &mut TenantTx, sight: &Sight, id: LinkAttemptId) -> Result<StoredAttempt, Refusal> {
    let found = link_attempt::find(tx, id).await?.into_iter().collect();
    let seen = attempts(tx, sight, found).await?.pop();
    Ok(seen.ok_or_else(|| refuse::not_found("LINK_ATTEMPT"))?)
}

/// Those attempts that `sight` takes in.
pub(super) async fn attempts(
    tx: &mut TenantTx,
    sight: &Sight,
    mut found: Vec<StoredAttempt>,
) -> Result<Vec<StoredAttempt>, sqlx::Error> {
    if *sight == Sight::Everything || found.is_empty() {
        return Ok(found);
    }
    let linked = whose::linked(tx, &found.iter().map(|one| one.friend).collect::<Vec<_>>()).await?;
    let friends = whose::friends(tx, &accounts(found.iter().map(|one| one.account))).await?;
    let asked = takeover::customers(tx, &found.iter().filter_map(|one| one.takeover).collect::<Vec<_>>()).await?;
    let about = |one: &StoredAttempt| one.customer.or_else(|| asked.get(&one.takeover?).copied());
    let customers = whose::customers(tx, &found.iter().filter_map(about).collect::<Vec<_>>()).await?;
    found.retain(|one| {
        let line_user = linked.get(&one.friend).copied().flatten();
        let customer = about(one).map(|id| customers.get(&id).copied().flatten());
        Whose::attempt(line_user, customer, friends.get(&one.account).copied().flatten()).is_seen(sight)
    });
    Ok(found)
}

/// Those requests to take a link over that `sight` takes in.
pub(super) async fn takeovers(
    tx: &mut TenantTx,
    sight: &Sight,
    mut found: Vec<StoredTakeover>,
) -> Result<Vec<StoredTakeover>, sqlx::Error> {
    if *sight == Sight::Everything || found.is_empty() {
        return Ok(found);
    }
    let customers = whose::customers(tx, &found.iter().map(|one| one.customer).collect::<Vec<_>>()).await?;
    let by = link_attempt::accounts(tx, &found.iter().map(|one| one.attempt).collect::<Vec<_>>()).await?;
    let friends = whose::friends(tx, &accounts(by.values().copied())).await?;
    found.retain(|one| {
        let friends = by.get(&one.attempt).and_then(|account| friends.get(account).copied().flatten());
        Whose::takeover(customers.get(&one.customer).copied().flatten(), friends).is_seen(sight)
    });
    Ok(found)
}

/// Accounts, each once.
fn accounts(of: impl Iterator<Item = AccountId>) -> Vec<AccountId> {
    let each: BTreeSet<AccountId> = of.collect();
    each.into_iter().collect()
}
