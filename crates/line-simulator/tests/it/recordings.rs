//! Recordings: the shipped day, made again and sent again; the program's flags as the pages show them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use line_simulator::recording::{Recording, Replay, SALON_DAY, Target, replay};
use line_simulator::scenario::{Scenario, Speed, State};
use line_simulator::{Options, Simulator};
use line_types::signature::{ChannelSecret, Signature, VerifyingKey};

use crate::echo;
use crate::receiver::{Received, Receiver};

const PROGRAM: &str = env!("CARGO_BIN_EXE_line-simulator");

fn room(name: &str) -> PathBuf {
    let room = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::create_dir_all(&room).unwrap();
    room
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name)
}

#[tokio::test]
async fn playing_the_salons_day_again_makes_the_shipped_recording() {
    let file = room("again").join("day.jsonl");
    let scenario = Scenario::read(&std::fs::read_to_string(shipped("salon-day.yaml")).unwrap()).unwrap();
    let options = Options { seed: scenario.seed.unwrap(), record: Some(file.clone()), ..Options::default() };
    let simulator = Simulator::start(options).await.unwrap();
    let (mut following, _) = simulator.play(scenario, Speed::Max, None).unwrap();
    let over = following.wait_for(|progress| progress.state != State::Playing);
    let over = tokio::time::timeout(Duration::from_mins(1), over).await.unwrap().unwrap().clone();
    assert_eq!((over.state, &over.failures), (State::Passed, &Vec::new()));
    simulator.stop().await.unwrap();
    let made = std::fs::read_to_string(file).unwrap();
    for (line, (again, before)) in made.lines().zip(SALON_DAY.lines()).enumerate() {
        assert_eq!(again, before, "line {}", line + 1);
    }
    assert_eq!(made.len(), SALON_DAY.len());
}

#[test]
fn the_salons_day_is_a_few_hundred_deliveries_of_every_common_kind_and_small() {
    let day = Recording::read(SALON_DAY).unwrap();
    assert!((200..1_000).contains(&day.deliveries.len()), "{}", day.deliveries.len());
    assert!(SALON_DAY.len() < 300 * 1024);
    for kind in
        ["follow", "unfollow", "message", "unsend", "postback", "join", "messageEdited", "memberJoined", "beacon"]
    {
        let named = format!("\"type\":\"{kind}\"");
        assert!(day.deliveries.iter().any(|delivery| delivery.body.contains(&named)), "no {kind}");
    }
    let hours = (day.deliveries.last().unwrap().at - day.deliveries[0].at).num_hours();
    assert!((6..24).contains(&hours), "{hours}");
}

fn assert_signed(received: &[Received], secret: &str) {
    let keys = [VerifyingKey::new(&ChannelSecret::parse(secret).unwrap())];
    for one in received {
        assert_eq!(Signature::verify(one.signature.as_bytes(), &one.body, &keys), Ok(0));
    }
}

#[tokio::test]
async fn a_replay_sends_the_recorded_bytes_in_order_signed() {
    let day = Recording::read(SALON_DAY).unwrap();
    let receiver = Receiver::start().await;
    receiver.answer_next(&[200, 500]);
    let target = Target { url: receiver.url.clone(), keep_signatures: false };
    let outcome = replay(&day, &Replay::default(), &target).await.unwrap();
    let count = day.deliveries.len();
    assert_eq!((outcome.sent, outcome.accepted), (count as u64, count as u64 - 1));
    assert_eq!(outcome.refused.into_iter().collect::<Vec<_>>(), [("500".to_owned(), 1)]);
    let received = receiver.requests(count).await;
    for (got, sent) in received.iter().zip(&day.deliveries) {
        assert_eq!(got.body, sent.body.as_bytes());
        assert_eq!(got.signature, sent.signature, "the same secret signs the same");
    }
    assert_signed(&received, &day.accounts[0].channel_secret);
}

#[tokio::test]
async fn kept_signatures_are_the_recorded_ones_and_others_are_made_anew() {
    let mut day = Recording::read(SALON_DAY).unwrap();
    day.deliveries.truncate(2);
    day.deliveries[0].signature = "kept".to_owned();
    for keep_signatures in [true, false] {
        let receiver = Receiver::start().await;
        let target = Target { url: receiver.url.clone(), keep_signatures };
        replay(&day, &Replay::default(), &target).await.unwrap();
        let received = receiver.requests(2).await;
        assert_eq!(received[0].signature == "kept", keep_signatures);
    }
}

