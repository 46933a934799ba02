//! What internal services submit from their own pages (F-07, F-08, F-15, F-16): the activity stands whatever becomes of the link.

use contracts::events::v1::Assurance;
use contracts::identity::v1::*;
use tonic::{Code, Status};

use super::stage::{HANAKO, MOBILE, Name, OTHER_MOBILE, Stage, decision, nonce_in, person};
use crate::refused::{fields, reason};

impl Stage {
    /// A token for a user, for a booking page.
    pub(super) async fn token(&self, user: &str) -> String {
        self.token_for(user, LinkMethod::BookingPage).await
    }

    /// A token for a user, for a page of an internal service.
    pub(super) async fn token_for(&self, user: &str, method: LinkMethod) -> String {
        let request = IssueFormTokenRequest {
            account_id: self.account.to_string(),
            friend_id: self.friend(user).await,
            method: method.into(),
        };
        self.at().attempts().issue_form_token(request).await.unwrap().into_inner().form_token
    }

    pub(super) async fn submit(&self, request: SubmitLinkAttemptRequest) -> Result<SubmitLinkAttemptResponse, Status> {
        Ok(self.at().attempts().submit_link_attempt(request).await?.into_inner())
    }

    /// A user who was seen.
    pub(super) async fn friends_with(&self, user: &str) -> String {
        self.send(&[self.event("follow", user, self.moment(), "")]).await;
        self.token(user).await
    }

    pub(super) async fn booking(&self, reference: &str) -> Activity {
        let kind = ActivityKind::Reservation.into();
        let external_reference = reference.to_owned();
        let request = GetActivityRequest { kind, external_reference, ..GetActivityRequest::default() };
        self.at().customers().get_activity(request).await.unwrap().into_inner().activity.unwrap()
    }
}

/// A booking, with a token or without.
pub(super) fn booking(token: &str, name: Name<'_>, mobile: &str, reference: &str) -> SubmitLinkAttemptRequest {
    let activity = Activity {
        kind: ActivityKind::Reservation.into(),
        external_reference: reference.to_owned(),
        start_time: Some(prost_types::Timestamp { seconds: 1_800_000_000, nanos: 0 }),
        ..Activity::default()
    };
    SubmitLinkAttemptRequest {
        method: LinkMethod::BookingPage.into(),
        form_token: token.to_owned(),
        name: Some(PersonName { family: name.0.to_owned(), given: name.1.to_owned(), ..PersonName::default() }),
        mobile_number: mobile.to_owned(),
        activity: Some(activity),
        ..SubmitLinkAttemptRequest::default()
    }
}

#[tokio::test]
async fn a_booking_links_whom_it_matches_and_is_his_from_the_start() {
    let stage = Stage::open("submit").await;
    let who = person(1);
    let customer = stage.customer(HANAKO, MOBILE).await;
    let token = stage.friends_with(&who).await;
    let submitted = stage.submit(booking(&token, HANAKO, MOBILE, "B-1")).await.unwrap();
    assert_eq!(submitted.activity.unwrap().customer_id, customer);
    assert_eq!(submitted.link_attempt.unwrap().state(), LinkAttemptState::Pending);
    assert_eq!(stage.active().await, 0, "nothing is linked before LINE says who it was");
    let attempt = stage.confirm(&who, &nonce_in(&submitted.redirect_uri)).await;
    assert_eq!(decision(&attempt), (LinkOutcome::Linked, LinkReason::None));
    assert_eq!(stage.linked(&who).await, [(customer, Assurance::NameAndMobile)]);
    assert_eq!(stage.count("identity.customer").await, 1);
    stage.replay().await;
}

#[tokio::test]
async fn a_booking_that_matches_nobody_makes_a_customer_who_is_linked_and_not_provisional() {
    let stage = Stage::open("submit_new").await;
    let who = person(1);
    stage.customer(HANAKO, OTHER_MOBILE).await;
    let token = stage.friends_with(&who).await;
    let submitted = stage.submit(booking(&token, HANAKO, MOBILE, "B-1")).await.unwrap();
    let made = submitted.activity.unwrap().customer_id;
    let attempt = stage.confirm(&who, &nonce_in(&submitted.redirect_uri)).await;
    assert_eq!(
        (decision(&attempt), &attempt.customer_id),
        ((LinkOutcome::CreatedNew, LinkReason::PhoneMismatch), &made)
    );
    assert_eq!(stage.linked(&who).await, [(made.clone(), Assurance::Proven)]);
    assert!(!stage.record(&made).await.provisional, "an activity touched it");
    assert_eq!(stage.suspicions().await.len(), 1, "it may be the other one");
    assert_eq!(stage.count("identity.customer").await, 2, "one was made, not two");
    let of_customer = ListLinkAttemptsRequest { customer_id: made, ..ListLinkAttemptsRequest::default() };
    assert_eq!(
        stage.at().attempts().list_link_attempts(of_customer).await.unwrap().into_inner().link_attempts,
        [attempt]
    );
    stage.replay().await;
}

