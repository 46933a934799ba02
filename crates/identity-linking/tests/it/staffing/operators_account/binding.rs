//! Staff of several tenants on one account: each code leads to its own tenant.

use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::StaffLineState;

use super::super::scene::{card, said, types};
use super::{Guest, open};
use crate::linking::stage::{person, token_in};

#[tokio::test]
async fn one_person_is_staff_of_two_tenants_and_neither_hears_of_the_other() {
    let stage = open("shared_bind").await;
    let (one, two) = (Guest::open(&stage).await, Guest::open(&stage).await);
    let who = person(1);
    let code = one.invite(&stage).await;
    assert_eq!(code.len(), "XXXX-XXXX-XXXX-XXXX-XXXX".len(), "{code}");
    let nonce = types(&stage, &card(&stage, &who).await, &code.to_lowercase().replace('-', " ")).await.nonce();
    assert_eq!(one.state(&stage).await, StaffLineState::NotBound, "a form proves nothing");
    let word = stage.confirmed(&who, stage.moment(), &nonce);
    stage.send(&[word.clone(), word]).await;
    assert_eq!((one.state(&stage).await, two.state(&stage).await), (StaffLineState::Bound, StaffLineState::NotBound));
    assert!(said(&stage, &who).await.starts_with("スタッフとして登録されました"));
    // Whoever is staff of one tenant is asked for a code again when he writes, as another may invite him.
    stage.send(&[stage.wrote(&who)]).await;
    let token = token_in(&stage.answers(&who).await.pop().unwrap());
    let nonce = types(&stage, &token, &two.invite(&stage).await).await.nonce();
    stage.send(&[stage.confirmed(&who, stage.moment(), &nonce)]).await;
    for guest in [&one, &two] {
        let told = guest.contacts(&stage).await;
        let told: Vec<_> = told.iter().map(|one| (one.version, &*one.account_id, &*one.line_user_id)).collect();
        assert_eq!(told, [(1, &*stage.account.to_string(), &*who)]);
    }

    let (blocked, back) = (stage.moment(), stage.moment());
    stage.send(&[stage.event("unfollow", &who, blocked, "")]).await;
    for guest in [&one, &two] {
        assert_eq!(guest.state(&stage).await, StaffLineState::Blocked);
    }
    stage.send(&[stage.event("follow", &who, back, "")]).await;
    stage.send(&[stage.event("unfollow", &who, blocked - 1, "")]).await;
    for guest in [&one, &two] {
        assert_eq!(guest.state(&stage).await, StaffLineState::Bound);
        assert_eq!(guest.contacts(&stage).await.len(), 3, "bound, blocked, back: each once");
    }

    // Nobody became anybody's friend or customer, and the account's own tenant hears of nobody's staff.
    for table in ["friendship", "line_user", "customer", "link_attempt", "first_message", "profile_request"] {
        assert_eq!(stage.count(&format!("identity.{table}")).await, 0, "{table}");
    }
    let told = stage.house.told(Some(stage.tenant)).await;
    assert!(!told.iter().any(|body| matches!(body, Body::StaffContact(_) | Body::Staff(_))), "{told:?}");
}

#[tokio::test]
async fn a_code_is_good_on_the_account_it_was_made_for_and_in_its_own_tenant_alone() {
    let stage = open("shared_codes").await;
    let (one, two) = (Guest::open(&stage).await, Guest::open(&stage).await);
    let (code, other) = (one.invite(&stage).await, two.invite(&stage).await);
    let token = card(&stage, &person(1)).await;
    let own = code.split_once('-').unwrap().1.to_owned();
    let crossed = format!("{}-{own}", other.split_once('-').unwrap().0);
    for wrong in [&own, &crossed, &format!("0000-{own}"), &code.replace('-', "")[1..].to_owned()] {
        let answered = types(&stage, &token, wrong).await;
        assert!(answered.dialog.is_none() && answered.status == 422, "{wrong}: {answered:?}");
    }
    // On an account of a tenant's own the whole code is as unknown as any other.
    let alone = super::super::scene::open("shared_codes_own").await;
    let elsewhere = card(&alone, &person(1)).await;
    assert!(types(&alone, &elsewhere, &code).await.dialog.is_none());

    // And the account's own tenant has no staff there.
    let member = super::super::scene::member(&stage, "佐藤").await.staff_id;
    let home = super::super::scene::invite(&stage, &member).await;
    assert!(types(&stage, &token, &home).await.dialog.is_none());
    let nonce = types(&stage, &token, &code).await.nonce();
    stage.send(&[stage.confirmed(&person(1), stage.moment(), &nonce)]).await;
    assert_eq!((one.state(&stage).await, two.state(&stage).await), (StaffLineState::Bound, StaffLineState::NotBound));
}

#[tokio::test]
async fn a_forwarded_card_binds_nobody_else_and_one_line_user_is_one_member_of_a_tenant() {
    let stage = open("shared_forwarded").await;
    let (one, two) = (Guest::open(&stage).await, Guest::open(&stage).await);
    let (owner, other) = (person(1), person(2));
    let code = one.invite(&stage).await;
    card(&stage, &other).await;
    let nonce = types(&stage, &card(&stage, &owner).await, &code).await.nonce();
    stage.send(&[stage.confirmed(&other, stage.moment(), &nonce)]).await;
    stage.send(&[stage.confirmed(&owner, stage.moment(), &nonce)]).await;
    assert_eq!(one.state(&stage).await, StaffLineState::NotBound, "LINE's word was said");
    one.bind(&stage, &owner).await;
    two.bind(&stage, &owner).await;
    // A colleague of the same tenant cannot be the same LINE user.
    let colleague = Guest::colleague(&stage, one.tenant).await;
    let nonce = types(&stage, &card(&stage, &owner).await, &colleague.invite(&stage).await).await.nonce();
    stage.send(&[stage.confirmed(&owner, stage.moment(), &nonce)]).await;
    assert_eq!(colleague.state(&stage).await, StaffLineState::NotBound);
    assert!(said(&stage, &owner).await.starts_with("登録できませんでした"));
}
