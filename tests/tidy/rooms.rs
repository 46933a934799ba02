//! Small rooms with a name.

use crate::assert_none;
use crate::source::{File, files};

const LONGEST: usize = 400;
const LONGEST_TEST: usize = 600;
const LONGEST_MAIN: usize = 20;
/// Names that say nothing: a file is called for the one idea it holds.
const NAMELESS: [&str; 7] = ["util", "utils", "helper", "helpers", "common", "misc", "shared"];

fn too_long(file: &File) -> Option<String> {
    let written = [".rs", ".py", ".sql", ".ts", ".js"].iter().any(|ending| file.ends_with(ending));
    let limit = match file {
        _ if !written => return None,
        _ if file.ships() && file.name() == "main.rs" => LONGEST_MAIN,
        _ if file.is_test() && file.ends_with(".rs") => LONGEST_TEST,
        _ => LONGEST,
    };
    let lines = file.text.lines().count();
    (lines > limit).then(|| format!("{}: {lines} lines, at most {limit}", file.path))
}

fn nameless(file: &File) -> Option<String> {
    let named = |part: &str| NAMELESS.contains(&part.split('.').next().unwrap_or_default());
    file.path.split('/').any(named).then(|| file.path.clone())
}

fn without_purpose(file: &File) -> Option<String> {
    let room = !file.is_test() && file.ends_with(".rs");
    let opens = ["//!", "#![doc = include_str!("].iter().any(|opening| file.text.starts_with(opening));
    (room && !opens).then(|| file.path.clone())
}

#[test]
fn no_file_is_too_long() {
    let breaches: Vec<_> = files().iter().filter_map(too_long).collect();
    assert_none("files that hold more than one idea", &breaches);
}

#[test]
fn every_file_is_named_for_what_it_holds() {
    let breaches: Vec<_> = files().iter().filter_map(nameless).collect();
    assert_none("names that say nothing", &breaches);
}

#[test]
fn every_source_file_opens_with_its_purpose() {
    let breaches: Vec<_> = files().iter().filter_map(without_purpose).collect();
    assert_none("files that do not start with a `//!` text, or with their README as one", &breaches);
}

#[test]
fn breaches_are_seen() {
    let long = "x\n".repeat(LONGEST + 1);
    assert!(too_long(&File::new("crates/a/src/b.rs", &long)).is_some());
    assert!(too_long(&File::new("crates/a/src/b.rs", &long[2..])).is_none());
    assert!(too_long(&File::new("crates/a/tests/it/b.rs", &long)).is_none());
    assert!(too_long(&File::new("crates/a/src/main.rs", &"x\n".repeat(21))).is_some());
    assert!(nameless(&File::new("crates/a/src/utils.rs", "")).is_some());
    assert!(nameless(&File::new("crates/a/src/common/b.rs", "")).is_some());
    assert!(nameless(&File::new("crates/a/src/commonly.rs", "")).is_none());
    assert!(without_purpose(&File::new("crates/a/src/b.rs", "use x;")).is_some());
}
