//! Codes that are not good, and how often they may be tried.

use contracts::identity::v1::*;

use super::scene::{card, change, invite, member, open, types};
use crate::linking::stage::{Answered, Stage, person};

/// What a page says, without what differs from submission to submission.
fn page(answered: &Answered, typed: &str) -> (u16, String) {
    let proof = answered.html.split(r#"name="proof" value=""#).nth(1).map(|rest| rest.split('"').next().unwrap());
    let typed = format!(r#"value="{typed}""#);
    (answered.status, answered.html.replace(proof.unwrap_or("-"), "").replace(&typed, ""))
}

async fn revoked(stage: &Stage, staff_id: &str) -> String {
    let request = CreateStaffInvitationRequest { staff_id: staff_id.to_owned(), request_id: String::new() };
    let made = stage.at().staff().create_staff_invitation(request).await.unwrap().into_inner();
    let staff_invitation_id = made.staff_invitation.unwrap().staff_invitation_id;
    stage.at().staff().revoke_staff_invitation(RevokeStaffInvitationRequest { staff_invitation_id }).await.unwrap();
    made.code
}

#[tokio::test]
async fn whatever_is_wrong_with_a_code_gets_the_same_answer() {
    let stage = open("codes").await;
    let staff = member(&stage, "佐藤").await.staff_id;
    let revoked = revoked(&stage, &staff).await;
    let replaced = invite(&stage, &staff).await;
    let expired = invite(&stage, &staff).await;
    stage.alter("UPDATE identity.staff_invitation SET expire_time = now() - interval '1 second'").await;
    let leaver = member(&stage, "鈴木").await.staff_id;
    let of_leaver = invite(&stage, &leaver).await;
    change(&stage, StaffMember { staff_id: leaver.clone(), ..StaffMember::default() }, &["active"]).await.unwrap();
    let elsewhere = open_beside(&stage).await;
    let token = card(&stage, &person(1)).await;
    let mut pages = Vec::new();
    for code in ["0000-0000-0000-0000", "x", &revoked, &replaced, &expired, &of_leaver, &elsewhere] {
        pages.push(page(&types(&stage, &token, code).await, code));
    }
    assert_eq!(pages[0].0, 422);
    assert!(pages[0].1.contains("この招待コードは使えません"));
    for other in &pages[1..] {
        assert_eq!(*other, pages[0]);
    }
    assert_eq!(page(&types(&stage, &token, " ").await, "").0, 422);
    assert_eq!(stage.count("identity.staff_bind_attempt WHERE outcome = 'BAD_CODE' AND nonce_hash IS NULL").await, 7);
}

/// A good code of another tenant in the same house.
async fn open_beside(stage: &Stage) -> String {
    let other = stage.house.tenant().await;
    let staff_member = StaffMember { display_name: "田中".to_owned(), active: true, ..StaffMember::default() };
    let request = CreateStaffMemberRequest { staff_member: Some(staff_member), request_id: String::new() };
    let at = stage.house.at(other);
    let made = at.staff().create_staff_member(request).await.unwrap().into_inner().staff_member.unwrap();
    let request = CreateStaffInvitationRequest { staff_id: made.staff_id, request_id: String::new() };
    at.staff().create_staff_invitation(request).await.unwrap().into_inner().code
}

#[tokio::test]
async fn a_line_user_tries_ten_codes_an_hour_and_an_address_as_many_as_a_crowd() {
    let stage = open("codes_rate").await;
    let staff = member(&stage, "佐藤").await.staff_id;
    let (code, token) = (invite(&stage, &staff).await, card(&stage, &person(1)).await);
    // At once, as whoever guesses would: they are counted one after the other.
    let form = stage.look(&token).await;
    let guesses: Vec<String> = (0..14).map(|number| format!("0000-0000-0000-00{number:02}")).collect();
    let tries = guesses.iter().map(|guess| async { form.submit(&[("code", guess)]).await.status });
    let mut statuses = futures::future::join_all(tries).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [[422; 10].as_slice(), &[429; 4]].concat());
    assert_eq!(types(&stage, &token, &code).await.status, 429, "a good one comes too late, too");
    assert_eq!(types(&stage, &card(&stage, &person(2)).await, &code).await.status, 303, "nobody else is kept out");
    stage.alter("UPDATE identity.staff_bind_attempt SET submit_time = submit_time - interval '61 minutes'").await;
    assert_eq!(types(&stage, &token, &code).await.status, 303);

    let crowd = "INSERT INTO identity.staff_bind_attempt (tenant_id, staff_bind_attempt_id, account_id, line_user_id, address_hash,
             submit_time, outcome)
         SELECT DISTINCT ON (n) a.tenant_id, gen_random_uuid(), a.account_id, $$U$$ || repeat('0', 31) || '1', a.address_hash,
             now(), 'BAD_CODE'
         FROM identity.staff_bind_attempt a, generate_series(1, 120) n";
    stage.alter(crowd).await;
    let third = card(&stage, &person(3)).await;
    assert_eq!(types(&stage, &third, &code).await.status, 429, "from this address");
    let elsewhere = stage.look_from("198.51.100.7", &third).await.submit(&[("code", &code)]).await;
    assert_eq!(elsewhere.status, 303);
}

#[tokio::test]
async fn codes_nonces_and_tokens_are_kept_as_hashes_alone() {
    let stage = open("codes_hashes").await;
    let staff = member(&stage, "佐藤").await.staff_id;
    let (code, token) = (invite(&stage, &staff).await, card(&stage, &person(1)).await);
    let nonce = types(&stage, &token, &code).await.nonce();
    let secret = token.split_once('.').unwrap().1.to_owned();
    for table in ["staff_invitation", "staff_form_token", "staff_bind_attempt", "audit"] {
        let rows: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT t::text FROM identity.{table} t")))
                .fetch_all(&stage.house.admin().await)
                .await
                .unwrap();
        for hidden in [&code, &code.replace('-', ""), &nonce, &secret] {
            assert!(rows.iter().all(|row| !row.contains(hidden.as_str())), "{table}");
        }
    }
    let figures = stage.house.figures().await;
    assert!(figures.contains("tsunagi_identity_page_seconds") && !figures.contains(&code));
}
