//! From the card in the chat to the binding, and its end.

use contracts::identity::v1::*;

use super::scene::{bound, card, change, contacts, invite, member, open, read, said, types};
use crate::linking::stage::{Stage, person, token_in};

async fn reached(stage: &Stage, staff_id: &str) -> (String, String) {
    let last = contacts(stage, staff_id).await.pop().unwrap();
    (last.account_id, last.line_user_id)
}

#[tokio::test]
async fn a_member_is_bound_by_code_and_lines_word_and_not_before() {
    let stage = open("bind").await;
    let (staff, who) = (member(&stage, "佐藤").await.staff_id, person(1));
    let code = invite(&stage, &staff).await;
    let token = card(&stage, &who).await;
    let form = stage.look(&token).await;
    assert!(form.html.contains("スタッフ登録") && form.html.contains(r#"name="code""#));
    assert!(!form.html.contains(r#"name="family""#));
    let typed = code.to_lowercase().replace('-', " ");
    let submitted = form.submit(&[("code", &typed)]).await;
    assert_eq!(submitted.status, 303);
    let nonce = submitted.nonce();
    assert_eq!(read(&stage, &staff).await.line_state(), StaffLineState::NotBound, "a form proves nothing");
    assert!(contacts(&stage, &staff).await.is_empty());

    let word = stage.confirmed(&who, stage.moment(), &nonce);
    stage.send(std::slice::from_ref(&word)).await;
    assert_eq!(read(&stage, &staff).await.line_state(), StaffLineState::Bound);
    assert_eq!(reached(&stage, &staff).await, (stage.account.to_string(), who.clone()));
    assert!(said(&stage, &who).await.starts_with("スタッフとして登録されました"));
    assert!(stage.house.audit(stage.tenant).await.contains(&"staff.bind_line".to_owned()));
    let (told, answers) = (contacts(&stage, &staff).await.len(), stage.answers(&who).await.len());
    // The same word again, and whatever he writes from now on, changes nothing and is not answered.
    stage.send(&[word, stage.wrote(&who)]).await;
    assert_eq!((contacts(&stage, &staff).await.len(), stage.answers(&who).await.len()), (told, answers));
    assert_eq!(types_gone(&stage, &token).await, 404, "the card is good for nothing any more");
}

async fn types_gone(stage: &Stage, token: &str) -> u16 {
    let page = stage.house.pages_url().join(&format!("/f/{token}")).unwrap();
    reqwest::get(page).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_forwarded_card_binds_nobody_else() {
    let stage = open("bind_forwarded").await;
    let (staff, owner, other) = (member(&stage, "佐藤").await.staff_id, person(1), person(2));
    let code = invite(&stage, &staff).await;
    card(&stage, &other).await;
    // The card of one LINE user is opened by another, who has a code, and confirms.
    let nonce = types(&stage, &card(&stage, &owner).await, &code).await.nonce();
    let before = stage.answers(&other).await.len();
    stage.send(&[stage.confirmed(&other, stage.moment(), &nonce)]).await;
    assert_eq!(read(&stage, &staff).await.line_state(), StaffLineState::NotBound);
    assert_eq!(stage.answers(&other).await.len(), before, "who confirmed is told nothing");
    // LINE's word was said: the same nonce is good for nothing more, and the code is not used up.
    stage.send(&[stage.confirmed(&owner, stage.moment(), &nonce)]).await;
    assert_eq!(read(&stage, &staff).await.line_state(), StaffLineState::NotBound);
    let nonce = types(&stage, &card(&stage, &owner).await, &code).await.nonce();
    stage.send(&[stage.failed(&nonce)]).await;
    stage.send(&[stage.confirmed(&owner, stage.moment(), &nonce)]).await;
    assert_eq!(reached(&stage, &staff).await.1, owner, "whom the card was given to");
}

#[tokio::test]
async fn one_line_user_is_one_member_and_one_code_binds_once() {
    let stage = open("bind_once").await;
    let (first, second) = (member(&stage, "佐藤").await.staff_id, member(&stage, "鈴木").await.staff_id);
    let (one, other) = (person(1), person(2));
    // Two LINE users type the same code and confirm, and one types two members' codes.
    let (code, second_code) = (invite(&stage, &first).await, invite(&stage, &second).await);
    let (token, other_token) = (card(&stage, &one).await, card(&stage, &other).await);
    let nonce = types(&stage, &token, &code).await.nonce();
    let second_nonce = types(&stage, &token, &second_code).await.nonce();
    let other_nonce = types(&stage, &other_token, &code).await.nonce();
    stage.send(&[stage.confirmed(&one, stage.moment(), &nonce)]).await;
    stage.send(&[stage.confirmed(&other, stage.moment(), &other_nonce)]).await;
    assert_eq!(reached(&stage, &first).await.1, one);
    assert!(said(&stage, &other).await.starts_with("登録できませんでした"));
    stage.send(&[stage.confirmed(&one, stage.moment(), &second_nonce)]).await;
    assert!(said(&stage, &one).await.starts_with("登録できませんでした"), "the LINE user is somebody already");
    assert_eq!(read(&stage, &second).await.line_state(), StaffLineState::NotBound);
    // A new invitation binds the member to another LINE user instead, and leaves the first one nobody.
    bound(&stage, &first, &other).await;
    assert_eq!(reached(&stage, &first).await.1, other);
    bound(&stage, &second, &one).await;
}

#[tokio::test]
async fn whoever_blocks_the_account_or_is_not_active_is_not_reached_until_that_changes() {
    let stage = open("bind_blocked").await;
    let (staff, who) = (member(&stage, "佐藤").await.staff_id, person(1));
    bound(&stage, &staff, &who).await;
    let account = stage.account.to_string();
    let (blocked, back) = (stage.moment(), stage.moment());
    stage.send(&[stage.event("unfollow", &who, blocked, "")]).await;
    assert_eq!(reached(&stage, &staff).await, (account.clone(), String::new()));
    assert_eq!(read(&stage, &staff).await.line_state(), StaffLineState::Blocked);
    // In any order: the later of LINE's own times holds.
    stage.send(&[stage.event("follow", &who, back, "")]).await;
    stage.send(&[stage.event("unfollow", &who, blocked - 1, "")]).await;
    assert_eq!(reached(&stage, &staff).await, (account.clone(), who.clone()));
    let inactive = StaffMember { staff_id: staff.clone(), ..StaffMember::default() };
    change(&stage, inactive.clone(), &["active"]).await.unwrap();
    assert_eq!(reached(&stage, &staff).await, (String::new(), String::new()));
    change(&stage, StaffMember { active: true, ..inactive }, &["active"]).await.unwrap();
    assert_eq!(reached(&stage, &staff).await, (account, who.clone()));

    let unbind = || UnbindStaffLineRequest { staff_id: staff.clone() };
    for _ in 0..2 {
        let unbound = stage.at().staff().unbind_staff_line(unbind()).await.unwrap().into_inner().staff_member.unwrap();
        assert_eq!(unbound.line_state(), StaffLineState::NotBound);
    }
    assert_eq!(reached(&stage, &staff).await, (String::new(), String::new()));
    let versions: Vec<i64> = contacts(&stage, &staff).await.iter().map(|told| told.version).collect();
    assert_eq!(
        versions,
        (1..=i64::try_from(versions.len()).unwrap()).collect::<Vec<_>>(),
        "each change once, in order"
    );
    stage.send(&[stage.wrote(&who)]).await;
    let asked = token_in(&stage.answers(&who).await.pop().unwrap());
    assert_eq!(types_gone(&stage, &asked).await, 200, "nobody of the staff is asked for a code again");
}

#[tokio::test]
async fn who_blocked_the_account_before_lines_word_is_bound_and_reached_once_back() {
    let stage = open("bind_blocks_first").await;
    let (staff, who) = (member(&stage, "佐藤").await.staff_id, person(1));
    let code = invite(&stage, &staff).await;
    let nonce = types(&stage, &card(&stage, &who).await, &code).await.nonce();
    stage.send(&[stage.event("unfollow", &who, stage.moment(), "")]).await;
    stage.send(&[stage.confirmed(&who, stage.moment(), &nonce)]).await;
    assert_eq!(read(&stage, &staff).await.line_state(), StaffLineState::Blocked);
    assert_eq!(reached(&stage, &staff).await, (stage.account.to_string(), String::new()));
    stage.send(&[stage.event("follow", &who, stage.moment(), "")]).await;
    assert_eq!(reached(&stage, &staff).await, (stage.account.to_string(), who));
}

#[tokio::test]
async fn no_card_answers_what_is_old_silenced_or_on_standby_nor_writing_without_end() {
    let stage = open("bind_card").await;
    let who = person(1);
    let old = stage.moment() - 21 * 60 * 1_000;
    let (kind, follow) = stage.event("follow", &who, stage.moment(), "");
    let standby = (kind, follow.replace(r#""mode":"active""#, r#""mode":"standby""#));
    stage.send(&[stage.event("follow", &who, old, ""), standby]).await;
    stage.send_as(stage.account, &[stage.wrote(&who)], true).await;
    assert!(stage.answers(&who).await.is_empty());
    let written: Vec<_> = (0..15).map(|_| stage.wrote(&who)).collect();
    stage.send(&written).await;
    assert_eq!(stage.answers(&who).await.len(), 10, "so many an hour");
    assert_eq!(stage.count("identity.staff_form_token").await, 10);
}
