//! A restart loses and repeats nothing.

use contracts::identity::v1::*;
use testkit::eventually;

use crate::customer::yamada;
use crate::friend::{event, user};
use crate::house::{House, SOON};

#[tokio::test]
async fn what_was_kept_is_there_and_what_came_meanwhile_is_handled() {
    let mut house = House::open("restart").await;
    let tenant = house.tenant().await;
    let (_, account) = house.account(tenant, &user(100)).await;
    let request = CreateCustomerRequest { request_id: uuid::Uuid::new_v4().to_string(), ..yamada("C-1") };
    let created = house.at(tenant).customers().create_customer(request.clone()).await.unwrap().into_inner();
    house.stop().await;
    // What waits is handled together. Users 1 to 4 follow; 5 to 8 follow and block, heard in the wrong order; 9 to 12 write.
    let mut waiting: Vec<_> = (5..=8).map(|number| event("unfollow", &user(number), 3_000)).collect();
    waiting.extend((1..=8).map(|number| event("follow", &user(number), 2_000)));
    waiting.extend((1..=12).map(|number| event("message", &user(number), 1_000)));
    house.webhooks(tenant, account, &waiting).await;
    house.start().await;
    let again = house.at(tenant).customers().create_customer(request).await.unwrap().into_inner();
    assert_eq!(again, created);
    let count = || CountFriendsRequest { account_id: account.to_string() };
    eventually(SOON, || async {
        let counted = house.at(tenant).friends().count_friends(count()).await.unwrap().into_inner();
        if counted == (CountFriendsResponse { friends: 4, blocked: 4, seen: 4 }) { Ok(()) } else { Err(counted) }
    })
    .await
    .unwrap();
    let waiting = eventually(SOON, || async {
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM identity.outbox_pending")
            .fetch_one(&house.admin().await)
            .await
            .unwrap();
        if left == 0 { Ok(()) } else { Err(left) }
    });
    waiting.await.expect("every event is published");
}
