//! The bounded fuzzing of `make test`: every target for some seconds, from its kept inputs on. `make chaos` goes on for longer.

use std::alloc::System;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cap::Cap;
use tests::fuzz::{TARGETS, Target, attempt, keep, run};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// One at a time: the memory that is asked for meanwhile is counted as the input's.
static ALONE: Mutex<()> = Mutex::new(());

const SECONDS: Duration = Duration::from_secs(4);

fn corpus() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus"))
}

fn meter() -> usize {
    ALLOCATOR.total_allocated()
}

/// The same inputs each time, as far as the seconds reach: what they break was broken by a change. New ones are for `make chaos`.
const SEED: u64 = 1;

#[expect(clippy::print_stdout, reason = "whoever sees it fail wants to know how far it came")]
fn for_some_seconds(name: &str) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let target = TARGETS.iter().find(|target| target.name == name).expect("the target is one of them");
    let run = run(target, &corpus(), SEED, SECONDS, meter).expect("the corpus can be read");
    println!("{run:?}");
    if let Some(found) = run.found {
        let file = keep(&corpus(), name, &found.input).expect("the corpus can be written");
        panic!("{}; kept as {}", found.problem, file.display());
    }
    assert!(run.tried > 100, "only {} inputs tried", run.tried);
    assert!(run.outcomes > 1, "every input ended alike: the target shows nothing");
}

macro_rules! targets {
    ($($name:ident),+ $(,)?) => {
        $(#[test]
        fn $name() {
            for_some_seconds(stringify!($name));
        })+

        #[test]
        fn every_target_has_a_test_and_every_corpus_a_target() {
            let tested = [$(stringify!($name)),+];
            assert_eq!(TARGETS.map(|target| target.name), tested);
            for folder in std::fs::read_dir(corpus()).expect("there is a corpus") {
                let name = folder.expect("it can be read").file_name().into_string().expect("names are text");
                assert!(tested.contains(&name.as_str()), "nothing reads the corpus {name}");
            }
        }
    };
}

targets!(
    webhook_body,
    signature_header,
    webhook_key,
    page_token,
    event_headers,
    subject,
    event_bodies,
    line_event,
    body_senders,
    retry_after,
    scenario,
    recording,
);

#[test]
fn a_panic_and_a_feast_and_nothing_else_are_found() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let read: fn(&[u8]) -> u64 = |input| {
        assert!(!input.starts_with(b"!"), "an exclamation");
        let feast = if input.starts_with(b"?") { vec![1_u8; 1 << 20] } else { Vec::new() };
        u64::from(feast.first().copied().unwrap_or_default())
    };
    let target = Target { name: "none", bound: (1 << 10, 10), read, seeds: Vec::new };
    let outcome = |input: &[u8]| attempt(&target, input, meter).map(|(outcome, _)| outcome);
    assert_eq!(outcome(b"a"), Ok(0));
    assert!(outcome(b"!").is_err_and(|problem| problem == "panicked: an exclamation"));
    assert!(outcome(b"?").is_err_and(|problem| problem.starts_with("asked for")));
    let empty = std::env::temp_dir().join("there is no such corpus");
    let found = run(&target, &empty, 1, Duration::from_secs(20), meter).expect("an empty corpus").found;
    assert!(found.is_some_and(|found| found.input.starts_with(b"!") || found.input.starts_with(b"?")));
}
