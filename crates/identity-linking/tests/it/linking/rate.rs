//! How often somebody may try: a LINE user, at a customer, by way of an account, from an address.

use contracts::identity::v1::resolve_link_attempt_request::Resolution;
use contracts::identity::v1::*;

use super::review::{reconsider, resolve};
use super::stage::{HANAKO, MOBILE, OTHER_MOBILE, Stage, decision, person};
use super::submit::booking;

const LIMITED: (LinkOutcome, LinkReason) = (LinkOutcome::Refused, LinkReason::RateLimited);

/// Copies of the latest attempt, so many.
async fn copies(stage: &Stage, number: i64, friend: &str, address: bool) {
    let address = if address { "address_hash" } else { "NULL" };
    let statement = format!(
        "INSERT INTO identity.link_attempt (tenant_id, link_attempt_id, version, method, account_id, friend_id, nonce_hash,
             address_hash,
             submit_time, confirm_until, told_time, decide_time, outcome, reason)
         SELECT tenant_id, gen_random_uuid(), 2, method, account_id, {friend},
             sha256(gen_random_uuid()::text::bytea), {address}, now(), now(), now(), now(), 'REFUSED',
             'NOT_CONFIRMED_BY_LINE'
         FROM generate_series(1, $1), LATERAL (SELECT * FROM identity.link_attempt ORDER BY submit_time DESC LIMIT 1) a"
    );
    let inserted = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(number).execute(&stage.house.admin().await).await;
    assert_eq!(inserted.unwrap().rows_affected(), u64::try_from(number).unwrap());
}

#[tokio::test]
async fn a_user_who_tried_ten_times_within_an_hour_is_refused_whatever_line_says() {
    let stage = Stage::open("rate_user").await;
    stage.customer(HANAKO, MOBILE).await;
    stage.ask(&person(1), ("鈴木", "一郎"), MOBILE).await;
    copies(&stage, 8, "friend_id", false).await;
    let tenth = stage.ask(&person(1), HANAKO, MOBILE).await;
    let eleventh = stage.ask(&person(1), HANAKO, MOBILE).await;
    let limited = stage.confirm(&person(1), &eleventh).await;
    assert_eq!(decision(&limited), LIMITED);
    assert!(limited.explanation.unwrap().ja.chars().count() > 5 && limited.candidates.is_empty());
    assert_eq!(stage.active().await, 0);
    stage.send(&[stage.confirmed(&person(1), stage.moment(), &tenth)]).await;
    assert_eq!(stage.active().await, 1, "the tenth was in time");
    // An hour later everything is as before.
    stage.alter("UPDATE identity.link_attempt SET submit_time = submit_time - interval '61 minutes'").await;
    let later = stage.link(&person(1), HANAKO, MOBILE).await;
    assert_eq!(decision(&later), (LinkOutcome::AlreadyLinked, LinkReason::None));
    stage.replay().await;
}

#[tokio::test]
async fn a_customer_whom_thirty_attempts_looked_at_within_an_hour_is_held_for_staff() {
    let stage = Stage::open("rate_customer").await;
    stage.customer(HANAKO, MOBILE).await;
    stage.link(&person(1), HANAKO, "080-1111-2222").await;
    copies(&stage, 29, "friend_id", false).await;
    stage
        .alter(
            "INSERT INTO identity.link_attempt_customer (tenant_id, customer_id, link_attempt_id, submit_time, decide_time)
             SELECT c.tenant_id, c.customer_id, a.link_attempt_id, now(), now()
             FROM identity.link_attempt a JOIN identity.customer c ON c.tenant_id = a.tenant_id
             WHERE NOT c.provisional AND a.reason = 'NOT_CONFIRMED_BY_LINE'",
        )
        .await;
    let limited = stage.link(&person(2), HANAKO, MOBILE).await;
    let held = (LinkOutcome::Held, LinkReason::RateLimited);
    assert_eq!((decision(&limited), &*limited.customer_id), (held, ""), "for staff, who may know better");
    let said = limited.explanation.unwrap();
    assert!(said.en.to_lowercase().contains("too many"), "the reason is explained, not what would have been: {said:?}");
    assert_eq!(stage.active().await, 1, "the provisional customer's alone");
    stage.alter("UPDATE identity.link_attempt_customer SET decide_time = decide_time - interval '61 minutes'").await;
    let later = stage.link(&person(2), HANAKO, MOBILE).await;
    assert_eq!(decision(&later), (LinkOutcome::Linked, LinkReason::None));
    stage.replay().await;
}

