//! What nobody waits for any longer ends by itself, however much of it there is and whatever is wrong with some of it.

use contracts::identity::v1::*;

use super::stage::{HANAKO, MOBILE, Stage, decision, person};

#[tokio::test]
async fn attempts_that_cannot_be_decided_keep_no_others_waiting() {
    let stage = Stage::open("sweep_starving").await;
    for number in [1, 3, 2] {
        stage.ask(&person(number), HANAKO, MOBILE).await;
    }
    // More than are taken at once, all before the one that can be, of a method no version knows.
    let copies = sqlx::query(
        "INSERT INTO identity.link_attempt (tenant_id, link_attempt_id, version, method, account_id, friend_id, submit_time,
             confirm_until)
         SELECT tenant_id, gen_random_uuid(), 1, 'UNREADABLE', account_id, friend_id, submit_time,
             now() - interval '1 hour' - (n % 3) * interval '1 second'
         FROM generate_series(1, 150) n,
             LATERAL (SELECT * FROM identity.link_attempt ORDER BY submit_time DESC LIMIT 1) a",
    );
    assert_eq!(copies.execute(&stage.house.admin().await).await.unwrap().rows_affected(), 150);
    for number in [1, 3] {
        stage
            .alter(
                "UPDATE identity.link_attempt SET confirm_until = now() - interval '1 second'
                 WHERE submit_time = (SELECT min(submit_time) FROM identity.link_attempt WHERE decide_time IS NULL)",
            )
            .await;
        Stage::until(|| async {
            let attempt = stage.attempt_of(&person(number)).await;
            let given_up = (LinkOutcome::Refused, LinkReason::NotConfirmedByLine);
            if decision(&attempt) == given_up { Ok(()) } else { Err(format!("{attempt:?}")) }
        })
        .await;
    }
    let waiting = "identity.link_attempt WHERE method <> 'UNREADABLE' AND decide_time IS NULL";
    assert_eq!(stage.count(waiting).await, 1, "LINE's word is still waited for");
    assert_eq!(stage.count("identity.link_attempt WHERE method = 'UNREADABLE' AND decide_time IS NULL").await, 150);
    assert!(stage.house.figures().await.contains("tsunagi_identity_sweep_failures_total"));
}

#[tokio::test]
async fn however_many_form_tokens_ended_long_ago_they_are_forgotten_at_once() {
    let stage = Stage::open("sweep_tokens").await;
    let token = stage.tap(&person(1), "reservations").await;
    let copies = sqlx::query(
        "INSERT INTO identity.form_token (tenant_id, hash, account_id, friend_id, method, expire_time)
         SELECT tenant_id, sha256(gen_random_uuid()::text::bytea), account_id, friend_id, method,
             now() - interval '8 days'
         FROM generate_series(1, 5000), LATERAL (SELECT * FROM identity.form_token LIMIT 1) t",
    );
    assert_eq!(copies.execute(&stage.house.admin().await).await.unwrap().rows_affected(), 5_000);
    Stage::until(|| async {
        let left = stage.count("identity.form_token").await;
        if left == 1 { Ok(()) } else { Err(left.to_string()) }
    })
    .await;
    stage.look(&token).await;
}
