//! F-08: whoever registers for an online service, on the page of an internal service.

use contracts::events::v1::Assurance;
use contracts::identity::v1::*;

use super::stage::{HANAKO, MOBILE, Name, OTHER_MOBILE, Stage, decision, nonce_in, person};
use super::submit::booking;

/// A registration, with the number it has there.
fn registration(token: &str, name: Name<'_>, mobile: &str, reference: &str) -> SubmitLinkAttemptRequest {
    let booking = booking(token, name, mobile, reference);
    let kind = ActivityKind::ServiceUse.into();
    let activity = booking.activity.map(|activity| Activity { kind, ..activity });
    SubmitLinkAttemptRequest { method: LinkMethod::LandingPage.into(), activity, ..booking }
}

#[tokio::test]
async fn who_registers_for_an_online_service_is_a_customer_linked_from_the_start() {
    let stage = Stage::open("registration").await;
    let who = person(1);
    stage.friends_with(&who).await;
    let token = stage.token_for(&who, LinkMethod::LandingPage).await;
    let submitted = stage.submit(registration(&token, HANAKO, MOBILE, "S-1")).await.unwrap();
    let used = submitted.activity.unwrap();
    assert_eq!((used.kind(), used.state()), (ActivityKind::ServiceUse, ActivityState::Active));
    let attempt = stage.confirm(&who, &nonce_in(&submitted.redirect_uri)).await;
    assert_eq!(attempt.method(), LinkMethod::LandingPage);
    assert_eq!(decision(&attempt), (LinkOutcome::CreatedNew, LinkReason::NoMatch));
    assert_eq!(stage.linked(&who).await, [(used.customer_id.clone(), Assurance::Proven)]);
    let made = stage.record(&used.customer_id).await;
    assert!(!made.provisional && made.line.unwrap().linked, "the registration touched it");
    assert_eq!((made.name.unwrap().family.as_str(), made.phones[0].number.as_str()), ("山田", "+819012345678"));
    assert_eq!(stage.count("identity.customer").await, 1);
    stage.replay().await;
}

#[tokio::test]
async fn a_registration_goes_to_whom_it_matches_and_stands_whatever_becomes_of_the_link() {
    let stage = Stage::open("registration_match").await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    for (who, mobile, reference) in [(1, MOBILE, "S-1"), (2, OTHER_MOBILE, "S-2")] {
        stage.friends_with(&person(who)).await;
        let token = stage.token_for(&person(who), LinkMethod::LandingPage).await;
        let submitted = stage.submit(registration(&token, HANAKO, mobile, reference)).await.unwrap();
        assert_eq!(submitted.activity.unwrap().customer_id == customer, who == 1);
        let nonce = nonce_in(&submitted.redirect_uri);
        if who == 1 {
            assert_eq!(decision(&stage.confirm(&person(1), &nonce).await), (LinkOutcome::Linked, LinkReason::None));
        } else {
            stage.send(&[stage.failed(&nonce)]).await;
            let refused = stage.attempt_of(&person(2)).await;
            assert_eq!(decision(&refused), (LinkOutcome::Refused, LinkReason::NotConfirmedByLine));
        }
        let kind = ActivityKind::ServiceUse.into();
        let get = GetActivityRequest { kind, external_reference: reference.to_owned(), ..Default::default() };
        let kept = stage.at().customers().get_activity(get).await.unwrap().into_inner().activity.unwrap();
        assert_eq!(kept.state(), ActivityState::Active, "{reference}");
    }
    assert_eq!(stage.linked(&person(1)).await, [(customer, Assurance::NameAndMobile)]);
    assert_eq!(stage.active().await, 1);
    stage.replay().await;
}
