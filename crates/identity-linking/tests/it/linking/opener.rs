//! L-04: LINE alone says who opened a form.

use chrono::TimeDelta;
use contracts::events::v1::InquiryState;
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::*;
use kernel::TenantId;

use super::stage::{HANAKO, MOBILE, OTHER_MOBILE, Stage, decision, person};

const UNCONFIRMED: (LinkOutcome, LinkReason) = (LinkOutcome::Refused, LinkReason::NotConfirmedByLine);
const FIELDS: [(&str, &str); 3] = [("family", "山田"), ("given", "花子"), ("mobile", MOBILE)];

#[tokio::test]
async fn a_form_that_somebody_else_finished_links_nobody_and_the_reason_is_kept() {
    let stage = Stage::open("opener").await;
    stage.customer(HANAKO, MOBILE).await;
    let (late, early) = (TimeDelta::hours(13).num_milliseconds(), TimeDelta::hours(13).num_milliseconds());
    for (who, case) in [(1, "failed"), (2, "another"), (3, "late"), (4, "early")] {
        let who = person(who);
        let nonce = stage.ask(&who, HANAKO, MOBILE).await;
        let word = match case {
            "failed" => stage.failed(&nonce),
            "another" => stage.confirmed(&person(99), stage.moment(), &nonce),
            "late" => stage.confirmed(&who, stage.moment() + late, &nonce),
            _ => stage.confirmed(&who, stage.moment() - early, &nonce),
        };
        stage.send(&[word.clone(), word]).await;
        assert_eq!(decision(&stage.attempt_of(&who).await), UNCONFIRMED, "{case}");
        // LINE's first word is its last one.
        let attempt = stage.confirm(&who, &nonce).await;
        assert_eq!((decision(&attempt), &*attempt.customer_id), (UNCONFIRMED, ""), "{case}");
        assert!(attempt.candidates.is_empty(), "nothing was compared");
    }
    assert_eq!(
        (stage.active().await, stage.count("identity.link").await, stage.count("identity.customer").await),
        (0, 0, 1)
    );
    stage.replay().await;
}

#[tokio::test]
async fn a_word_about_a_nonce_of_nobody_or_from_another_account_changes_nothing() {
    let stage = Stage::open("opener_nonce").await;
    stage.customer(HANAKO, MOBILE).await;
    let nonce = stage.ask(&person(1), HANAKO, MOBILE).await;
    stage.send(&[stage.confirmed(&person(1), stage.moment(), "no-nonce-of-ours"), stage.failed("another")]).await;
    assert_eq!(stage.attempt_of(&person(1)).await.state(), LinkAttemptState::Pending);
    let other = stage.house.registered(stage.tenant, &stage.provider, &crate::friend::user(201)).await;
    stage.send_as(other, &[stage.confirmed(&person(1), stage.moment(), &nonce)], false).await;
    assert_eq!(decision(&stage.attempt_of(&person(1)).await), UNCONFIRMED);
    assert_eq!(stage.active().await, 0);
}

#[tokio::test]
async fn an_inquiry_that_somebody_else_sent_arrives_as_refuted() {
    let stage = Stage::open("opener_inquiry").await;
    stage.customer(HANAKO, MOBILE).await;
    let nonce = stage.inquire(&person(1), HANAKO).await;
    stage.send(&[stage.failed(&nonce)]).await;
    assert_eq!(decision(&stage.attempt_of(&person(1)).await), UNCONFIRMED);
    let told = stage.house.told(Some(stage.tenant)).await.into_iter();
    let states = told.filter_map(|body| if let Body::Inquiry(one) = body { Some(one.state()) } else { None });
    assert_eq!(states.collect::<Vec<_>>(), [InquiryState::Unconfirmed, InquiryState::Refuted]);
    assert_eq!(stage.active().await, 0);
}

