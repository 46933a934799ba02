//! D-2: a first message asks to link, registers, or does nothing, by the tenant's policy. A friend-add does nothing.

use contracts::events::v1::Assurance;
use contracts::identity::v1::*;

use super::stage::{HANAKO, MOBILE, Stage, decision, person, token_in};

async fn on_first(stage: &Stage, policy: OnFirstMessage) {
    stage.policy(LinkPolicy { on_first_message: policy.into(), ..LinkPolicy::default() }).await;
}

/// Waits until a user is registered.
async fn registered(stage: &Stage, who: &str) -> LinkAttempt {
    Stage::until(|| async { stage.attempts_of(who).await.pop().ok_or_else(|| "no attempt".to_owned()) }).await
}

#[tokio::test]
async fn the_card_that_asks_to_link_is_sent_once_and_never_to_who_is_linked() {
    let stage = Stage::open("first_ask").await;
    stage.send(&[stage.event("follow", &person(1), stage.moment(), "")]).await;
    assert_eq!(stage.answers(&person(1)).await, [], "a friend-add is answered with nothing");
    stage.send(&[stage.wrote(&person(1)), stage.wrote(&person(1))]).await;
    stage.send(&[stage.wrote(&person(1))]).await;
    let answers = stage.answers(&person(1)).await;
    assert_eq!(answers.len(), 1);
    assert!(stage.look(&token_in(&answers[0])).await.html.contains(r#"name="mobile""#));
    stage.customer(HANAKO, MOBILE).await;
    stage.link(&person(2), HANAKO, MOBILE).await;
    let before = stage.answers(&person(2)).await;
    stage.send(&[stage.wrote(&person(2))]).await;
    assert_eq!(stage.answers(&person(2)).await, before);
    assert_eq!(stage.count("identity.customer").await, 1);
}

#[tokio::test]
async fn a_tenant_that_ignores_first_messages_says_and_makes_nothing() {
    let stage = Stage::open("first_ignore").await;
    on_first(&stage, OnFirstMessage::Ignore).await;
    stage.send(&[stage.wrote(&person(1))]).await;
    assert_eq!((stage.answers(&person(1)).await, stage.count("identity.customer").await), (vec![], 0));
    on_first(&stage, OnFirstMessage::AskToLink).await;
    stage.send(&[stage.wrote(&person(1))]).await;
    assert_eq!(stage.answers(&person(1)).await.len(), 1, "the policy of the moment counts");
}

#[tokio::test]
async fn who_writes_first_is_registered_under_the_name_shown_on_line_now_or_later() {
    let stage = Stage::open("first_register").await;
    on_first(&stage, OnFirstMessage::Register).await;
    stage.house.messaging.name(&person(1), "はなこ🌸");
    // The name is asked for when he is seen first, and waited for.
    stage.send(&[stage.wrote(&person(1)), stage.wrote(&person(1))]).await;
    let attempt = registered(&stage, &person(1)).await;
    assert_eq!(
        (attempt.method(), decision(&attempt)),
        (LinkMethod::FirstMessage, (LinkOutcome::CreatedNew, LinkReason::NoMatch))
    );
    assert_eq!(stage.linked(&person(1)).await, [(attempt.customer_id.clone(), Assurance::Proven)]);
    let made = stage.record(&attempt.customer_id).await;
    assert_eq!((made.provisional, made.name.unwrap().given), (true, "はなこ🌸".to_owned()));

    // The name is known before he writes.
    stage.house.messaging.name(&person(2), "たろう");
    stage.send(&[stage.event("follow", &person(2), stage.moment(), "")]).await;
    Stage::until(|| async {
        let waiting = stage.count("identity.profile_request").await;
        if waiting == 0 { Ok(()) } else { Err(waiting.to_string()) }
    })
    .await;
    assert_eq!(stage.count("identity.customer").await, 1, "a friend-add makes nobody");
    stage.send(&[stage.wrote(&person(2)), stage.wrote(&person(2))]).await;
    assert_eq!(stage.attempts_of(&person(2)).await.len(), 1);
    assert_eq!((stage.active().await, stage.count("identity.customer").await), (2, 2));
    stage.replay().await;
}

#[tokio::test]
async fn who_shows_no_name_is_registered_too() {
    let stage = Stage::open("first_nameless").await;
    on_first(&stage, OnFirstMessage::Register).await;
    // LINE tells no profile: first when he writes at once, then when it was asked for before he did.
    stage.send(&[stage.wrote(&person(1)), stage.event("follow", &person(2), stage.moment(), "")]).await;
    registered(&stage, &person(1)).await;
    Stage::until(|| async {
        let waiting = stage.count("identity.profile_request").await;
        if waiting == 0 { Ok(()) } else { Err(waiting.to_string()) }
    })
    .await;
    stage.send(&[stage.wrote(&person(2))]).await;
    let attempt = registered(&stage, &person(2)).await;
    assert_eq!(stage.record(&attempt.customer_id).await.name.unwrap().given, "LINEの友だち");
    assert_eq!(stage.active().await, 2);
}

#[tokio::test]
async fn a_registered_customer_is_absorbed_when_the_person_links() {
    let stage = Stage::open("first_absorbed").await;
    on_first(&stage, OnFirstMessage::Register).await;
    stage.house.messaging.name(&person(1), "はなこ");
    let customer = stage.customer(HANAKO, MOBILE).await;
    stage.send(&[stage.wrote(&person(1))]).await;
    let made = registered(&stage, &person(1)).await.customer_id;
    let linked = stage.link(&person(1), HANAKO, MOBILE).await;
    assert_eq!((decision(&linked), &linked.customer_id), ((LinkOutcome::Linked, LinkReason::None), &customer));
    assert_eq!(stage.record(&made).await.merged_into, customer);
    stage.replay().await;
}
