//! Scenario files played: to a bot that does as expected, to one that does not, by the program and over the control API.

use std::time::Duration;

use line_simulator::control::PlayQuery;
use line_simulator::scenario::{Progress, Scenario, Speed, State};
use line_simulator::{BooksQuery, Control, Options, Simulator};
use serde_json::{Value, json};

use crate::echo;
use crate::receiver::Receiver;

fn shipped(name: &str) -> String {
    std::fs::read_to_string(format!("{}/scenarios/{name}.yaml", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

async fn played(simulator: &Simulator, text: &str, speed: Speed, webhook: Option<String>) -> Progress {
    let (mut following, _) = simulator.play(Scenario::read(text).unwrap(), speed, webhook).unwrap();
    let over = following.wait_for(|progress| progress.state != State::Playing);
    tokio::time::timeout(Duration::from_mins(1), over).await.expect("over in time").unwrap().clone()
}

async fn simulator() -> Simulator {
    Simulator::start(Options { seed: 1, ..Options::default() }).await.unwrap()
}

#[tokio::test]
async fn a_bot_that_does_as_expected_passes_and_one_that_does_not_fails_by_line() {
    for speed in [Speed::Max, Speed::Times(10)] {
        let simulator = simulator().await;
        let bot = echo::start(simulator.base_url(), "line-in-a-box").await;
        let passed = played(&simulator, &shipped("echo"), speed, Some(bot)).await;
        assert_eq!((passed.state, passed.done, passed.failures.len()), (State::Passed, 7, 0), "{:?}", passed.failures);
        assert_eq!(simulator.duplicates().len(), 0);
    }

    let simulator = simulator().await;
    let silent = Receiver::start().await;
    let text = shipped("echo").replace("within: 5s", "within: 50ms").replace("within: 10s", "within: 50ms");
    let failed = played(&simulator, &text, Speed::Max, Some(silent.url.clone())).await;
    assert_eq!(failed.state, State::Failed);
    let lines: Vec<u64> = failed.failures.iter().map(|failure| failure.line).collect();
    let expecting = text.lines().zip(1_u64..).filter(|(line, _)| line.contains("expect: { to"));
    assert_eq!(lines, expecting.map(|(_, at)| at).collect::<Vec<_>>(), "the webhooks were answered");
    assert!(failed.failures[0].reason.contains("no such message came within 0.05 s"), "{:?}", failed.failures);
}

#[tokio::test]
async fn every_act_of_a_scenario_reaches_the_bot() {
    let simulator = simulator().await;
    let receiver = Receiver::start().await;
    let progress = played(&simulator, &shipped("every-act"), Speed::Max, Some(receiver.url.clone())).await;
    assert_eq!((progress.state, &progress.failures), (State::Passed, &Vec::new()));
    let events = receiver.events(20).await;
    let kinds: std::collections::BTreeSet<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let wanted = [
        "beacon",
        "follow",
        "join",
        "leave",
        "memberJoined",
        "memberLeft",
        "membership",
        "message",
        "messageEdited",
        "postback",
        "somethingNew",
        "unfollow",
        "unsend",
        "videoPlayComplete",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), wanted);
    let contents: std::collections::BTreeSet<&str> =
        events.iter().filter_map(|event| event["message"]["type"].as_str()).collect();
    let wanted = ["audio", "file", "image", "location", "sticker", "text", "video"];
    assert_eq!(contents.into_iter().collect::<Vec<_>>(), wanted);
    let first = events[0]["timestamp"].as_i64().unwrap();
    assert_eq!(first, 1_775_001_600_000, "the file's own beginning");
    let unsend = events.iter().find(|event| event["type"] == "unsend").unwrap();
    let photo = events.iter().find(|event| event["message"]["type"] == "image").unwrap();
    assert_eq!(unsend["unsend"]["messageId"], photo["message"]["id"]);
}

#[tokio::test]
async fn a_link_is_opened_by_its_button_through_lines_own_dialog() {
    let simulator = simulator().await;
    let receiver = Receiver::start().await;
    let text = "accounts: { shop: { access_token: t } }\npeople: { hanako: {} }\ntimeline:\n\
                - { person: hanako, does: already_a_friend }\n- { person: hanako, opens: 連携する }\n";
    let scenario = Scenario::read(text).unwrap();
    let (mut following, _) = simulator.play(scenario, Speed::Max, Some(receiver.url.clone())).unwrap();
    let cast = following.borrow().cast.clone();
    let friends = following.wait_for(|progress| progress.done == 1);
    tokio::time::timeout(Duration::from_secs(10), friends).await.unwrap().unwrap();

    // Meanwhile the account sends a card with a link.
    let user = simulator.control().user_id(&cast.accounts["shop"].channel_id, &cast.people[0]).await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let call = async |path: String, body: Value| {
        let request = http.post(format!("{}{path}", simulator.base_url())).bearer_auth("t").json(&body);
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    let token = call(format!("/v2/bot/user/{user}/linkToken"), json!({})).await;
    let token = token["linkToken"].as_str().unwrap();
    let uri = format!("{}/dialog/bot/accountLink?linkToken={token}&nonce=0123456789abcdef", simulator.base_url());
    let actions = json!([{ "type": "uri", "label": "連携する", "uri": uri }]);
    let card = json!({ "type": "template", "altText": "連携", "template": { "type": "buttons", "text": "連携", "actions": actions } });
    let sent = call("/v2/bot/message/push".to_owned(), json!({ "to": user, "messages": [card] })).await;
    assert!(sent["sentMessages"][0]["id"].is_string(), "{sent}");

    let over = following.wait_for(|progress| progress.state != State::Playing);
    let over = tokio::time::timeout(Duration::from_secs(10), over).await.unwrap().unwrap().clone();
    assert_eq!((over.state, &over.failures), (State::Passed, &Vec::new()));
    assert_eq!(receiver.events(1).await[0]["link"]["result"], "ok");
}

#[tokio::test]
async fn the_control_api_plays_follows_stops_and_names_what_is_wrong() {
    let simulator = simulator().await;
    let control: Control = simulator.control();
    let long = "accounts: { shop: {} }\npeople: { hanako: {} }\ntimeline:\n\
                - { person: hanako, does: add_friend }\n- { at: 1d, person: hanako, writes: late }\n";
    let playing = control.play_scenario(long, &PlayQuery::default()).await.unwrap();
    assert_eq!((playing.state, playing.steps), (State::Playing, 2));
    let second = control.play_scenario("people: { taro: {} }", &PlayQuery::default()).await.unwrap_err();
    assert!(second.to_string().contains("409") && second.to_string().contains("a scenario is being played"));
    control.stop_scenario(&playing.scenario).await.unwrap();
    let stopped = eventually(&control, &playing.scenario).await;
    assert_eq!((stopped.state, stopped.done <= 1), (State::Stopped, true));
    assert_eq!(control.clock().await.unwrap().speed, 1);

    let taken = control.play_scenario(long, &PlayQuery::default()).await.unwrap_err();
    assert!(taken.to_string().contains("409"), "{taken}");
    let usual = PlayQuery::default();
    let wrong = control.play_scenario("people: { jiro: {} }\ntimeline:\n- { person: jiro }\n", &usual).await;
    let wrong = wrong.unwrap_err().to_string();
    assert!(wrong.contains("400") && wrong.contains("\"line\":3"), "{wrong}");
    let query = PlayQuery { speed: Some("soon".into()), webhook: None };
    assert!(control.play_scenario("", &query).await.unwrap_err().to_string().contains("a speed is"));
    assert!(control.scenario("scenario-none").await.unwrap_err().to_string().contains("404"));
    let passed = control.play_scenario("people: { jiro: {} }", &PlayQuery::default()).await.unwrap();
    assert_eq!(eventually(&control, &passed.scenario).await.state, State::Passed);
}

async fn eventually(control: &Control, scenario: &str) -> Progress {
    let over = async {
        loop {
            let progress = control.scenario(scenario).await.unwrap();
            if progress.state != State::Playing {
                return progress;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), over).await.expect("over in time")
}

#[tokio::test]
async fn what_is_taken_makes_nothing_of_a_scenario() {
    let simulator = simulator().await;
    let one = "accounts: { shop: { channel_id: \"7\" } }\npeople: { hanako: {} }";
    played(&simulator, one, Speed::Max, None).await;
    for (text, told) in [
        ("accounts: { shop: { channel_id: \"7\" } }\npeople: { other: {} }", "channel ID"),
        ("accounts: { shop: {} }\npeople: { hanako: {} }", "person of one of these names"),
    ] {
        let refused = simulator.play(Scenario::read(text).unwrap(), Speed::Max, None).unwrap_err().to_string();
        assert!(refused.contains(told), "{refused}");
    }
    // "other" was not made: the name is free.
    let free = played(&simulator, "people: { other: {} }", Speed::Max, None).await;
    assert_eq!(free.state, State::Passed);
}

#[tokio::test]
async fn at_a_speed_the_simulated_clock_runs_so_many_times_as_fast() {
    let simulator = simulator().await;
    let text = "start: 2026-04-01T00:00:00Z\naccounts: { shop: {} }\npeople: { hanako: {} }\ntimeline:\n\
                - { person: hanako, does: add_friend }\n- { at: 1h, person: hanako, writes: late }\n";
    let began = std::time::Instant::now();
    let progress = played(&simulator, text, Speed::Times(3_600), None).await;
    let took = began.elapsed();
    assert_eq!(progress.state, State::Passed);
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(30), "{took:?}");
    let webhooks = simulator.control().webhooks(&BooksQuery::default()).await.unwrap();
    let millis: Vec<i64> = webhooks.iter().map(|webhook| webhook.event["timestamp"].as_i64().unwrap()).collect();
    let between = millis[1] - millis[0];
    assert!((3_000_000..7_200_000).contains(&between), "{between} ms of simulated time between the two");
}
