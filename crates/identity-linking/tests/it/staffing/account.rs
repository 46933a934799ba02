//! Whom an official account is for.

use contracts::events::v1::AccountPurpose;
use contracts::events::v1::identity_event::Body;
use tonic::Code;

use super::scene::{open, purpose, put_purpose};
use crate::friend::user;
use crate::linking::stage::{Stage, person};
use crate::refused::{fields, reason};

#[tokio::test]
async fn one_account_of_a_tenant_is_for_staff_and_only_one_that_nobody_knows_yet() {
    let stage = Stage::open("purpose").await;
    let second = stage.house.registered(stage.tenant, &stage.provider, &user(200)).await.to_string();
    let first = stage.account.to_string();
    assert_eq!(fields(stage.at().accounts().update_official_account(purpose(&first, 99)).await), ["account.purpose"]);
    let changed = put_purpose(&stage, &first, AccountPurpose::Staff).await.unwrap();
    assert_eq!(changed.purpose(), AccountPurpose::Staff);
    assert_eq!(
        reason(put_purpose(&stage, &second, AccountPurpose::Staff).await),
        (Code::AlreadyExists, "STAFF_ACCOUNT_TAKEN".to_owned())
    );
    assert_eq!(
        put_purpose(&stage, &first, AccountPurpose::Customers).await.unwrap().purpose(),
        AccountPurpose::Customers
    );
    let told: Vec<AccountPurpose> = stage
        .house
        .told(Some(stage.tenant))
        .await
        .iter()
        .filter_map(|body| {
            if let Body::Account(told) = body { (told.account_id == first).then(|| told.purpose()) } else { None }
        })
        .collect();
    assert_eq!(told[told.len() - 2..], [AccountPurpose::Staff, AccountPurpose::Customers]);

    // Whoever was seen knows the account as what it is.
    stage.send(&[stage.wrote(&person(1))]).await;
    let in_use = (Code::FailedPrecondition, "ACCOUNT_IN_USE".to_owned());
    assert_eq!(reason(put_purpose(&stage, &first, AccountPurpose::Staff).await), in_use);
    assert!(put_purpose(&stage, &first, AccountPurpose::Customers).await.is_ok(), "nothing changes");
    put_purpose(&stage, &second, AccountPurpose::Staff).await.unwrap();
    stage.send_as(second.parse().unwrap(), &[stage.wrote(&person(1))], false).await;
    assert_eq!(reason(put_purpose(&stage, &second, AccountPurpose::Customers).await), in_use);
}

#[tokio::test]
async fn nobody_on_the_staff_account_is_a_friend_a_customer_or_a_line_user_of_the_shop() {
    let stage = open("staff_account").await;
    let who = person(1);
    stage
        .send(&[
            stage.event("follow", &who, stage.moment(), ""),
            stage.wrote(&who),
            stage.tapped(&who, stage.moment(), "inquiry"),
            stage.tapped(&who, stage.moment(), "unlink:yes"),
            stage.event("unfollow", &who, stage.moment(), ""),
        ])
        .await;
    for table in
        ["friendship", "line_user", "customer", "link_attempt", "first_message", "profile_request", "form_token"]
    {
        assert_eq!(stage.count(&format!("identity.{table}")).await, 0, "{table}");
    }
    assert_eq!(stage.count("identity.staff_line_user WHERE state = 'BLOCKED'").await, 1);
    assert!(
        !stage
            .house
            .told(Some(stage.tenant))
            .await
            .iter()
            .any(|body| { matches!(body, Body::Friendship(_) | Body::LineUser(_) | Body::Customer(_)) })
    );
}

#[tokio::test]
async fn a_purpose_that_changes_while_people_come_leaves_nobody_on_the_wrong_side() {
    let stage = Stage::open("purpose_race").await;
    for turn in 0..12_u8 {
        let id = stage.house.registered(stage.tenant, &stage.provider, &user(100 + turn)).await;
        let events = [stage.event("follow", &person(1), stage.moment(), "")];
        let account = id.to_string();
        let (changed, ()) =
            tokio::join!(put_purpose(&stage, &account, AccountPurpose::Staff), stage.send_as(id, &events, false));
        let wrong = "identity.official_account a WHERE a.purpose = 'STAFF' AND EXISTS (
            SELECT FROM identity.friendship f WHERE f.account_id = a.account_id)
            OR a.purpose = 'CUSTOMERS' AND EXISTS (
            SELECT FROM identity.staff_line_user u WHERE u.account_id = a.account_id)";
        assert_eq!(stage.count(wrong).await, 0, "turn {turn}");
        if changed.is_ok() {
            // Another account of the tenant is next.
            stage.alter("DELETE FROM identity.staff_line_user").await;
            stage.alter("UPDATE identity.official_account SET purpose = 'CUSTOMERS' WHERE purpose = 'STAFF'").await;
        }
    }
}

/// Changes the account's purpose while an event of it is being handled: once it was looked at whom the account is for, before what it
/// tells is kept. `row` is kept by nobody until then: whoever would keep the same waits.
async fn put_purpose_under(stage: &Stage, row: &'static str, wanted: AccountPurpose) {
    let admin = stage.house.admin().await;
    let mut held = admin.begin().await.unwrap();
    // Without the locks that foreign keys take: they would keep the account as it is.
    sqlx::query("SET LOCAL session_replication_role = replica").execute(&mut *held).await.unwrap();
    sqlx::query(row).execute(&mut *held).await.unwrap();
    stage.leave(&[stage.event("follow", &person(1), stage.moment(), "")]).await;
    Stage::until(async || {
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&admin).await.unwrap();
        if waiting > 0 { Ok(()) } else { Err("nobody waits".to_owned()) }
    })
    .await;
    put_purpose(stage, &stage.account.to_string(), wanted).await.unwrap();
    held.rollback().await.unwrap();
    stage.send(&[]).await;
}

#[tokio::test]
async fn an_event_that_was_looked_at_before_the_purpose_changed_is_handled_by_what_the_account_is_for_now() {
    let known = ["friendship", "line_user", "staff_line_user"];
    let count = async |stage: &Stage| {
        let mut counts = Vec::new();
        for table in known {
            counts.push(stage.count(&format!("identity.{table}")).await);
        }
        counts
    };
    let stage = Stage::open("purpose_friend").await;
    let row = "INSERT INTO identity.line_user (tenant_id, friend_id, version, provider_id, line_user_id, create_time)
         SELECT tenant_id, gen_random_uuid(), 1, provider_id, 'U' || lpad('1', 32, '0'), now() FROM identity.official_account";
    put_purpose_under(&stage, row, AccountPurpose::Staff).await;
    assert_eq!(count(&stage).await, [0, 0, 1]);

    let stage = open("purpose_staff").await;
    let row = "INSERT INTO identity.staff_line_user (tenant_id, account_id, line_user_id, state, first_seen_time)
         SELECT tenant_id, account_id, 'U' || lpad('1', 32, '0'), 'SEEN', now() FROM identity.official_account";
    put_purpose_under(&stage, row, AccountPurpose::Customers).await;
    assert_eq!(count(&stage).await, [1, 1, 0]);
}
