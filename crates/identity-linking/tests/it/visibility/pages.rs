//! A branch's pages.

use contracts::identity::v1::*;

use super::company::{Company, by};

/// 1,300 friends of the account, every 25th of them linked to a customer of its own.
const MANY: [&str; 4] = [
    "INSERT INTO identity.line_user (tenant_id, friend_id, version, provider_id, line_user_id, create_time)
     SELECT a.tenant_id, gen_random_uuid(), 1, a.provider_id, 'U' || lpad(n::text, 32, '0'), now()
     FROM identity.official_account a, generate_series(1, 1300) n",
    "INSERT INTO identity.friendship (tenant_id, account_id, friend_id, version, state, first_seen_time)
     SELECT a.tenant_id, a.account_id, u.friend_id, 1, 'SEEN', now() - right(u.line_user_id, 6)::int * interval '1 second'
     FROM identity.official_account a, identity.line_user u",
    "INSERT INTO identity.customer (tenant_id, customer_id, version, family_name, provisional, name_key, reading_key,
         variant_key, create_time, update_time)
     SELECT tenant_id, friend_id, 1, '山田', false, 'x', '', 'x', now(), now() - right(line_user_id, 6)::int * interval '1 second'
     FROM identity.line_user WHERE right(line_user_id, 6)::int % 25 = 0",
    "INSERT INTO identity.link (tenant_id, link_id, version, customer_id, friend_id, provider_id, assurance, origin, wish_time,
         create_time)
     SELECT u.tenant_id, gen_random_uuid(), 1, u.friend_id, u.friend_id, u.provider_id, 'NAME', 'MATCH', now(), now()
     FROM identity.line_user u JOIN identity.customer c ON c.customer_id = u.friend_id",
];

/// Every page of friends that somebody gets, of this size.
async fn friends(company: &Company, who: &StaffMember, page_size: i32) -> Vec<Vec<String>> {
    let (mut pages, mut page_token) = (Vec::new(), String::new());
    loop {
        let account_id = company.stage.account.to_string();
        let asked = ListFriendsRequest { account_id, page_size, page_token, ..ListFriendsRequest::default() };
        let page = by!(company, who, friends.list_friends(asked)).unwrap();
        pages.push(page.friends.into_iter().map(|friend| friend.friend_id).collect());
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return pages;
        }
    }
}

async fn customers(company: &Company, who: &StaffMember, page_size: i32) -> Vec<Vec<String>> {
    let (mut pages, mut page_token) = (Vec::new(), String::new());
    loop {
        let asked = ListCustomersRequest { page_size, page_token };
        let page = by!(company, who, customers.list_customers(asked)).unwrap();
        pages.push(page.customers.into_iter().map(|customer| customer.customer_id).collect());
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return pages;
        }
    }
}

#[tokio::test]
async fn a_branchs_pages_hold_each_of_its_friends_and_customers_once_in_the_order_of_all() {
    let company = Company::open("branch_pages").await;
    let stage = &company.stage;
    stage.put_default(&company.shibuya).await;
    for statement in MANY {
        stage.alter(statement).await;
    }
    // The first half of the linked ones are of one branch, the others of the other.
    let halves = format!(
        "UPDATE identity.customer SET organization_id = CASE WHEN customer_id IN (
             SELECT customer_id FROM identity.customer ORDER BY update_time DESC LIMIT 26) THEN '{}'::uuid ELSE '{}'::uuid END",
        company.ueno, company.shibuya
    );
    sqlx::query(sqlx::AssertSqlSafe(halves)).execute(&stage.house.admin().await).await.unwrap();
    let all = friends(&company, &company.administrator, 200).await.concat();
    assert_eq!(all.len(), 1_300);
    let of_ueno = customers(&company, &company.of_ueno, 200).await.concat();
    assert_eq!(of_ueno.len(), 26, "a customer has the ID of its friend here");
    let (theirs, ours): (Vec<String>, Vec<String>) = all.into_iter().partition(|id| of_ueno.contains(id));
    for size in [3, 26, 200] {
        let pages = friends(&company, &company.of_ueno, size).await;
        assert!(pages.iter().all(|page| page.len() <= usize::try_from(size).unwrap()));
        assert_eq!(pages.concat(), theirs, "by {size}");
    }
    assert_eq!(friends(&company, &company.of_shibuya, 200).await.concat(), ours);
    assert!(friends(&company, &company.of_none, 200).await.concat().is_empty());

    let of_all = customers(&company, &company.administrator, 200).await.concat();
    assert_eq!(of_all.len(), 52);
    for (who, of) in [(&company.of_ueno, 0..26), (&company.of_shibuya, 26..52)] {
        let pages = customers(&company, who, 7).await;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [7, 7, 7, 5], "every page but the last is full");
        assert_eq!(pages.concat(), of_all[of]);
    }
}
