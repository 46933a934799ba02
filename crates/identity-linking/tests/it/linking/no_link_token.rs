//! Where LINE issues no link token, or the form token is not good, nothing that was written is lost (F-11).

use std::collections::HashMap;

use contracts::events::v1::InquiryState;
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::*;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::stage::{Form, HANAKO, MOBILE, Stage, decision, person};
use crate::house::SOON;

const INQUIRY: [(&str, &str); 3] = [("family", "山田"), ("given", "花子"), ("text", "明日は<b>空いて</b>いますか")];
const LINK: [(&str, &str); 3] = [("family", "山田"), ("given", "花子"), ("mobile", MOBILE)];
const GIVEN_BACK: &str = "明日は&#60;b&#62;空いて&#60;/b&#62;いますか</textarea>";

/// A refusal that settles it, as messaging-outbox tells it.
fn settled(reason: &str) -> Status {
    let details = ErrorDetails::with_error_info(reason, "tsunagi", HashMap::new());
    Status::with_error_details(Code::FailedPrecondition, "refused", details)
}

impl Stage {
    /// The inquiries other services were told of, as LINE's word stood.
    async fn told_inquiries(&self) -> Vec<InquiryState> {
        let told = self.house.told(Some(self.tenant)).await.into_iter();
        told.filter_map(|body| if let Body::Inquiry(one) = body { Some(one.state()) } else { None }).collect()
    }

    async fn form(&self, user: &str, data: &str) -> Form {
        let token = self.tap(user, data).await;
        self.look(&token).await
    }
}

#[tokio::test]
async fn the_inquiry_of_whom_line_refuses_reaches_the_shop_unconfirmed_and_once() {
    let stage = Stage::open("no_link_token").await;
    stage.customer(HANAKO, MOBILE).await;
    for (who, said, reason) in [
        (1, "LINE_REFUSED", LinkReason::NotConfirmedByLine),
        (2, "CREDENTIAL_REFUSED", LinkReason::AccountNotConnected),
        (3, "ACCOUNT_NOT_CONNECTED", LinkReason::AccountNotConnected),
    ] {
        let (who, before) = (person(who), stage.told_inquiries().await.len());
        let form = stage.form(&who, "inquiry").await;
        stage.house.messaging.refuse(Some(settled(said)));
        let taken = form.submit(&INQUIRY).await;
        assert_eq!((taken.status, &taken.dialog), (200, &None), "{said}");
        assert!(!taken.html.contains("<textarea"), "the shop has it");
        assert_eq!(decision(&stage.attempt_of(&who).await), (LinkOutcome::Refused, reason), "{said}");
        assert_eq!(stage.told_inquiries().await[before..], [InquiryState::Unconfirmed]);
        // The token is used up: whoever goes on writes into nobody's conversation.
        let other = form.submit(&[INQUIRY[0], INQUIRY[1], ("text", "他のこと")]).await;
        assert_eq!(other.status, 404);
        assert!(other.html.contains("他のこと</textarea>"));
        assert_eq!(stage.told_inquiries().await.len(), before + 1);
        stage.house.messaging.refuse(None);
    }
    assert_eq!((stage.active().await, stage.count("identity.inquiry").await), (0, 3));
    stage.replay().await;
}

#[tokio::test]
async fn a_link_form_that_line_refuses_is_refused_for_that_reason_and_uses_its_token_up() {
    let stage = Stage::open("no_link_token_link").await;
    stage.customer(HANAKO, MOBILE).await;
    let form = stage.form(&person(1), "reservations").await;
    stage.house.messaging.refuse(Some(settled("LINE_REFUSED")));
    let refused = form.submit(&LINK).await;
    assert_eq!((refused.status, refused.dialog), (404, None));
    let unconfirmed = (LinkOutcome::Refused, LinkReason::NotConfirmedByLine);
    assert_eq!(decision(&stage.attempt_of(&person(1)).await), unconfirmed);
    stage.house.messaging.refuse(None);
    assert_eq!(form.submit(&LINK).await.status, 404, "each tap in the chat asks LINE once");
    assert_eq!(stage.attempt_of(&person(1)).await.reason(), LinkReason::TokenUsed);
    // Whoever is a friend again taps again.
    let linked = stage.link(&person(1), HANAKO, MOBILE).await;
    assert_eq!(decision(&linked), (LinkOutcome::Linked, LinkReason::None));
    stage.replay().await;
}