#[tokio::test]
async fn an_account_takes_six_thousand_attempts_within_ten_minutes() {
    let stage = Stage::open("rate_account").await;
    stage.customer(HANAKO, MOBILE).await;
    let first = stage.ask(&person(1), HANAKO, MOBILE).await;
    stage.link(&person(3), ("鈴木", "一郎"), MOBILE).await;
    copies(&stage, 5_998, "friend_id", false).await;
    let admin = stage.house.admin().await;
    // Old enough that nobody's transaction sees them otherwise.
    let hidden = "SELECT relpages - relallvisible FROM pg_class WHERE oid = 'identity.link_attempt'::regclass";
    Stage::until(async || {
        sqlx::query("VACUUM (ANALYZE) identity.link_attempt").execute(&admin).await.unwrap();
        let pages: i32 = sqlx::query_scalar(hidden).fetch_one(&admin).await.unwrap();
        if pages < 10 { Ok(()) } else { Err(format!("{pages} pages are not visible to all")) }
    })
    .await;
    assert_eq!(decision(&stage.link(&person(2), HANAKO, MOBILE).await), LIMITED);
    // They are counted by the index alone. Connections tell now and then what they did.
    let done = "SELECT idx_tup_read, idx_tup_fetch FROM pg_stat_user_indexes WHERE indexrelname = 'link_attempt_counted_of_account'";
    Stage::until(async || {
        let (read, fetched): (i64, i64) = sqlx::query_as(done).fetch_one(&admin).await.unwrap();
        if read >= 6_000 && fetched < 100 { Ok(()) } else { Err(format!("{read} read, {fetched} fetched")) }
    })
    .await;
    let attempt = stage.confirm(&person(1), &first).await;
    assert_eq!(decision(&attempt), (LinkOutcome::Linked, LinkReason::None));
}

#[tokio::test]
async fn an_address_with_many_attempts_is_told_to_come_again() {
    let stage = Stage::open("rate_address").await;
    stage.ask(&person(1), HANAKO, MOBILE).await;
    copies(&stage, 118, "friend_id", true).await;
    let token = stage.tap(&person(2), "reservations").await;
    let form = stage.look(&token).await;
    copies(&stage, 1, "friend_id", true).await;
    let fields = [("family", "山田"), ("given", "花子"), ("mobile", MOBILE)];
    let full = form.submit(&fields).await;
    assert_eq!((full.status, &full.dialog), (429, &None));
    assert!(full.html.contains("花子"), "what was typed is not lost");
    let get = reqwest::Client::new().get(stage.house.pages_url().join(&format!("/f/{token}")).unwrap());
    let shown = get.header("x-forwarded-for", "192.0.2.1").send().await.unwrap();
    assert_eq!(shown.status().as_u16(), 429);
    assert!(shown.headers().contains_key("retry-after"));
    let elsewhere = stage.look_from("198.51.100.7", &token).await.submit(&fields).await;
    assert_eq!(elsewhere.status, 303, "the token was not used up");
}

/// Copies of the one attempt there is, with what it looked at, so many.
async fn alike(stage: &Stage, number: i64) {
    let admin = stage.house.admin().await;
    for statement in [
        "INSERT INTO identity.link_attempt (tenant_id, link_attempt_id, version, method, account_id, friend_id, family_name,
             given_name, mobile_number, nonce_hash, submit_time, confirm_until, told_time, decide_time, outcome, reason, facts)
         SELECT tenant_id, gen_random_uuid(), version, method, account_id, friend_id, family_name, given_name, mobile_number,
             sha256(gen_random_uuid()::text::bytea), submit_time, confirm_until, told_time, decide_time, outcome, reason, facts
         FROM identity.link_attempt, generate_series(1, $1)",
        "INSERT INTO identity.link_attempt_customer (tenant_id, customer_id, submit_time, decide_time, link_attempt_id)
         SELECT c.tenant_id, c.customer_id, c.submit_time, c.decide_time, a.link_attempt_id
         FROM identity.link_attempt a JOIN identity.link_attempt_customer c USING (tenant_id)
         WHERE a.link_attempt_id <> c.link_attempt_id AND $1 > 0",
    ] {
        sqlx::query(statement).bind(number).execute(&admin).await.unwrap();
    }
}

#[tokio::test]
async fn a_held_attempt_is_decided_anew_though_its_customer_was_looked_at_too_often() {
    let stage = Stage::open("rate_held").await;
    let (customer, namesake) = (stage.customer(HANAKO, MOBILE).await, stage.customer(HANAKO, MOBILE).await);
    let held = stage.link(&person(1), HANAKO, MOBILE).await;
    let ambiguous = (LinkOutcome::Held, LinkReason::AmbiguousNameAndMobile);
    assert_eq!(decision(&held), ambiguous);
    alike(&stage, 29).await;
    assert_eq!(decision(&reconsider(&stage, &held, "").await.unwrap()), ambiguous);
    let phones = vec![Phone { number: OTHER_MOBILE.to_owned(), kind: 0 }];
    let mended = Customer { customer_id: namesake, phones, ..Customer::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["phones".to_owned()] });
    let mend = UpdateCustomerRequest { customer: Some(mended), update_mask };
    stage.at().customers().update_customer(mend).await.unwrap();
    let too_often = stage.link(&person(2), HANAKO, MOBILE).await;
    assert_eq!(decision(&too_often), (LinkOutcome::Held, LinkReason::RateLimited));
    let linked = reconsider(&stage, &held, "").await.unwrap();
    assert_eq!((decision(&linked), linked.customer_id), ((LinkOutcome::Linked, LinkReason::None), customer));
    stage.replay().await;
}