#[tokio::test]
async fn shuffled_and_doubled_every_delivery_arrives_and_some_twice() {
    let day = Recording::read(SALON_DAY).unwrap();
    let receiver = Receiver::start().await;
    let target = Target { url: receiver.url.clone(), keep_signatures: false };
    let wishes = Replay { shuffle: true, duplicate: 0.5, seed: 7, ..Replay::default() };
    let outcome = replay(&day, &wishes, &target).await.unwrap();
    let received = receiver.requests(usize::try_from(outcome.sent).unwrap()).await;
    let mut bodies: Vec<&[u8]> = received.iter().map(|one| one.body.as_ref()).collect();
    let wanted: Vec<&[u8]> = day.deliveries.iter().map(|delivery| delivery.body.as_bytes()).collect();
    assert_ne!(bodies[..wanted.len()], wanted[..], "in another order");
    assert!(bodies.len() > wanted.len() * 5 / 4 && bodies.len() < wanted.len() * 7 / 4, "{}", bodies.len());
    bodies.sort_unstable();
    bodies.dedup();
    let mut wanted = wanted;
    wanted.sort_unstable();
    assert_eq!(bodies, wanted);
}

/// The page's commands. The bot is reached at the URL and sends to the port.
fn commands(page: &str, bot: &str, port: &str) {
    let room = room(&page.replace('.', "-"));
    for file in ["echo.yaml", "salon-day.yaml"] {
        std::fs::copy(shipped(file), room.join(file)).unwrap();
    }
    let text = std::fs::read_to_string(shipped("../docs").join(page)).unwrap();
    let block = text.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let commands: Vec<String> = block.lines().map(|line| line.replace("http://127.0.0.1:3000/callback", bot)).collect();
    assert!(commands.len() >= 3 && commands.iter().all(|line| line.starts_with("line-simulator ")));
    for command in commands {
        // A day in ten minutes is too long for a test.
        let line = command.replacen("line-simulator", PROGRAM, 1).replace("--speed 60 ", "--speed 36000 ");
        let mut bash = Command::new("bash");
        let bash = bash.arg("-c").arg(line).current_dir(&room).env_remove("RUST_BACKTRACE");
        let ended = bash.env("LINE_SIMULATOR_PORT", port).output().unwrap();
        let told = String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{command}\n{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_scenario_page_pass() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    let bot = echo::start(&format!("http://127.0.0.1:{port}"), "line-in-a-box").await;
    tokio::task::spawn_blocking(move || commands("scenarios.md", &bot, &port)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_recording_page_pass() {
    let receiver = Receiver::start().await;
    let bot = receiver.url.clone();
    tokio::task::spawn_blocking(move || commands("recordings.md", &bot, "0")).await.unwrap();
    let day = Recording::read(SALON_DAY).unwrap().deliveries.len();
    assert!(receiver.requests(2 * day).await.len() > 2 * day, "sent again twice, and some of it doubled");
}

#[test]
fn the_program_names_file_line_and_reason_and_leaves_with_1() {
    let file = room("wrong").join("wrong.yaml");
    std::fs::write(&file, "people: { hanako: {} }\ntimeline:\n- { person: taro, writes: a }\n- { person: hanako }\n")
        .unwrap();
    let ended = Command::new(PROGRAM).arg("--scenario").arg(&file).env_remove("RUST_BACKTRACE").output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1));
    assert!(told.contains("wrong.yaml: line 3: person: there is no person `taro`"), "{told}");
    assert!(told.contains("wrong.yaml: line 4: a step does something"), "{told}");
}

#[test]
fn an_expectation_that_is_not_met_makes_the_program_leave_with_1() {
    let file = room("unmet").join("unmet.yaml");
    let text =
        "accounts: { shop: {} }\npeople: { hanako: {} }\ntimeline:\n- { expect: { to: hanako, within: 10ms } }\n";
    std::fs::write(&file, text).unwrap();
    let ended = Command::new(PROGRAM).arg("--scenario").arg(&file).env_remove("RUST_BACKTRACE").output().unwrap();
    let told = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(ended.status.code(), Some(1), "{told}");
    assert!(told.contains("hanako gets a message: FAILED, line 4"), "{told}");
    assert!(told.starts_with("http://127.0.0.1:"), "{told}");
}
