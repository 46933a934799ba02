//! A kill run can only kill at places that are in the code, and a place nobody kills at shows nothing: both are looked for.

use std::collections::BTreeSet;

use tests::chaos::{PLACES, SPILL_PLACES};

use crate::assert_none;
use crate::source::{File, files};

/// The places where the kill runs kill.
fn of_the_runs() -> BTreeSet<&'static str> {
    PLACES.iter().map(|(_, place)| *place).chain(SPILL_PLACES).collect()
}

/// The places in shipped code.
fn in_the_code(files: &[File]) -> BTreeSet<String> {
    let shipped = files.iter().filter(|file| file.ships());
    let places = shipped.flat_map(|file| {
        let text = file.shipped_text();
        let behind = text.split("reached(\"").skip(1).map(|rest| rest.split('"').next().unwrap_or_default().to_owned());
        behind.collect::<Vec<_>>()
    });
    places.collect()
}

/// The places of the code at which neither the kill runs kill nor any test that names them.
fn untried(files: &[File], runs: &BTreeSet<&str>) -> Vec<String> {
    let tests: Vec<_> =
        files.iter().filter(|file| !file.path.starts_with("tests/tidy/")).map(File::tests_text).collect();
    // By itself, or as a setting arms it.
    let says = |text: &String, place: &str| ["\"", "="].iter().any(|end| text.contains(&format!("\"{place}{end}")));
    let named = |place: &str| tests.iter().any(|text| says(text, place));
    in_the_code(files).into_iter().filter(|place| !runs.contains(place.as_str()) && !named(place)).collect()
}

fn unknown(places: impl IntoIterator<Item = &'static str>, files: &[File]) -> Vec<String> {
    let known = in_the_code(files);
    places.into_iter().filter(|place| !known.contains(*place)).map(str::to_owned).collect()
}

#[test]
fn every_place_of_the_kill_runs_is_in_the_code() {
    assert_none("places that are not in the code", &unknown(of_the_runs(), &files()));
}

#[test]
fn every_place_in_the_code_is_killed_at() {
    let files = files();
    assert!(in_the_code(&files).len() > 20, "this looks in the wrong place");
    assert_none("places that nobody kills at", &untried(&files, &of_the_runs()));
}

#[test]
fn a_place_that_is_gone_or_that_nobody_tries_is_seen() {
    let code = File::new("crates/messaging-outbox/src/call.rs", "failpoint::reached(\"messaging.before_call\");");
    assert_eq!(unknown(["messaging.before_call", "messaging.before_lunch"], &[code]), ["messaging.before_lunch"]);
    let code = || {
        File::new(
            "crates/bus/src/a.rs",
            "reached(\"bus.a\"); reached(\"bus.b\"); reached(\"bus.c\"); reached(\"bus.d\");",
        )
    };
    let test = File::new("crates/bus/tests/it/a.rs", "kill(\"bus.b\"); launch(\"bus.d=kill@2\")");
    assert_eq!(untried(&[code(), test], &BTreeSet::from(["bus.a"])), ["bus.c"]);
}
