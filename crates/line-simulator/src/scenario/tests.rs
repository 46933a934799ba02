//! What a file must be to be a scenario.

use proptest::prelude::*;

use super::*;

const CAST: &str =
    "accounts: { shop: {} }\npeople: { hanako: {}, taro: {} }\nchats: { family: { members: [hanako] } }\n";

/// The faults of a file with this timeline below the cast, which takes three lines and one for the key.
fn faults(timeline: &str) -> Vec<String> {
    let text = format!("{CAST}timeline:\n{timeline}");
    Scenario::read(&text).err().map(|error| error.faults.iter().map(ToString::to_string).collect()).unwrap_or_default()
}

#[test]
fn every_shipped_scenario_is_sound() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|ending| ending == "yaml")).collect();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let scenario = Scenario::read(&text).unwrap_or_else(|fault| panic!("{}:\n{fault}", file.display()));
        assert!(scenario.steps() > 0);
    }
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (timeline, told) in [
        ("- { person: hanako, writes: hello, colour: red }\n", "colour"),
        ("- { person: nobody, writes: hello }\n", "line 5: person: there is no person `nobody`"),
        ("- { person: hanako, account: other, writes: hello }\n", "line 5: account: there is no account `other`"),
        ("- { person: hanako, chat: other, writes: hello }\n", "line 5: chat: there is no chat `other`"),
        ("- { writes: hello }\n", "line 5: person: who does it?"),
        ("- { person: hanako }\n", "line 5: a step does something"),
        (
            "- { person: hanako, writes: a, unsends: b }\n",
            "line 5: a step does one thing; this one names writes, unsends",
        ),
        ("- { at: soon, person: hanako, writes: a }\n", "line 5: at: a length of time"),
        ("- { at: 1s, after: 1s, person: hanako, writes: a }\n", "line 5: at, after: one of the two"),
        ("- { person: hanako, does: add_friend, extra: {} }\n", "line 5: extra: goes with `writes`"),
        ("- { person: hanako, unsends: a }\n", "line 5: no step before this one makes a message of the name `a`"),
        ("- { end_fault: a }\n", "line 5: no step before this one makes a fault of the name `a`"),
        (
            "- { person: hanako, writes: a, name: x }\n- { person: hanako, writes: b, name: x }\n",
            "line 6: name: there is a step",
        ),
        (
            "- { at: 2s, person: hanako, writes: a, name: x }\n- { at: 1s, person: hanako, unsends: x }\n",
            "line 6: no step before",
        ),
        ("- { person: hanako, does: block, name: x }\n", "line 5: name: this step makes neither"),
        ("- { fault: { endpoint: push, effect: { kind: server_error } } }\n", "line 5: fault.endpoint"),
        ("- { fault: { effect: { kind: server_error }, probability: 2 } }\n", "line 5: fault.probability"),
        ("- { delivery: { duplicate: 7 } }\n", "line 5: delivery.duplicate: 0 to 1"),
        ("- { delivery: { delay_ms: 18446744073709551615 } }\n", "line 5: delivery.delay_ms: at most 600000"),
        ("- { delivery: { batch: 0 } }\n", "line 5: delivery.batch: 1 to"),
        ("- { fault: { effect: { kind: latency, ms: 1, seconds: 2 } } }\n", "seconds"),
        ("- { person: hanako, fault: { effect: { kind: server_error } } }\n", "line 5: person, standby"),
        ("- { expect: { to: nobody } }\n", "line 5: expect.to: there is no person or chat `nobody`"),
        ("- { expect: { to: hanako, text: a, contains: b } }\n", "line 5: expect.text, expect.contains"),
        ("- { expect: {} }\n", "line 5: expect: either"),
        ("- { expect: { webhooks: answered, within: 1h } }\n", "line 5: expect.within: at most 10m"),
        ("- { chat: family, group: { joined: [nobody] } }\n", "line 5: group: there is no person `nobody`"),
        ("- { event: { news: 1 } }\n", "line 5: event: needs a type"),
        ("- { clock: { speed: 0 } }\n", "line 5: clock.speed"),
        ("- { clear_faults: false }\n", "line 5: clear_faults"),
    ] {
        let found = faults(timeline);
        assert!(found.iter().any(|fault| fault.contains(told)), "{timeline} tells {found:?} and not {told}");
        assert!(found.iter().all(|fault| fault.starts_with("line ")), "{found:?}");
    }
}

#[test]
fn what_is_wrong_with_the_cast_is_named() {
    for (text, told) in [
        ("accounts: { shop: { provider: x } }", "provider: there is no provider `x`"),
        ("accounts: { shop: { channel_id: abc } }", "channel_id: 1 to 20 digits"),
        ("accounts: { shop: { channel_secret: \"\" } }", "channel_secret"),
        ("accounts: { shop: { access_token: \"a b\" } }", "access_token"),
        ("accounts: { shop: { webhook_url: here } }", "webhook_url: an absolute address"),
        ("accounts: { a: { channel_id: \"1\" }, b: { channel_id: \"1\" } }", "each account's own"),
        ("people: { Hanako: {} }", "`Hanako` is no name"),
        ("people: { a: {} }\nchats: { a: {} }", "is a person and a chat"),
        ("chats: { a: { members: [x] } }", "members: there is no person `x`"),
        ("people: { a: {} }\npeople: { b: {} }", "people"),
        ("weather: fine", "weather"),
        ("people: { a: &a {}, b: *a }", ""),
        ("[]", "line 1"),
        ("", ""),
    ] {
        let read = Scenario::read(text);
        if text.is_empty() {
            assert_eq!(read.map(|scenario| scenario.steps()), Ok(0), "an empty file is an empty scenario");
            continue;
        }
        let told_now = read.unwrap_err().to_string();
        assert!(told_now.contains(told), "{text} tells {told_now} and not {told}");
    }
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_the_file() {
    let found =
        faults("- { person: nobody, writes: a }\n- { person: hanako }\n- { at: x, person: hanako, writes: a }\n");
    let lines: Vec<&str> = found.iter().filter_map(|fault| fault.split(':').next()).collect();
    assert_eq!(lines, ["line 5", "line 6", "line 7"]);
}

#[test]
fn a_file_over_a_mebibyte_is_refused_unread() {
    let large = format!("# {}\n", "a".repeat(MAX_BYTES));
    assert!(Scenario::read(&large).unwrap_err().to_string().contains("at most"));
}

proptest! {
    /// Steps come in the order of their moments, equal ones in the order of the file.
    #[test]
    fn steps_come_in_the_order_of_their_moments(seconds in proptest::collection::vec(0_i64..20, 1..40)) {
        let line = |at: &i64| format!("- {{ at: {at}s, person: hanako, writes: a }}\n");
        let timeline: String = seconds.iter().map(line).collect();
        let scenario = Scenario::read(&format!("{CAST}timeline:\n{timeline}")).unwrap();
        let mut wanted: Vec<(i64, u64)> = seconds.iter().zip(5_u64..).map(|(at, line)| (*at, line)).collect();
        wanted.sort_unstable();
        let found: Vec<(i64, u64)> = scenario.steps.iter().map(|step| (step.at.num_seconds(), step.line)).collect();
        prop_assert_eq!(found, wanted);
        prop_assert_eq!(scenario.length().num_seconds(), seconds.iter().copied().max().unwrap());
    }

    #[test]
    fn no_text_makes_reading_panic(text in "([a-z]{0,8}[:\\[\\]{}, \n-]{0,3}){0,12}") {
        let _ = Scenario::read(&text);
    }
}