#[tokio::test]
async fn a_booking_stands_whatever_becomes_of_the_link() {
    let stage = Stage::open("submit_stands").await;
    let who = person(1);
    let two = [stage.customer(HANAKO, MOBILE).await, stage.customer(HANAKO, MOBILE).await];
    // Several match: it has a record of its own.
    let token = stage.friends_with(&who).await;
    let submitted = stage.submit(booking(&token, HANAKO, MOBILE, "ambiguous")).await.unwrap();
    let own = submitted.activity.unwrap().customer_id;
    assert!(!two.contains(&own));
    let attempt = stage.confirm(&who, &nonce_in(&submitted.redirect_uri)).await;
    assert_eq!(decision(&attempt), (LinkOutcome::Held, LinkReason::AmbiguousNameAndMobile));
    // The token is used.
    let again = stage.submit(booking(&token, HANAKO, MOBILE, "used")).await.unwrap();
    assert_eq!(decision(&again.link_attempt.unwrap()), (LinkOutcome::Refused, LinkReason::TokenUsed));
    assert_eq!(again.redirect_uri, "");
    // LINE is away, and the token stays good.
    let token = stage.token(&who).await;
    stage.house.messaging.refuse(Some(Status::unavailable("LINE is away")));
    let away = stage.submit(booking(&token, ("鈴木", "一郎"), OTHER_MOBILE, "away")).await;
    assert_eq!(reason(away), (Code::Unavailable, "LINE_UNAVAILABLE".to_owned()));
    let recorded = stage.booking("away").await;
    stage.house.messaging.refuse(None);
    let later = stage.submit(booking(&token, ("鈴木", "一郎"), OTHER_MOBILE, "away")).await.unwrap();
    assert_eq!(later.activity.unwrap().activity_id, recorded.activity_id, "the same booking");
    let attempt = stage.confirm(&who, &nonce_in(&later.redirect_uri)).await;
    assert_eq!(decision(&attempt), (LinkOutcome::CreatedNew, LinkReason::NoMatch), "as it had been the first time");
    // Nobody of LINE is known, nor is the token; the form is another's; somebody else opened it.
    let unknown = format!("{}.{}", stage.tenant, "A".repeat(43));
    for (token, reference) in [("", "none"), (&*unknown, "unknown")] {
        let submitted = stage.submit(booking(token, HANAKO, MOBILE, reference)).await.unwrap();
        assert_eq!((submitted.link_attempt, submitted.redirect_uri), (None, String::new()));
    }
    let token = stage.token(&who).await;
    let landing = LinkMethod::LandingPage.into();
    let landed = SubmitLinkAttemptRequest { method: landing, ..booking(&token, HANAKO, MOBILE, "landing") };
    assert_eq!(stage.submit(landed).await.unwrap().redirect_uri, "");
    let submitted = stage.submit(booking(&token, HANAKO, MOBILE, "failed")).await.unwrap();
    stage.send(&[stage.failed(&nonce_in(&submitted.redirect_uri))]).await;
    assert_eq!(decision(&stage.attempt_of(&who).await), (LinkOutcome::Refused, LinkReason::NotConfirmedByLine));
    for reference in ["ambiguous", "used", "away", "none", "unknown", "landing", "failed"] {
        assert_eq!(stage.booking(reference).await.state(), ActivityState::Active, "{reference}");
    }
    assert_eq!(stage.active().await, 1);
    stage.replay().await;
}

#[tokio::test]
async fn a_repeated_submission_is_one_and_a_repeated_booking_stays_with_whom_it_is() {
    let stage = Stage::open("submit_repeat").await;
    let token = stage.friends_with(&person(1)).await;
    let request_id = uuid::Uuid::new_v4().to_string();
    let request = SubmitLinkAttemptRequest { request_id, ..booking(&token, HANAKO, MOBILE, "B-1") };
    let first = stage.submit(request.clone()).await.unwrap();
    let again = stage.submit(request.clone()).await.unwrap();
    assert_eq!((&again.link_attempt, &again.activity), (&first.link_attempt, &first.activity));
    assert!(!again.redirect_uri.is_empty(), "whoever comes again can still confirm");
    let other = SubmitLinkAttemptRequest { mobile_number: OTHER_MOBILE.to_owned(), ..request };
    assert_eq!(reason(stage.submit(other).await), (Code::Aborted, "REQUEST_ID_REUSED".to_owned()));
    // The booking is told again, by somebody who says another name.
    let again = stage.submit(booking("", ("鈴木", "一郎"), OTHER_MOBILE, "B-1")).await.unwrap();
    assert_eq!(again.activity.unwrap().customer_id, first.activity.unwrap().customer_id);
    assert_eq!((stage.count("identity.customer").await, stage.count("identity.activity").await), (1, 1));
    assert_eq!(stage.count("identity.link_attempt").await, 1);
    let empty = stage.submit(SubmitLinkAttemptRequest { form_token: "x".to_owned(), ..Default::default() }).await;
    assert_eq!(fields(empty), ["method", "name", "mobile_number", "form_token"]);
    let idle = SubmitLinkAttemptRequest { activity: None, ..booking("", HANAKO, MOBILE, "B-2") };
    assert_eq!(fields(stage.submit(idle).await), ["form_token"], "nothing would come of it");
}

