//! How long is kept what LINE users did on the staff account.

use contracts::identity::v1::StaffLineState;

use super::scene::{bound, card, member, open, read, types};
use crate::linking::stage::{Stage, person};

/// Waits until none of the table's rows is left that `old` says, and tells how many others are.
async fn left(stage: &Stage, table: &str, old: &str) -> i64 {
    Stage::until(|| async {
        match stage.count(&format!("identity.{table} WHERE {old}")).await {
            0 => Ok(()),
            old => Err(format!("{table}: {old}")),
        }
    })
    .await;
    stage.count(&format!("identity.{table}")).await
}

#[tokio::test]
async fn cards_are_forgotten_a_week_after_their_end_and_typed_codes_after_thirty_days() {
    let stage = open("staff_retention").await;
    let token = card(&stage, &person(1)).await;
    assert_eq!(types(&stage, &token, "0000-0000-0000-0000").await.status, 422);
    stage
        .alter(
            "INSERT INTO identity.staff_form_token (tenant_id, hash, account_id, line_user_id, issue_time, expire_time)
             SELECT tenant_id, sha256(days::text::bytea), account_id, line_user_id, issue_time, now() - days * interval '1 day'
             FROM identity.staff_form_token, unnest(ARRAY[6, 8, 400]) AS days",
        )
        .await;
    stage
        .alter(
            "INSERT INTO identity.staff_bind_attempt
                 (tenant_id, staff_bind_attempt_id, account_id, line_user_id, address_hash, submit_time, outcome)
             SELECT tenant_id, gen_random_uuid(), account_id, line_user_id, address_hash, now() - days * interval '1 day', outcome
             FROM identity.staff_bind_attempt, unnest(ARRAY[29, 31, 400]) AS days",
        )
        .await;
    assert_eq!(left(&stage, "staff_form_token", "expire_time < now() - interval '7 days'").await, 2);
    assert_eq!(left(&stage, "staff_bind_attempt", "submit_time < now() - interval '30 days'").await, 2);
    assert_eq!(types(&stage, &token, "0000-0000-0000-0000").await.status, 422, "the card is still good");
}

#[tokio::test]
async fn invitations_are_forgotten_ninety_days_after_their_time_however_they_ended() {
    let stage = open("invitation_retention").await;
    let staff = member(&stage, "佐藤").await.staff_id;
    bound(&stage, &staff, &person(1)).await;
    stage
        .alter(
            "INSERT INTO identity.staff_invitation
                 (tenant_id, staff_invitation_id, staff_id, hash, create_time, expire_time, use_time, revoke_time)
             SELECT tenant_id, gen_random_uuid(), staff_id, sha256(number::text::bytea), create_time,
                 now() - days * interval '1 day', CASE how WHEN 'used' THEN now() END, CASE how WHEN 'revoked' THEN now() END
             FROM identity.staff_invitation,
                 (VALUES (1, 89, 'expired'), (2, 91, 'expired'), (3, 91, 'used'), (4, 400, 'revoked')) AS i (number, days, how)",
        )
        .await;
    assert_eq!(left(&stage, "staff_invitation", "expire_time < now() - interval '90 days'").await, 2);
    // The one that somebody was bound by, too, and the member stays bound.
    stage.alter("UPDATE identity.staff_bind_attempt SET submit_time = now() - interval '98 days'").await;
    stage
        .alter(
            "UPDATE identity.staff_invitation SET expire_time = now() - interval '91 days' WHERE use_time IS NOT NULL",
        )
        .await;
    assert_eq!(left(&stage, "staff_invitation", "use_time IS NOT NULL").await, 1);
    assert_eq!(read(&stage, &staff).await.line_state(), StaffLineState::Bound);
}

/// Who is known on the account, by the last digit of his LINE user ID.
async fn known(stage: &Stage) -> String {
    let known = "SELECT coalesce(string_agg(right(line_user_id, 1), '' ORDER BY line_user_id), '') FROM identity.staff_line_user";
    sqlx::query_scalar(known).fetch_one(&stage.house.admin().await).await.unwrap()
}

#[tokio::test]
async fn who_is_nobodys_staff_is_forgotten_after_ninety_days_and_known_again_when_he_comes_back() {
    let stage = open("stranger_retention").await;
    let staff = member(&stage, "佐藤").await.staff_id;
    bound(&stage, &staff, &person(1)).await;
    for number in 2..=7 {
        card(&stage, &person(number)).await;
    }
    for number in [1, 3] {
        stage.send(&[stage.event("unfollow", &person(number), stage.moment(), "")]).await;
    }
    // One is staff and blocked the account, 2 is a friend, 3 blocked it. 4 holds a card, 5 typed a code, 6 came back 89 days ago, and of
    // 7 nothing was heard but that he was there.
    stage.alter("DELETE FROM identity.staff_form_token WHERE right(line_user_id, 1) <> '4'").await;
    stage
        .alter(
            "UPDATE identity.staff_bind_attempt SET line_user_id = left(line_user_id, -1) || '5', submit_time = now()
             WHERE right(line_user_id, 1) = '1'",
        )
        .await;
    stage
        .alter(
            "UPDATE identity.staff_line_user SET first_seen_time = now() - interval '400 days',
                 turn_time = CASE right(line_user_id, 1) WHEN '6' THEN now() - interval '89 days' WHEN '7' THEN NULL
                     ELSE now() - interval '91 days' END,
                 turn_event_id = CASE right(line_user_id, 1) WHEN '7' THEN NULL ELSE turn_event_id END",
        )
        .await;
    // And more others than are looked at in one transaction.
    stage
        .alter(
            "INSERT INTO identity.staff_line_user (tenant_id, account_id, line_user_id, state, first_seen_time)
             SELECT tenant_id, account_id, 'U' || lpad(number::text, 31, '0') || 'f', 'SEEN', first_seen_time
             FROM identity.staff_line_user, generate_series(1, 150) AS number WHERE right(line_user_id, 1) = '1'",
        )
        .await;
    // Whoever starts looks at once.
    let _beside = stage.house.beside().await;
    left(&stage, "staff_line_user", "right(line_user_id, 1) IN ('2', '3', '7', 'f')").await;
    assert_eq!(known(&stage).await, "1456");
    assert_eq!(read(&stage, &staff).await.line_state(), StaffLineState::Blocked);
    card(&stage, &person(3)).await;
    assert_eq!(known(&stage).await, "13456");
}
