//! Which crate may know which: the hexagons stay free of input and output, the services of each other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

use crate::assert_none;
use crate::source::root;

/// Every crate of ours, and those of ours it may use. A name missing here is a crate nobody placed in the plan.
const PLAN: [(&str, &[&str]); 18] = [
    ("kernel", &[]),
    ("line-types", &[]),
    ("webhook-ingest-core", &["kernel", "line-types"]),
    ("identity-linking-core", &["kernel", "line-types"]),
    ("messaging-outbox-core", &["kernel", "line-types"]),
    ("scheduler-core", &["kernel", "line-types"]),
    ("contracts", &["kernel"]),
    ("bus", &["kernel", "contracts", "chassis"]),
    ("chassis", &["kernel", "contracts"]),
    ("line-client", &["line-types"]),
    ("line-simulator", &["kernel", "line-types"]),
    ("testkit", &[]),
    ("webhook-ingest", &["kernel", "line-types", "contracts", "bus", "chassis", "webhook-ingest-core"]),
    ("identity-linking", &["kernel", "line-types", "contracts", "bus", "chassis", "identity-linking-core"]),
    (
        "messaging-outbox",
        &["kernel", "line-types", "line-client", "contracts", "bus", "chassis", "messaging-outbox-core"],
    ),
    ("scheduler", &["kernel", "contracts", "bus", "chassis", "scheduler-core"]),
    (
        "tsunagi",
        &[
            "kernel",
            "contracts",
            "bus",
            "chassis",
            "line-types",
            "line-simulator",
            "webhook-ingest",
            "identity-linking",
            "messaging-outbox",
            "scheduler",
        ],
    ),
    ("tests", EVERYTHING),
];
/// Marks a crate that may use all others.
const EVERYTHING: &[&str] = &["*"];
/// What the tests inside any crate may use besides.
const FOR_TESTS: [&str; 3] = ["testkit", "line-simulator", "chassis"];

/// Crates whose code decides and never speaks to the world.
const PURE: [&str; 6] =
    ["kernel", "line-types", "webhook-ingest-core", "identity-linking-core", "messaging-outbox-core", "scheduler-core"];
/// What speaks to the world; a pure crate does not reach these, not even through another crate.
const WORLDLY: [&str; 12] = [
    "async-nats",
    "axum",
    "hyper",
    "mio",
    "reqwest",
    "rustls",
    "socket2",
    "sqlx",
    "tokio",
    "tonic",
    "tower",
    "tracing-subscriber",
];
/// Libraries that one crate hides from all others.
const HIDDEN: [(&str, &[&str]); 2] = [
    ("async-nats", &["bus", "testkit", "tests"]),
    ("reqwest", &["chassis", "line-client", "line-simulator", "tsunagi", "tests"]),
];

/// `from` uses `to`; in its tests only, if `testing`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    from: String,
    to: String,
    testing: bool,
}

fn out_of_plan(edge: &Edge) -> Option<String> {
    let Edge { from, to, testing } = edge;
    let Some((_, may)) = PLAN.iter().find(|(name, _)| name == from) else {
        return Some(format!("{from} has no place in the plan"));
    };
    let planned = may.contains(&to.as_str()) || *may == EVERYTHING;
    let ours = PLAN.iter().any(|(name, _)| name == to);
    let for_tests = *testing && FOR_TESTS.contains(&to.as_str());
    let hidden = HIDDEN.iter().find(|(library, _)| library == to);
    match hidden {
        Some((_, by)) if !by.contains(&from.as_str()) && !testing => {
            Some(format!("{from} → {to}, which is {by:?}'s alone"))
        }
        None if ours && !planned && !for_tests => Some(format!("{from} → {to}")),
        _ => None,
    }
}

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml")).other_options(["--locked".to_owned(), "--offline".to_owned()]);
    command.exec().expect("cargo tells the workspace's packages")
}

fn edges_of(package: &Package) -> impl Iterator<Item = Edge> + '_ {
    package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Build).map(|dependency| Edge {
        from: package.name.to_string(),
        to: dependency.name.clone(),
        testing: dependency.kind == DependencyKind::Development,
    })
}

/// Ways by which a pure crate reaches the world: `kernel → x → tokio`.
fn leaks(start: &str, graph: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::from([start.to_owned()]);
    let mut ways = VecDeque::from([vec![start.to_owned()]]);
    while let Some(way) = ways.pop_front() {
        for next in graph.get(&way[way.len() - 1]).into_iter().flatten() {
            let longer: Vec<String> = way.iter().chain([next]).cloned().collect();
            if WORLDLY.contains(&next.as_str()) {
                found.push(longer.join(" → "));
            } else if seen.insert(next.clone()) {
                ways.push_back(longer);
            }
        }
    }
    found
}

/// What is compiled into what, tests aside, over the whole lock file, by names.
fn shipped_graph(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let name = |id: &PackageId| metadata[id].name.to_string();
    let resolve = metadata.resolve.as_ref().expect("cargo resolved the dependencies");
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in &resolve.nodes {
        let shipped =
            node.deps.iter().filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
        graph.entry(name(&node.id)).or_default().extend(shipped.map(|dep| name(&dep.pkg)));
    }
    graph
}

#[test]
fn crates_use_what_the_plan_allows() {
    let metadata = metadata();
    let packages = metadata.workspace_packages();
    let breaches: Vec<_> =
        packages.iter().flat_map(|package| edges_of(package)).filter_map(|edge| out_of_plan(&edge)).collect();
    assert_none("uses outside the plan", &breaches);
    for package in packages {
        assert!(
            PLAN.iter().any(|(name, _)| *name == package.name.as_str()),
            "{} has no place in the plan",
            package.name
        );
    }
}

#[test]
fn the_hexagons_reach_no_input_and_no_output() {
    let graph = shipped_graph(&metadata());
    let breaches: Vec<_> = PURE.iter().flat_map(|start| leaks(start, &graph)).collect();
    assert_none("pure crates that reach the world", &breaches);
    assert!(!leaks("bus", &graph).is_empty(), "the bus reaches the world; a search that misses it shows nothing");
}

#[test]
fn breaches_are_seen() {
    let edge = |from: &str, to: &str, testing| out_of_plan(&Edge { from: from.to_owned(), to: to.to_owned(), testing });
    assert!(edge("scheduler", "identity-linking", false).is_some());
    assert!(edge("scheduler", "identity-linking-core", true).is_some());
    assert!(edge("messaging-outbox", "async-nats", false).is_some());
    assert!(edge("stranger", "kernel", false).is_some());
    assert!(edge("scheduler", "testkit", false).is_some());
    assert!(edge("scheduler", "testkit", true).is_none());
    assert!(edge("scheduler", "serde", false).is_none());
    assert!(edge("tests", "scheduler", false).is_none());

    let uses = |to: &[&str]| to.iter().map(|&it| it.to_owned()).collect();
    let graph = BTreeMap::from([("kernel".to_owned(), uses(&["x"])), ("x".to_owned(), uses(&["tokio", "serde"]))]);
    assert_eq!(leaks("kernel", &graph), ["kernel → x → tokio"]);
}