#[tokio::test]
async fn whoever_submits_again_gets_a_dialog_that_takes_the_place_of_the_one_before() {
    let stage = Stage::open("submit_dialog").await;
    let who = person(1);
    stage.customer(HANAKO, MOBILE).await;
    let token = stage.friends_with(&who).await;
    let request_id = uuid::Uuid::new_v4().to_string();
    let request = SubmitLinkAttemptRequest { request_id, ..booking(&token, HANAKO, MOBILE, "B-1") };
    let first = stage.submit(request.clone()).await.unwrap();
    let second = stage.submit(request.clone()).await.unwrap();
    let (old, new) = (nonce_in(&first.redirect_uri), nonce_in(&second.redirect_uri));
    assert_ne!(old, new);
    // LINE is away meanwhile: what is there stays as good as it was.
    stage.house.messaging.refuse(Some(Status::unavailable("LINE is away")));
    let away = stage.submit(request.clone()).await;
    assert_eq!(reason(away), (Code::Unavailable, "LINE_UNAVAILABLE".to_owned()));
    stage.house.messaging.refuse(None);
    let waiting = stage.confirm(&who, &old).await;
    assert_eq!(waiting.state(), LinkAttemptState::Pending, "the one before is worth nothing");
    let linked = stage.confirm(&who, &new).await;
    assert_eq!(decision(&linked), (LinkOutcome::Linked, LinkReason::None));
    let late = stage.submit(request).await.unwrap();
    assert_eq!((&*late.redirect_uri, late.link_attempt), ("", Some(linked)), "nothing is left to confirm");
    assert_eq!((stage.count("identity.link_attempt").await, stage.active().await), (1, 1));
}

#[tokio::test]
async fn a_submission_that_came_while_line_was_away_is_made_by_the_same_call_later() {
    let stage = Stage::open("submit_away").await;
    let who = person(1);
    stage.customer(HANAKO, MOBILE).await;
    let token = stage.friends_with(&who).await;
    let request_id = uuid::Uuid::new_v4().to_string();
    let request = SubmitLinkAttemptRequest { request_id, ..booking(&token, HANAKO, MOBILE, "B-1") };
    stage.house.messaging.refuse(Some(Status::unavailable("LINE is away")));
    for _ in 0..2 {
        let away = stage.submit(request.clone()).await;
        assert_eq!(reason(away), (Code::Unavailable, "LINE_UNAVAILABLE".to_owned()));
    }
    let recorded = stage.booking("B-1").await;
    assert_eq!(stage.count("identity.link_attempt").await, 0);
    stage.house.messaging.refuse(None);
    let later = stage.submit(request).await.unwrap();
    assert_eq!(later.activity, Some(recorded));
    assert_eq!((stage.count("identity.activity").await, stage.count("identity.link_attempt").await), (1, 1));
    let linked = stage.confirm(&who, &nonce_in(&later.redirect_uri)).await;
    assert_eq!(decision(&linked), (LinkOutcome::Linked, LinkReason::None));
}

#[tokio::test]
async fn an_invitation_sends_the_card_to_friends_alone_and_links_nobody() {
    let stage = Stage::open("submit_invite").await;
    stage.friends_with(&person(1)).await;
    let friend_id = stage.friend(&person(1)).await;
    let request_id = uuid::Uuid::new_v4().to_string();
    let invite = InviteToLinkRequest { account_id: stage.account.to_string(), friend_id, request_id };
    for _ in 0..2 {
        stage.at().attempts().invite_to_link(invite.clone()).await.unwrap();
    }
    let answers = stage.answers(&person(1)).await;
    assert_eq!(answers.len(), 1, "a repeated call invites once");
    assert!(stage.look(&super::stage::token_in(&answers[0])).await.html.contains(r#"name="mobile""#));
    assert_eq!(stage.active().await, 0);
    stage.send(&[stage.event("unfollow", &person(1), stage.moment(), "")]).await;
    let anew = InviteToLinkRequest { request_id: String::new(), ..invite };
    let refused = stage.at().attempts().invite_to_link(anew).await;
    assert_eq!(reason(refused), (Code::FailedPrecondition, "NOT_A_FRIEND".to_owned()));
}
