use std::net::SocketAddr;

use proptest::prelude::*;
use url::Url;

use super::*;

fn settings(given: &[(&str, &str)]) -> Settings {
    Settings::from_map(given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

#[test]
fn every_mistake_is_told_at_once_and_no_value_with_it() {
    let mut settings = settings(&[
        ("TSUNAGI_ADDR", "not-an-address"),
        ("TSUNAGI_URL", "hunter2 not a url"),
        ("TSUNAGI_TWICE", "a"),
        ("TSUNAGI_TWICE_FILE", "/b"),
        ("TSUNAGI_KEY_FILE", "/does/not/exist"),
    ]);
    let _: SocketAddr = settings.required("TSUNAGI_ADDR", "an address");
    let _: Option<Url> = settings.optional("TSUNAGI_URL", "a URL");
    let _: u32 = settings.required("TSUNAGI_ABSENT", "a number");
    let _: String = settings.required("TSUNAGI_TWICE", "a text");
    let _ = settings.secret("TSUNAGI_KEY", "a key");
    let error = settings.finish().unwrap_err();
    let names: Vec<&str> = error.mistakes.iter().filter_map(|mistake| mistake.split(' ').next()).collect();
    assert_eq!(names, ["TSUNAGI_ABSENT", "TSUNAGI_ADDR", "TSUNAGI_KEY_FILE", "TSUNAGI_TWICE", "TSUNAGI_URL"]);
    let told = error.to_string();
    assert!(told.starts_with("5 wrong in the settings"), "{told}");
    assert!(!told.contains("hunter2") && !told.contains("not-an-address"), "{told}");
}

#[test]
fn values_defaults_and_absence() {
    let mut settings = settings(&[("TSUNAGI_N", "7"), ("TSUNAGI_EMPTY", "")]);
    assert_eq!(settings.or("TSUNAGI_N", 5u32, "n"), 7);
    assert_eq!(settings.or("TSUNAGI_M", 5u32, "m"), 5);
    assert_eq!(settings.optional::<u32>("TSUNAGI_EMPTY", "empty is absent"), None);
    settings.finish().unwrap();
}

#[test]
fn a_value_may_stand_in_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "s3cret\n").unwrap();
    let mut settings = settings(&[("TSUNAGI_KEY_FILE", file.path().to_str().unwrap())]);
    let secret = settings.secret("TSUNAGI_KEY", "a key");
    assert_eq!(secret.expose(), "s3cret");
    assert_eq!(format!("{secret:?} {settings:?}").matches("s3cret").count(), 0);
    settings.finish().unwrap();
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "x".repeat(70_000)).unwrap();
    let mut settings = settings(&[("TSUNAGI_KEY_FILE", file.path().to_str().unwrap())]);
    let _ = settings.secret("TSUNAGI_KEY", "a key");
    assert_eq!(settings.finish().unwrap_err().mistakes, ["TSUNAGI_KEY_FILE names a file of more than 64 KiB"]);
}

#[test]
fn the_manual_names_every_setting_its_form_and_its_default() {
    let mut settings = settings(&[]);
    let _: u32 = settings.or("TSUNAGI_B", 5, "How many.");
    let _: SocketAddr = settings.required("TSUNAGI_A", "Where it listens.");
    let manual = settings.manual();
    let a = manual.find("TSUNAGI_A  (an address such as 127.0.0.1:8080; required)\n      Where it listens.").unwrap();
    let b = manual.find("TSUNAGI_B  (a whole number; default 5)\n      How many.").unwrap();
    assert!(a < b, "{manual}");
}

proptest! {
    #[test]
    fn no_mistake_shows_a_value(value in "[a-z]{12,40}") {
        let mut settings = settings(&[("TSUNAGI_A", &value), ("TSUNAGI_B", &value), ("TSUNAGI_C", &value)]);
        let _: SocketAddr = settings.required("TSUNAGI_A", "a");
        let _: f64 = settings.or("TSUNAGI_B", 1.0, "b");
        let _: Option<Url> = settings.optional("TSUNAGI_C", "c");
        let told = settings.finish().unwrap_err().to_string();
        prop_assert!(!told.contains(&value), "{told}");
    }
}
