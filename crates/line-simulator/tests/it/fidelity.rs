//! `docs/fidelity.md` against LINE's OpenAPI files and against the tests it names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::Value;

use crate::stage::Stage;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn openapi(file: &str) -> Value {
    let text = std::fs::read_to_string(root().join("tests/line-openapi").join(file)).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// Method, path and what the file says of every operation of LINE's files.
pub(crate) fn operations() -> Vec<(Method, String, Value)> {
    let mut found = Vec::new();
    for file in ["messaging-api.yml", "insight.yml", "channel-access-token.yml"] {
        for (path, item) in openapi(file)["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                if ["get", "post", "put", "patch", "delete"].contains(&method.as_str()) {
                    found.push((method.to_uppercase().parse().unwrap(), path.clone(), operation.clone()));
                }
            }
        }
    }
    found
}

/// The rows of the table below a heading: first cell without its backticks, and the last.
fn rows(heading: &str) -> Vec<(String, String)> {
    let page = std::fs::read_to_string(root().join("crates/line-simulator/docs/fidelity.md")).unwrap();
    let section = page.split(&format!("\n## {heading}\n")).nth(1).unwrap().split("\n## ").next().unwrap();
    let lines = section.lines().filter(|line| line.starts_with("| ")).skip(2);
    let cells = lines.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>());
    cells.map(|cells| (cells[0].replace('`', ""), (*cells.last().unwrap()).to_owned())).collect()
}

/// The names of a cell that are no test of a file here.
fn missing(cell: &str) -> Vec<String> {
    let named = cell.split('`').skip(1).step_by(2);
    let is_there = |name: &&str| {
        let (file, test) = name.split_once("::").unwrap_or_default();
        let path = root().join("crates/line-simulator/tests/it").join(format!("{file}.rs"));
        let Ok(text) = std::fs::read_to_string(path) else { return false };
        let tests: Vec<&str> =
            text.split("test]\n").skip(1).filter_map(|t| t.split("fn ").nth(1)?.split('(').next()).collect();
        let tests_after_flavour =
            text.split("test(flavor").skip(1).filter_map(|t| t.split("fn ").nth(1)?.split('(').next());
        if test == "*" {
            !tests.is_empty()
        } else {
            tests.iter().copied().chain(tests_after_flavour).any(|it| it == test)
        }
    };
    let names: Vec<&str> = named.collect();
    if names.is_empty() {
        return vec!["no test at all".to_owned()];
    }
    names.into_iter().filter(|name| !is_there(name)).map(str::to_owned).collect()
}

/// A path with its parameters unnamed: LINE's files and the SDK list name them differently.
fn unnamed(endpoint: &str) -> String {
    let parts = endpoint.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn every_endpoint_of_lines_files_has_a_row() {
    let here: BTreeSet<String> = rows("Endpoints").into_iter().map(|(endpoint, _)| endpoint).collect();
    let absent: BTreeSet<String> =
        rows("Endpoints that are not here").into_iter().map(|(endpoint, _)| endpoint).collect();
    assert!(here.len() > 60 && absent.len() > 5, "{} {}", here.len(), absent.len());
    let of_line: BTreeSet<String> = operations().iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    assert_eq!(here.intersection(&absent).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(here.union(&absent).cloned().collect::<BTreeSet<_>>(), of_line);
}

#[test]
fn every_row_names_tests_that_are_there() {
    for heading in ["Endpoints", "Webhook events", "Across endpoints"] {
        for (what, tests) in rows(heading) {
            assert_eq!(missing(&tests), Vec::<String>::new(), "{heading}: {what}");
        }
    }
    assert_eq!(missing("`send::nothing_like_it`, `nowhere::*`, `send::*`"), ["send::nothing_like_it", "nowhere::*"]);
}

#[test]
fn every_webhook_event_of_lines_file_has_a_row() {
    let document = openapi("webhook.yml");
    let mapping = &document["components"]["schemas"]["Event"]["discriminator"]["mapping"];
    let mut wanted: BTreeSet<String> = mapping.as_object().unwrap().keys().cloned().collect();
    // Announced by LINE after the copied commit.
    wanted.insert("messageEdited".to_owned());
    let found: BTreeSet<String> = rows("Webhook events").into_iter().map(|(event, _)| event).collect();
    assert_eq!(found, wanted);
}

#[test]
fn what_is_here_is_what_lines_sdks_call() {
    let list = std::fs::read_to_string(root().join("tests/sdk-conformance/endpoints.txt")).unwrap();
    let called: BTreeSet<String> = list.lines().filter(|line| !line.is_empty()).map(unnamed).collect();
    let here: BTreeSet<String> = rows("Endpoints").iter().map(|(endpoint, _)| unnamed(endpoint)).collect();
    assert_eq!(here, called);
}

#[tokio::test]
async fn faults_and_limits_are_ordered_for_every_endpoint_that_is_here_and_for_no_other() {
    let stage = Stage::new().await;
    let order = async |what: &str, order: &Value| {
        let url = format!("{}/control/{what}", stage.simulator.base_url());
        stage.http.post(&url).json(order).send().await.unwrap().status().as_u16()
    };
    let both = async |endpoint: &str| {
        let fault = serde_json::json!({ "endpoint": endpoint, "effect": { "kind": "server_error" } });
        let limit = serde_json::json!({ "endpoint": endpoint, "capacity": [1, 2], "per_second": [1, 2] });
        [order("faults", &fault).await, order("limits", &limit).await]
    };
    for (endpoint, _) in rows("Endpoints") {
        assert_eq!(both(&endpoint).await, [200, 200], "{endpoint}");
    }
    for (endpoint, _) in rows("Endpoints that are not here") {
        assert_eq!(both(&endpoint).await, [409, 409], "{endpoint}");
    }
    for limit in [
        serde_json::json!({ "capacity": [0, 2], "per_second": [1, 2] }),
        serde_json::json!({ "capacity": [3, 2], "per_second": [1, 2] }),
        serde_json::json!({ "capacity": [1, 2], "per_second": [-1, 2] }),
        serde_json::json!({ "capacity": [1, 2], "per_second": [1, 2], "jitter": 1.5 }),
    ] {
        assert_eq!(order("limits", &limit).await, 409, "{limit}");
    }
}

#[tokio::test]
async fn what_is_not_here_answers_404() {
    let stage = Stage::new().await;
    let mut answers = BTreeMap::new();
    for (endpoint, _) in rows("Endpoints that are not here") {
        let (method, path) = endpoint.split_once(' ').unwrap();
        let method: Method = method.parse().unwrap();
        let body = (method != Method::GET).then(|| serde_json::json!({}));
        let answer = stage.call(method, path, body).await;
        answers.insert(endpoint, (answer.status, answer.body["message"].clone()));
    }
    assert!(answers.values().all(|answer| *answer == (404, "Not found".into())), "{answers:#?}");
}