#[tokio::test]
async fn used_expired_foreign_and_unknown_tokens_give_one_page_and_link_nothing() {
    let stage = Stage::open("opener_token").await;
    stage.customer(HANAKO, MOBILE).await;
    let used = stage.tap(&person(1), "reservations").await;
    let (one, two) = (stage.look(&used).await, stage.look(&used).await);
    let first = one.submit(&FIELDS).await;
    let other = [FIELDS[0], FIELDS[1], ("mobile", OTHER_MOBILE)];
    let (again, same) = (two.submit(&other).await, one.submit(&other).await);
    let reasons: Vec<_> = stage.attempts_of(&person(1)).await.iter().map(decision).collect();
    let token_used = (LinkOutcome::Refused, LinkReason::TokenUsed);
    assert_eq!(reasons, [token_used, token_used, (LinkOutcome::Unspecified, LinkReason::Unspecified)]);

    let expired = stage.tap(&person(2), "reservations").await;
    let form = stage.look(&expired).await;
    stage
        .alter("UPDATE identity.form_token SET expire_time = now() - interval '1 second' WHERE use_time IS NULL")
        .await;
    let too_late = form.submit(&FIELDS).await;
    assert_eq!(decision(&stage.attempt_of(&person(2)).await), (LinkOutcome::Refused, LinkReason::TokenExpired));

    // A secret of this tenant, said to be another's.
    let fresh = stage.tap(&person(3), "reservations").await;
    let elsewhere: TenantId = stage.house.tenant().await;
    let foreign = format!("{elsewhere}.{}", fresh.split_once('.').unwrap().1);
    let page = stage.house.pages_url();
    let shown = |token: String| {
        let page = page.join(&format!("/f/{token}")).unwrap();
        async move {
            let shown = reqwest::get(page).await.unwrap();
            (shown.status().as_u16(), shown.text().await.unwrap())
        }
    };
    let gone = shown(format!("{}.{}", stage.tenant, "A".repeat(43))).await;
    assert_eq!(gone.0, 404);
    for token in [foreign, used, expired] {
        assert_eq!(shown(token).await, gone);
    }
    for answered in [again, same, too_late] {
        assert_eq!((answered.status, answered.html, answered.dialog), (404, gone.1.clone(), None));
    }
    stage.confirm(&person(1), &first.nonce()).await;
    assert_eq!((stage.active().await, stage.linked(&person(1)).await.len()), (1, 1), "the first submission counts");
    stage.replay().await;
}

#[tokio::test]
async fn a_page_answers_alike_whoever_is_on_record() {
    let stage = Stage::open("opener_alike").await;
    stage.customer(HANAKO, MOBILE).await;
    let mut seen = Vec::new();
    for (who, family) in [(1, "山田"), (2, "鈴木"), (3, "髙橋")] {
        let token = stage.tap(&person(who), "reservations").await;
        let answered = stage.look(&token).await.submit(&[("family", family), FIELDS[1], FIELDS[2]]).await;
        let dialog = answered.dialog.unwrap();
        seen.push((answered.status, answered.html, dialog.as_str().len(), dialog.path().to_owned()));
    }
    assert_eq!(seen[0].0, 303);
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
    // What is said in the chat after LINE's word is the same, too.
    let mut said = Vec::new();
    let mut became = Vec::new();
    for (who, family) in [(4, "山田"), (5, "鈴木"), (6, "山田"), (4, "山田"), (7, "佐藤")] {
        if who == 7 {
            stage.hold().await;
        }
        became.push(stage.link(&person(who), (family, "花子"), MOBILE).await.outcome());
        said.push(stage.answers(&person(who)).await.pop().unwrap().line_objects);
    }
    let each = [
        LinkOutcome::Linked,
        LinkOutcome::CreatedNew,
        LinkOutcome::Refused,
        LinkOutcome::AlreadyLinked,
        LinkOutcome::Held,
    ];
    assert_eq!(became, each);
    assert!(said.iter().all(|one| *one == said[0]), "{said:?}");
}

#[tokio::test]
async fn what_line_never_confirms_is_refused_and_a_word_given_in_time_still_counts() {
    let stage = Stage::open("opener_never").await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    let nonce = stage.ask(&person(1), HANAKO, MOBILE).await;
    let given = stage.moment();
    stage.alter("UPDATE identity.link_attempt SET confirm_until = now() - interval '1 second'").await;
    Stage::until(|| async {
        let attempt = stage.attempt_of(&person(1)).await;
        if decision(&attempt) == UNCONFIRMED { Ok(()) } else { Err(format!("{attempt:?}")) }
    })
    .await;
    assert_eq!(stage.active().await, 0);
    let word = stage.confirmed(&person(1), given, &nonce);
    for event in [word.clone(), stage.failed(&nonce), word] {
        stage.send(&[event]).await;
    }
    let attempt = stage.attempt_of(&person(1)).await;
    assert_eq!((decision(&attempt), attempt.customer_id), ((LinkOutcome::Linked, LinkReason::None), customer));
    assert_eq!(stage.count("identity.link").await, 1);
    stage.replay().await;
}