#[tokio::test]
async fn a_fault_on_the_way_to_line_decides_nothing_and_keeps_what_was_typed() {
    let stage = Stage::open("no_link_token_away").await;
    let form = stage.form(&person(1), "inquiry").await;
    for code in [
        Code::Cancelled,
        Code::Unknown,
        Code::DeadlineExceeded,
        Code::NotFound,
        Code::PermissionDenied,
        Code::Internal,
        Code::Unavailable,
        Code::InvalidArgument,
    ] {
        stage.house.messaging.refuse(Some(Status::new(code, "a fault")));
        let away = form.submit(&INQUIRY).await;
        assert_eq!((away.status, &away.dialog), (503, &None), "{code:?}");
        assert!(away.html.contains(GIVEN_BACK) && away.html.contains("<form"), "{code:?}");
    }
    assert_eq!((stage.count("identity.link_attempt").await, stage.count("identity.inquiry").await), (0, 0));
    stage.house.messaging.refuse(None);
    form.submit(&INQUIRY).await.nonce();
    assert_eq!(stage.told_inquiries().await, [InquiryState::Unconfirmed]);
}

#[tokio::test]
async fn a_submission_that_the_database_keeps_waiting_is_answered_and_gives_the_text_back() {
    let stage = Stage::open("no_link_token_hang").await;
    let form = stage.form(&person(1), "inquiry").await;
    let mut hanging = stage.house.admin().await.begin().await.unwrap();
    sqlx::query("LOCK TABLE identity.form_token, identity.link_attempt").execute(&mut *hanging).await.unwrap();
    let away = tokio::time::timeout(SOON, form.submit(&INQUIRY)).await.expect("an answer");
    assert_eq!((away.status, &away.dialog), (503, &None));
    assert!(away.html.contains(GIVEN_BACK) && away.html.contains("<form"));
    hanging.rollback().await.unwrap();
    form.submit(&INQUIRY).await.nonce();
    assert_eq!((stage.count("identity.link_attempt").await, stage.count("identity.inquiry").await), (1, 1));
}

#[tokio::test]
async fn a_token_that_is_not_good_gives_the_text_back_on_one_page_and_keeps_none_of_it() {
    let stage = Stage::open("no_link_token_gone").await;
    let (used, expired, unknown) =
        (stage.form(&person(1), "inquiry").await, stage.form(&person(2), "inquiry").await, person(3));
    let unknown = stage.form(&unknown, "inquiry").await;
    used.submit(&[INQUIRY[0], INQUIRY[1], ("text", "一")]).await.nonce();
    stage
        .alter("UPDATE identity.form_token SET expire_time = now() - interval '1 second' WHERE use_time IS NULL")
        .await;
    let (used, expired) = (used.submit(&INQUIRY).await, expired.submit(&INQUIRY).await);
    stage.alter("DELETE FROM identity.form_token").await;
    let unknown = unknown.submit(&INQUIRY).await;
    assert_eq!((unknown.status, &unknown.dialog), (404, &None));
    assert!(unknown.html.contains(GIVEN_BACK) && unknown.html.contains("readonly"));
    assert_eq!([&used, &expired], [&unknown, &unknown], "which it is is not told");
    assert_eq!((stage.count("identity.inquiry").await, stage.told_inquiries().await.len()), (1, 1));
    let reasons: Vec<_> = [stage.attempt_of(&person(1)).await, stage.attempt_of(&person(2)).await]
        .iter()
        .map(LinkAttempt::reason)
        .collect();
    assert_eq!(reasons, [LinkReason::TokenUsed, LinkReason::TokenExpired]);
}
