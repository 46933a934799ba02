//! The pages for outsiders: every control endpoint is there, and every example runs and answers what the page says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use line_simulator::scenario::{Scenario, Speed, State};
use line_simulator::{Options, Simulator};
use serde_json::Value;

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn page(name: &str) -> String {
    std::fs::read_to_string(home().join(name)).unwrap()
}

/// A fenced block: its language, its text.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut open = false;
    for line in page.lines() {
        if let Some(language) = line.strip_prefix("```") {
            open = !open;
            if open {
                found.push((language.to_owned(), String::new()));
            }
        } else if open && let Some((_, text)) = found.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    assert!(!open, "a block without an end");
    found
}

/// Method and path of every route in the sources of the control API.
fn routes() -> BTreeSet<String> {
    let folder = std::fs::read_dir(home().join("src/control")).unwrap();
    let sources: String = folder.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let mut found = BTreeSet::new();
    for call in sources.split(".route(").skip(1) {
        let path = call.split('"').nth(1).unwrap();
        let handlers = call[call.find(',').unwrap()..].split('\n').next().unwrap().split(".route").next().unwrap();
        for method in ["get", "post", "put", "patch", "delete"] {
            if handlers.contains(&format!("{method}(")) {
                found.insert(format!("{} /control{path}", method.to_uppercase()));
            }
        }
    }
    found
}

#[test]
fn every_control_endpoint_is_on_its_page_with_an_example() {
    let page = page("docs/control.md");
    let sections: Vec<&str> = page.split("\n### `").skip(1).collect();
    let documented: BTreeSet<String> = sections.iter().map(|s| s.split('`').next().unwrap().to_owned()).collect();
    assert!(routes().len() >= 35, "{:?}", routes());
    assert_eq!(documented, routes());
    for section in sections {
        let head = section.split('`').next().unwrap();
        let example = blocks(&format!("\n{section}")).into_iter().find(|(language, _)| language == "sh");
        let (_, example) = example.unwrap_or_else(|| panic!("{head} has no example"));
        let path = head.split(' ').nth(1).unwrap();
        let fixed: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && !part.starts_with('{')).collect();
        assert!(fixed.iter().all(|part| example.contains(part)), "{head} has another's example:\n{example}");
    }
}

/// What a value is made of, as far as an example can promise it.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.keys().map(|key| Value::from(key.as_str())).collect(),
        Value::Array(items) => Value::Array(items.iter().take(1).map(shape).collect()),
        Value::String(_) => Value::from("text"),
        other => other.clone(),
    }
}

/// Runs the page's shell blocks one after the other in one shell; the last line of each.
fn run(blocks: &[(String, String)], line: &str) -> Vec<String> {
    let mut script = "set -euo pipefail\n".to_owned();
    for (_, text) in blocks.iter().filter(|(language, _)| language == "sh") {
        script += text;
        script += "\necho; echo '=== end of block'\n";
    }
    let output = Command::new("bash").arg("-c").arg(&script).env("LINE", line).output().unwrap();
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{failed}");
    said.split("=== end of block").map(|said| said.trim().lines().last().unwrap_or_default().to_owned()).collect()
}

async fn as_make_line_starts_it() -> Simulator {
    let simulator = Simulator::start(Options { seed: 7, ..Options::default() }).await.unwrap();
    let scenario = Scenario::read(&page("scenarios/first-steps.yaml")).unwrap();
    let (mut following, _) = simulator.play(scenario, Speed::Max, None).unwrap();
    let over = following.wait_for(|progress| progress.state != State::Playing).await.unwrap().state;
    assert_eq!(over, State::Passed);
    simulator
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_the_control_page_runs_and_answers_what_it_says() {
    let simulator = as_make_line_starts_it().await;
    let blocks = blocks(&page("docs/control.md"));
    let base_url = simulator.base_url().to_owned();
    let shown = blocks.clone();
    let mut answers = tokio::task::spawn_blocking(move || run(&shown, &base_url)).await.unwrap().into_iter();
    let mut answer = String::new();
    let mut compared = 0;
    for (language, text) in &blocks {
        match language.as_str() {
            "sh" => answer = answers.next().unwrap(),
            "json" => {
                let (said, got): (Value, Value) =
                    (serde_json::from_str(text).unwrap(), serde_json::from_str(&answer).unwrap());
                assert_eq!(shape(&got), shape(&said), "the page says {text}, the simulator {answer}");
                compared += 1;
            }
            _ => {}
        }
    }
    assert!(compared >= 30, "{compared}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_the_readme_runs() {
    let simulator = as_make_line_starts_it().await;
    let blocks = blocks(&page("README.md"));
    assert!(blocks.iter().filter(|(language, _)| language == "sh").count() >= 5);
    let base_url = simulator.base_url().to_owned();
    tokio::task::spawn_blocking(move || run(&blocks, &base_url)).await.unwrap();
    let sent = simulator.counts().webhooks;
    assert_eq!(sent, 4, "hanako wrote twice, blocked and unblocked");
}

#[test]
fn what_the_scenario_page_shows_is_a_scenario_and_every_key_is_on_it() {
    let page = page("docs/scenarios.md");
    let yaml: Vec<_> = blocks(&page).into_iter().filter(|(language, _)| language == "yaml").collect();
    assert_eq!(yaml.len(), 1);
    assert_eq!(Scenario::read(&yaml[0].1).unwrap().steps(), 4);
    // Every key there is, as the reader itself lists them.
    let told = Scenario::read("timeline:\n- { nothing: 1 }\n").unwrap_err().to_string();
    let keys: Vec<&str> = told.split("one of ").nth(1).unwrap().split(" at line").next().unwrap().split(", ").collect();
    assert!(keys.len() > 25, "{keys:?}");
    for key in keys {
        assert!(page.contains(&format!("`{key}`")) || page.contains(&format!("`{key}: ")), "{key} is not on the page");
    }
}
