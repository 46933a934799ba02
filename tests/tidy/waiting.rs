//! A test waits for a state under a deadline (`testkit::eventually`), never for a while: a while is too short on a busy
//! machine and too long on every other.

use crate::assert_none;
use crate::source::{File, files};

fn breaches(file: &File) -> Vec<String> {
    // A kill run paces its traffic and keeps a server away for a while: the while is the fault, not a wait for its outcome.
    let paces = file.path.starts_with("tests/src/chaos/");
    if !file.ends_with(".rs") || file.path.starts_with("tests/tidy/") || paces {
        return Vec::new();
    }
    let text = file.tests_text();
    let sleeps = text.lines().filter(|line| ["thread::sleep(", "time::sleep("].iter().any(|call| line.contains(call)));
    sleeps.map(|line| format!("{}: {}", file.path, line.trim())).collect()
}

#[test]
fn no_test_sleeps() {
    assert_none("tests that wait for a while", &files().iter().flat_map(breaches).collect::<Vec<_>>());
}

#[test]
fn breaches_are_seen() {
    let count = |path: &str, text: &str| breaches(&File::new(path, text)).len();
    let sleep = "tokio::time::sleep(soon).await;";
    assert_eq!(count("tests/e2e/a.rs", sleep), 1);
    assert_eq!(count("crates/bus/tests/it/a.rs", sleep), 1);
    assert_eq!(count("crates/bus/src/a.rs", sleep), 0);
    assert_eq!(count("crates/bus/src/a.rs", &format!("{sleep}\n#[cfg(test)]\nmod tests {{\n{sleep}\n}}")), 1);
}
