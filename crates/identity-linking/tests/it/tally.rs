//! Counting friends: exact while many change at once, and never many rows to add up.

use contracts::identity::v1::*;
use futures::future::join_all;
use kernel::{AccountId, TenantId};

use crate::friend::user;
use crate::house::House;

const STATES: [&str; 3] = ["SEEN", "FRIEND", "BLOCKED"];
/// Who changes friendships at once.
const WRITERS: u128 = 6;
/// Friends each of them meets.
const FRIENDS: u128 = 150;

/// A friendship that is there now, in one state and then in another.
async fn changes(house: &House, tenant: TenantId, account: AccountId, number: u128) -> Result<(), sqlx::Error> {
    let database = house.own_database().await;
    for friend in (0..FRIENDS).map(|friend| uuid::Uuid::from_u128(number * 1_000 + friend + 1)) {
        for step in 0..3_usize {
            // Several in one transaction, and some taken back.
            let mut tx = database.tenant(tenant).await?;
            let state = STATES[(step + usize::try_from(friend.as_u128() % 3).unwrap_or_default()) % 3];
            let line_user = "INSERT INTO identity.line_user (tenant_id, friend_id, version, provider_id, line_user_id, create_time)
                SELECT $1, $2, 1, provider_id, $3, now() FROM identity.official_account WHERE tenant_id = $1 AND account_id = $4
                ON CONFLICT DO NOTHING";
            sqlx::query(line_user)
                .bind(tenant.uuid())
                .bind(friend)
                .bind(friend.to_string())
                .bind(account.uuid())
                .execute(&mut *tx)
                .await?;
            let friendship = "INSERT INTO identity.friendship
                    (tenant_id, account_id, friend_id, version, state, first_seen_time, turn_time, turn_event_id)
                VALUES ($1, $2, $3, 1, $4, now(), CASE WHEN $4 <> 'SEEN' THEN now() END, CASE WHEN $4 <> 'SEEN' THEN 'e' END)
                ON CONFLICT (tenant_id, account_id, friend_id) DO UPDATE SET state = EXCLUDED.state,
                    turn_time = EXCLUDED.turn_time, turn_event_id = EXCLUDED.turn_event_id";
            sqlx::query(friendship)
                .bind(tenant.uuid())
                .bind(account.uuid())
                .bind(friend)
                .bind(state)
                .execute(&mut *tx)
                .await?;
            if friend.as_u128() % 7 == 3 { tx.rollback().await? } else { tx.commit().await? }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn friends_are_counted_exactly_and_by_few_rows() {
    let house = House::open("tally").await;
    let tenant = house.tenant().await;
    let (_, account) = house.account(tenant, &user(100)).await;
    let outcomes = join_all((0..WRITERS).map(|number| changes(&house, tenant, account, number))).await;
    outcomes.into_iter().collect::<Result<Vec<()>, _>>().unwrap();

    let admin = house.admin().await;
    let counted: Vec<(String, i64)> = sqlx::query_as("SELECT state, count(*) FROM identity.friendship GROUP BY state")
        .fetch_all(&admin)
        .await
        .unwrap();
    let of = |state: &str| counted.iter().find(|(known, _)| known == state).map_or(0, |(_, number)| *number);
    let wanted = CountFriendsResponse { friends: of("FRIEND"), blocked: of("BLOCKED"), seen: of("SEEN") };
    let request = CountFriendsRequest { account_id: account.to_string() };
    let told = house.at(tenant).friends().count_friends(request).await.unwrap().into_inner();
    assert_eq!(told, wanted);
    assert!(told.friends > 0 && told.blocked > 0 && told.seen > 0, "{told:?}");
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM identity.friend_tally").fetch_one(&admin).await.unwrap();
    assert!(rows < 1_500, "{rows} rows of some 4,000 changes are left to add up");

    // What an operator takes away is counted too.
    sqlx::query("DELETE FROM identity.friendship WHERE state = 'FRIEND'").execute(&admin).await.unwrap();
    let request = CountFriendsRequest { account_id: account.to_string() };
    let told = house.at(tenant).friends().count_friends(request).await.unwrap().into_inner();
    assert_eq!(told, CountFriendsResponse { friends: 0, ..wanted });
}
