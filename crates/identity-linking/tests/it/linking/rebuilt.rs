//! What LINE told is told again: by LINE itself, or from the archive with effects off, to rebuild what was lost. Nothing is said,
//! made or asked twice.

use std::collections::BTreeSet;

use contracts::identity::v1::*;

use super::stage::{HANAKO, MOBILE, OTHER_MOBILE, Stage, decision, person};

/// What there is of all that linking makes.
async fn made(stage: &Stage) -> (Vec<i64>, Vec<String>) {
    let mut counts = Vec::new();
    for of in ["link", "customer", "takeover_request", "duplicate_suspicion", "merge", "link_attempt", "form_token"] {
        counts.push(stage.count(&format!("identity.{of}")).await);
    }
    (counts, stage.house.audit(stage.tenant).await)
}

/// The answers that were asked for, each once.
async fn said(stage: &Stage) -> BTreeSet<String> {
    let mut said = BTreeSet::new();
    for who in 1..=4 {
        said.extend(stage.answers(&person(who)).await.into_iter().map(|answer| answer.answer_id));
    }
    said
}

#[tokio::test]
async fn what_is_told_again_is_answered_once_and_does_nothing_twice() {
    let stage = Stage::open("rebuilt").await;
    stage.customer(HANAKO, MOBILE).await;
    let mut events = Vec::new();
    // Linked, refused with a take-over request, made anew, linked and absorbed.
    for (who, name, mobile) in [
        (1, HANAKO, MOBILE),
        (2, HANAKO, MOBILE),
        (3, ("鈴木", "一郎"), OTHER_MOBILE),
        (4, ("佐藤", "二郎"), OTHER_MOBILE),
        (4, ("鈴木", "三郎"), MOBILE),
    ] {
        if name == ("鈴木", "三郎") {
            stage.customer(name, mobile).await;
        }
        let nonce = stage.ask(&person(who), name, mobile).await;
        let event = stage.confirmed(&person(who), stage.moment(), &nonce);
        stage.send(std::slice::from_ref(&event)).await;
        events.push(event);
    }
    let (made_once, said_once) = (made(&stage).await, said(&stage).await);
    assert_eq!(made_once.0[..5], [4, 4, 1, 1, 1], "as much as there is to repeat");
    stage.send(&events).await;
    assert_eq!((made(&stage).await, said(&stage).await), (made_once.clone(), said_once));
    let told = stage.house.told(Some(stage.tenant)).await;
    stage.send_as(stage.account, &events, true).await;
    assert_eq!(made(&stage).await, made_once);
    assert_eq!(stage.house.told(Some(stage.tenant)).await, told, "nobody is told anything again");
    stage.replay().await;
}

#[tokio::test]
async fn with_effects_off_what_was_told_is_settled_and_nobody_is_told_asked_or_registered() {
    let stage = Stage::open("rebuilt_first").await;
    stage.customer(HANAKO, MOBILE).await;
    let nonces = [stage.ask(&person(1), HANAKO, MOBILE).await, stage.ask(&person(2), HANAKO, MOBILE).await];
    stage.policy(LinkPolicy { on_first_message: OnFirstMessage::Register.into(), ..LinkPolicy::default() }).await;
    let cards = said(&stage).await;
    let silent = async |event| stage.send_as(stage.account, &[event], true).await;
    silent(stage.confirmed(&person(1), stage.moment(), &nonces[0])).await;
    assert_eq!(stage.linked(&person(1)).await.len(), 1, "LINE's word counts");
    silent(stage.confirmed(&person(2), stage.moment(), &nonces[1])).await;
    let refused = stage.attempt_of(&person(2)).await;
    assert_eq!(decision(&refused), (LinkOutcome::Refused, LinkReason::CustomerHasOtherLineUser));
    let get = GetTakeoverRequestRequest { takeover_request_id: refused.takeover_request_id.clone() };
    let open = stage.at().takeovers().get_takeover_request(get).await.unwrap().into_inner().takeover_request.unwrap();
    assert_eq!(open.state(), TakeoverState::Open, "staff can settle it");
    assert_eq!(said(&stage).await, cards, "who is linked is not asked");
    let yes = format!("takeover:{}:yes", refused.takeover_request_id);
    silent(stage.tapped(&person(1), stage.moment(), &yes)).await;
    assert_eq!((stage.linked(&person(1)).await.len(), stage.linked(&person(2)).await.len()), (0, 1));
    silent(stage.tapped(&person(2), stage.moment(), "unlink:yes")).await;
    silent(stage.wrote(&person(3))).await;
    assert_eq!((stage.active().await, stage.count("identity.customer").await), (0, 1));
    assert_eq!(said(&stage).await, cards);
}
