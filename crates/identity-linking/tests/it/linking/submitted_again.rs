//! A form that is sent again: tapped twice, sent after the way back from LINE's dialog, or since no answer came.

use contracts::identity::v1::*;
use futures::future::join;

use super::stage::{HANAKO, MOBILE, OTHER_MOBILE, Stage, decision, person};

const INQUIRY: [(&str, &str); 3] = [("family", "山田"), ("given", "花子"), ("text", "明日は空いていますか")];
const LINK: [(&str, &str); 3] = [("family", "山田"), ("given", "花子"), ("mobile", MOBILE)];
const LINKED: (LinkOutcome, LinkReason) = (LinkOutcome::Linked, LinkReason::None);
const USED: (LinkOutcome, LinkReason) = (LinkOutcome::Refused, LinkReason::TokenUsed);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_taps_on_the_button_are_one_attempt_and_both_lead_to_lines_dialog() {
    let stage = Stage::open("again_at_once").await;
    stage.customer(HANAKO, MOBILE).await;
    for (who, data, fields) in [(1, "reservations", LINK), (2, "inquiry", INQUIRY)] {
        let who = person(who);
        let token = stage.tap(&who, data).await;
        let form = stage.look(&token).await;
        // Neither is answered by LINE before both have asked: each finds the token fresh.
        stage.house.messaging.meet(Some(2));
        let (one, two) = join(form.submit(&fields), form.submit(&fields)).await;
        stage.house.messaging.meet(None);
        assert_eq!((one.status, two.status), (303, 303), "{data}: {one:?} {two:?}");
        assert_ne!(one.nonce(), two.nonce());
        assert_eq!(stage.attempts_of(&who).await.len(), 1, "{data}");
        // One of the two dialogs counts, the one that was made last.
        let words = [one, two].map(|answered| stage.confirmed(&who, stage.moment(), &answered.nonce()));
        stage.send(&words).await;
        let attempt = stage.attempt_of(&who).await;
        assert!(attempt.reason() != LinkReason::NotConfirmedByLine && attempt.state() != LinkAttemptState::Pending);
    }
    assert_eq!((stage.count("identity.link_attempt").await, stage.count("identity.inquiry").await), (2, 1));
    assert_eq!(stage.active().await, 1);
    stage.replay().await;
}

#[tokio::test]
async fn the_same_sent_again_before_lines_word_opens_a_new_dialog_and_that_one_counts() {
    let stage = Stage::open("again").await;
    stage.customer(HANAKO, MOBILE).await;
    let who = person(1);
    let token = stage.tap(&who, "inquiry").await;
    let form = stage.look(&token).await;
    let first = form.submit(&INQUIRY).await.nonce();
    // The form's hour may pass in LINE's dialog.
    stage.alter("UPDATE identity.form_token SET expire_time = now() - interval '1 second'").await;
    let second = form.submit(&INQUIRY).await.nonce();
    assert_ne!(first, second);
    stage.send(&[stage.confirmed(&who, stage.moment(), &first)]).await;
    assert_eq!(stage.attempt_of(&who).await.state(), LinkAttemptState::Pending, "the dialog before is worth nothing");
    assert_eq!(decision(&stage.confirm(&who, &second).await), LINKED);
    // LINE is not waited for any more: the shop has it, and nothing is kept twice.
    let known = form.submit(&INQUIRY).await;
    assert_eq!((known.status, known.dialog), (200, None));
    assert!(!known.html.contains("<textarea"));
    assert_eq!((stage.count("identity.link_attempt").await, stage.count("identity.inquiry").await), (1, 1));
    stage.replay().await;
}

#[tokio::test]
async fn line_is_asked_ten_times_for_one_submission_and_no_more() {
    let stage = Stage::open("again_often").await;
    let token = stage.tap(&person(1), "reservations").await;
    let form = stage.look(&token).await;
    for _ in 0..10 {
        form.submit(&LINK).await.nonce();
    }
    assert_eq!(form.submit(&LINK).await.status, 404);
    let decided: Vec<_> = stage.attempts_of(&person(1)).await.iter().map(decision).collect();
    assert_eq!(decided, [USED, (LinkOutcome::Unspecified, LinkReason::Unspecified)]);
}

#[tokio::test]
async fn another_claim_with_a_used_token_is_refused_and_the_dialog_before_still_counts() {
    let stage = Stage::open("again_other").await;
    stage.customer(HANAKO, MOBILE).await;
    let who = person(1);
    let token = stage.tap(&who, "reservations").await;
    let form = stage.look(&token).await;
    let nonce = form.submit(&LINK).await.nonce();
    let others = [
        [("family", "山本"), LINK[1], LINK[2]],
        [LINK[0], ("given", "はなこ"), LINK[2]],
        [LINK[0], LINK[1], ("mobile", OTHER_MOBILE)],
    ];
    for other in others {
        let refused = form.submit(&other).await;
        assert_eq!((refused.status, refused.dialog), (404, None), "{other:?}");
        assert_eq!(decision(&stage.attempt_of(&who).await), USED);
    }
    stage.send(&[stage.confirmed(&who, stage.moment(), &nonce)]).await;
    let decided: Vec<_> = stage.attempts_of(&who).await.iter().map(decision).collect();
    assert_eq!(decided, [USED, USED, USED, LINKED]);
    // Once it is decided, the same is nothing new, either.
    assert_eq!(form.submit(&LINK).await.status, 404);
    assert_eq!(stage.active().await, 1);
    stage.replay().await;
}

#[tokio::test]
async fn what_line_refuses_the_second_time_stays_as_it_was_sent_the_first_time() {
    let stage = Stage::open("again_refused").await;
    for (who, data, fields, status) in [(1, "reservations", LINK, 404), (2, "inquiry", INQUIRY, 200)] {
        let who = person(who);
        let token = stage.tap(&who, data).await;
        let form = stage.look(&token).await;
        form.submit(&fields).await.nonce();
        stage.house.messaging.refuse(Some(tonic::Status::failed_precondition("refused")));
        assert_eq!(form.submit(&fields).await.status, status, "{data}");
        stage.house.messaging.refuse(None);
        let attempts = stage.attempts_of(&who).await;
        assert_eq!(attempts.iter().map(LinkAttempt::state).collect::<Vec<_>>(), [LinkAttemptState::Pending]);
    }
    assert_eq!(stage.count("identity.inquiry").await, 1);
}
