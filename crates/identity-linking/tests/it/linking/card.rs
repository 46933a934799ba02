//! What is tapped in the rich menu is answered with a card.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use kernel::{Clock as _, SystemClock};

use super::stage::{Stage, person, token_in};
use crate::friend::user;

#[tokio::test]
async fn a_tap_is_answered_once_with_the_card_whose_button_opens_its_form() {
    let stage = Stage::open("card").await;
    for (who, data, field, other) in [(1, "inquiry", "text", "mobile"), (2, "reservations", "mobile", "text")] {
        let tap = stage.tapped(&person(who), stage.moment(), data);
        stage.send(&[tap.clone(), tap]).await;
        let answers = stage.answers(&person(who)).await;
        let ids: BTreeSet<&str> = answers.iter().map(|answer| answer.answer_id.as_str()).collect();
        assert_eq!(ids.len(), 1, "one event has one answer, whoever asks twice");
        let form = stage.look(&token_in(&answers[0])).await;
        assert!(
            form.html.contains(&format!(r#"name="{field}""#)) && !form.html.contains(&format!(r#"name="{other}""#))
        );
        assert!(answers[0].expire_time.is_some() && !answers[0].webhook_event_id.is_empty());
    }
}

#[tokio::test]
async fn no_card_answers_what_is_old_silenced_on_standby_in_a_group_or_foreign() {
    let stage = Stage::open("card_none").await;
    let who = person(1);
    let old = (SystemClock.now() - TimeDelta::minutes(21)).timestamp_millis();
    let (kind, plain) = stage.tapped(&who, stage.moment(), "inquiry");
    let group = plain.replace(r#""type":"user""#, r#""type":"group","groupId":"C1""#);
    stage
        .send(&[
            stage.tapped(&who, old, "inquiry"),
            (kind, plain.replace("active", "standby")),
            (kind, group),
            (kind, plain.replace("tsunagi:", "shop:")),
        ])
        .await;
    stage.send_as(stage.account, &[stage.tapped(&who, stage.moment(), "inquiry")], true).await;
    let provider = stage.house.provider(stage.tenant).await;
    let registered = stage.house.registered(stage.tenant, &provider, &user(200)).await;
    stage.send_as(registered, &[stage.tapped(&who, stage.moment(), "inquiry")], false).await;
    assert_eq!(stage.answers(&who).await, []);
    assert_eq!(stage.count("identity.form_token").await, 0);
}
