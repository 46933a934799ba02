//! The house rules, as tests: what a compiler does not see and a reviewer forgets.
//!
//! Each rule is a function from plain values to the list of its breaches, so that its own test can show it a breach; one more
//! test holds the whole workspace to it. When a rule is wrong, change the rule here, in the same commit.

mod failpoints;
mod graph;
mod kubernetes;
mod manifests;
mod operations;
mod reasons;
mod rooms;
mod source;
mod spawning;
mod tables;
mod waiting;

/// Fails with all breaches at once, one a line.
fn assert_none(rule: &str, breaches: &[String]) {
    assert!(breaches.is_empty(), "{rule}:\n  {}\n", breaches.join("\n  "));
}
