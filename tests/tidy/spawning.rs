//! No task without an owner: `chassis` starts the tasks of a process, knows when all have ended, and ends the process when
//! one dies. A task started past it can die unseen.

use crate::assert_none;
use crate::source::{File, files};

/// `line-simulator` is a program of its own for tests; `testkit` is only ever part of one.
const MAY: [&str; 3] = ["chassis", "line-simulator", "testkit"];
/// Tasks that serve one connection, one watcher or one publication: they end with it, and one that dies must not end the
/// process.
const ONE_CLIENTS_TASK: [&str; 3] = [
    "crates/messaging-outbox/src/grpc/watch.rs",
    "crates/messaging-outbox/src/watch.rs",
    "crates/webhook-ingest/src/publish/send.rs",
];

fn breaches(file: &File) -> Vec<String> {
    if !file.ships()
        || !file.ends_with(".rs")
        || file.stem() == "tests"
        || ONE_CLIENTS_TASK.contains(&file.path.as_str())
        || file.package().is_some_and(|it| MAY.contains(&it))
    {
        return Vec::new();
    }
    let text = file.shipped_text();
    let calls = text.lines().filter(|line| ["tokio::spawn(", "task::spawn("].iter().any(|call| line.contains(call)));
    calls.map(|line| format!("{}: {}", file.path, line.trim())).collect()
}

#[test]
fn only_the_chassis_starts_tasks() {
    assert_none("tasks without an owner", &files().iter().flat_map(breaches).collect::<Vec<_>>());
}

#[test]
fn breaches_are_seen() {
    let count = |path: &str, text: &str| breaches(&File::new(path, text)).len();
    assert_eq!(count("crates/bus/src/relay.rs", "let task = tokio::spawn(async {});"), 1);
    assert_eq!(count("crates/chassis/src/host.rs", "tokio::spawn(async {});"), 0);
    assert_eq!(count("crates/bus/src/relay.rs", "// not tokio::spawn(x)\nspawn_blocking(f);"), 0);
    assert_eq!(count("crates/bus/src/relay.rs", "#[cfg(test)]\nmod tests {\n tokio::spawn(x);\n}"), 0);
}
