//! Versions, lints and profiles stand in the root manifest, once.

use crate::assert_none;
use crate::source::{File, files};

const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "publish", "license"];

fn breaches(manifest: &File) -> Vec<String> {
    let mut found = Vec::new();
    let lines = |section: &str| section_lines(&manifest.text, |header| header == section);
    for key in INHERITED {
        if !lines("package").contains(&format!("{key}.workspace = true").as_str()) {
            found.push(format!("{}: {key} is not the workspace's", manifest.path));
        }
    }
    if lines("lints") != ["workspace = true"] {
        found.push(format!("{}: [lints] are not the workspace's", manifest.path));
    }
    for line in section_lines(&manifest.text, |header| header.ends_with("dependencies")) {
        if !line.contains("workspace = true") {
            found.push(format!("{}: `{line}` does not take its version from the workspace", manifest.path));
        }
    }
    let folder = manifest.path.rsplit('/').nth(1).unwrap_or_default();
    if !lines("package").contains(&format!("name = \"{folder}\"").as_str()) {
        found.push(format!("{}: the crate is not called as its folder", manifest.path));
    }
    found
}

/// The lines that say something in the sections whose header, without brackets, is wanted.
fn section_lines(text: &str, wanted: impl Fn(&str) -> bool) -> Vec<&str> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(header) = line.strip_prefix('[') {
            inside = wanted(header.trim_end_matches(']'));
        } else if inside {
            found.push(line);
        }
    }
    found
}

#[test]
fn every_crate_inherits_what_the_workspace_says() {
    let manifests: Vec<_> = files().into_iter().filter(|file| file.name() == "Cargo.toml").collect();
    assert_none("manifests of their own mind", &manifests.iter().flat_map(breaches).collect::<Vec<_>>());
}

#[test]
fn breaches_are_seen() {
    let good = "[package]\nname = \"a\"\nversion.workspace = true\nedition.workspace = true\nrust-version.workspace = true\n\
                publish.workspace = true\nlicense.workspace = true\n[lints]\nworkspace = true\n[dependencies]\n\
                serde.workspace = true\ntokio = { workspace = true, features = [\"net\"] }\n";
    let count = |text: &str| breaches(&File::new("crates/a/Cargo.toml", text)).len();
    assert_eq!(count(good), 0);
    for (from, to) in [
        ("name = \"a\"", "name = \"b\""),
        ("edition.workspace = true", "edition = \"2021\""),
        ("serde.workspace = true", "serde = \"1\""),
        ("[lints]\nworkspace = true\n", ""),
    ] {
        assert_eq!(count(&good.replace(from, to)), 1, "{from} → {to}");
    }
}