#[tokio::test]
async fn staff_who_look_at_held_attempts_again_use_up_nobodys_tries() {
    let stage = Stage::open("rate_review").await;
    stage.hold().await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    stage.link(&person(1), HANAKO, OTHER_MOBILE).await;
    alike(&stage, 39).await;
    // All of them came yesterday.
    for table in ["link_attempt", "link_attempt_customer"] {
        let aged = format!(
            "UPDATE identity.{table} SET submit_time = submit_time - interval '1 day', decide_time = decide_time - interval '1 day'"
        );
        sqlx::query(sqlx::AssertSqlSafe(aged)).execute(&stage.house.admin().await).await.unwrap();
    }
    let held = stage.attempts_of(&person(1)).await;
    assert_eq!(held.len(), 40);
    for (at, attempt) in held.iter().enumerate() {
        if at % 2 == 0 {
            let again = reconsider(&stage, attempt, "").await.unwrap();
            assert_eq!(decision(&again), (LinkOutcome::Held, LinkReason::PolicyHold));
        } else {
            resolve(&stage, attempt, Resolution::Dismiss(true)).await.unwrap();
        }
    }
    let of_customer =
        ListLinkAttemptsRequest { customer_id: customer.clone(), page_size: 100, ..ListLinkAttemptsRequest::default() };
    let listed = stage.at().attempts().list_link_attempts(of_customer).await.unwrap().into_inner().link_attempts;
    assert_eq!(listed.len(), 40, "they are still about the customer");
    let linked = stage.link(&person(2), HANAKO, MOBILE).await;
    assert_eq!((decision(&linked), linked.customer_id), ((LinkOutcome::Linked, LinkReason::None), customer));
}

#[tokio::test]
async fn an_old_form_sent_again_and_again_fills_nothing_and_keeps_nobody_else_from_theirs() {
    let stage = Stage::open("rate_old_form").await;
    stage.customer(HANAKO, MOBILE).await;
    let used = stage.look(&stage.tap(&person(1), "reservations").await).await;
    let fields = |mobile| [("family", "山田"), ("given", "花子"), ("mobile", mobile)];
    let nonce = used.submit(&fields(MOBILE)).await.nonce();
    copies(&stage, 117, "friend_id", true).await;
    for _ in 0..15 {
        assert_eq!(used.submit(&fields(OTHER_MOBILE)).await.status, 404);
    }
    assert_eq!(
        stage.count("identity.link_attempt WHERE reason = 'TOKEN_USED'").await,
        10,
        "enough to see what was done"
    );
    let other = stage.look(&stage.tap(&person(2), "reservations").await).await;
    assert_eq!(other.submit(&fields(MOBILE)).await.status, 303, "from the same address");
    stage.confirm(&person(1), &nonce).await;
    assert_eq!(stage.active().await, 1, "the first submission counts");
}

#[tokio::test]
async fn an_old_form_of_a_booking_page_leaves_few_attempts_however_often_it_books() {
    let stage = Stage::open("rate_old_booking").await;
    let token = stage.friends_with(&person(1)).await;
    for number in 0..15 {
        let submitted = stage.submit(booking(&token, HANAKO, MOBILE, &format!("B-{number}"))).await.unwrap();
        assert!(submitted.activity.is_some(), "what the person did stands");
        assert_eq!(submitted.link_attempt.is_some(), number <= 10, "{number}");
    }
    assert_eq!(stage.count("identity.activity").await, 15);
    assert_eq!(stage.count("identity.link_attempt WHERE reason = 'TOKEN_USED'").await, 10);
}

#[tokio::test]
async fn guesses_at_one_of_a_crowd_of_namesakes_are_counted() {
    let stage = Stage::open("rate_crowd").await;
    let mut namesakes = Vec::new();
    for number in 0..25 {
        namesakes.push(stage.customer(HANAKO, &format!("080-1111-{number:04}")).await);
    }
    namesakes.sort_unstable();
    let guess = stage.link(&person(1), HANAKO, MOBILE).await;
    assert_eq!(decision(&guess), (LinkOutcome::CreatedNew, LinkReason::PhoneMismatch));
    assert!(!guess.candidates.iter().any(|one| one.customer_id == namesakes[24]), "not all are looked at");
    alike(&stage, 119).await;
    let last = stage.record(&namesakes[24]).await.phones.remove(0).number;
    let right = stage.link(&person(2), HANAKO, &last).await;
    assert_eq!(decision(&right), (LinkOutcome::Held, LinkReason::RateLimited));
    // Whoever has a name that few have is not held for it.
    let rare = stage.customer(("鈴木", "一郎"), MOBILE).await;
    let linked = stage.link(&person(3), ("鈴木", "一郎"), MOBILE).await;
    assert_eq!((decision(&linked), linked.customer_id), ((LinkOutcome::Linked, LinkReason::None), rare));
    stage.replay().await;
}
