//! The Kubernetes manifests give every program the settings it needs and none it does not know, and let it end in peace.

use std::collections::{BTreeMap, BTreeSet};

use chassis::HostConfig;
use chassis::config::Settings;
use serde_json::Value;

use crate::assert_none;
use crate::source::{File, files};

/// The settings of one program: each name, and whether it must be given.
type Known = BTreeMap<String, bool>;

/// What each program reads, from the manual it prints.
fn programs() -> BTreeMap<&'static str, Known> {
    fn known(service: &str, read: impl FnOnce(&mut Settings)) -> Known {
        let mut settings = Settings::from_map(BTreeMap::new());
        HostConfig::read(&mut settings, service);
        read(&mut settings);
        let manual = settings.manual();
        let entries = manual.lines().filter_map(|line| line.strip_prefix("  TSUNAGI_")?.split_once("  ("));
        entries.map(|(name, form)| (format!("TSUNAGI_{name}"), form.ends_with("required)"))).collect()
    }
    let passwords = ["INGEST", "IDENTITY", "MESSAGING", "SCHEDULER"];
    let mut migrate: Known = passwords.map(|service| (format!("TSUNAGI_{service}_DATABASE_PASSWORD"), false)).into();
    migrate.insert("TSUNAGI_ADMIN_DATABASE_URL".to_owned(), true);
    BTreeMap::from([
        ("webhook-ingest", known("ingest", |settings| drop(webhook_ingest::Config::read(settings)))),
        ("identity-linking", known("identity", |settings| drop(identity_linking::Config::read(settings)))),
        ("messaging-outbox", known("messaging", |settings| drop(messaging_outbox::Config::read(settings)))),
        ("scheduler", known("scheduler", |settings| drop(scheduler::Config::read(settings)))),
        ("migrate", migrate),
    ])
}

fn documents(file: &File) -> Vec<Value> {
    let parse = |text: &str| serde_saphyr::from_str(text).unwrap_or_else(|fault| panic!("{}: {fault}", file.path));
    file.text.split("\n---\n").map(parse).collect()
}

/// Text of a value at a path such as `/spec/x`, numbers as text.
fn text(value: &Value, path: &str) -> Option<String> {
    match value.pointer(path)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    value.pointer(path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The settings of every service at once, from the one ConfigMap all of them read.
fn for_all(documents: &[Value]) -> BTreeMap<String, String> {
    let maps = documents.iter().filter(|one| text(one, "/kind").as_deref() == Some("ConfigMap"));
    let data = maps.filter_map(|map| map.pointer("/data")?.as_object());
    data.flatten().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// The setting a variable gives: `X_FILE` gives `X`, unless there is an `X_FILE` itself.
fn gives<'a>(variable: &'a str, known: &Known) -> &'a str {
    match variable.strip_suffix("_FILE") {
        Some(stem) if !known.contains_key(variable) => stem,
        _ => variable,
    }
}

fn breaches_of(pod: &Value, all: &BTreeMap<String, String>, programs: &BTreeMap<&str, Known>) -> Vec<String> {
    let mut found = Vec::new();
    for container in list(pod, "/containers") {
        let name = text(container, "/name").unwrap_or_default();
        let Some(known) = programs.get(name.as_str()) else {
            found.push(format!("{name} is no program of ours"));
            continue;
        };
        let own: BTreeMap<String, String> = list(container, "/env")
            .iter()
            .filter_map(|one| Some((text(one, "/name")?, text(one, "/value").unwrap_or_default())))
            .collect();
        let shares = !list(container, "/envFrom").is_empty();
        let given: BTreeMap<&String, &String> = all.iter().filter(|_| shares).chain(&own).collect();
        let settings: BTreeSet<&str> = given.keys().map(|variable| gives(variable, known)).collect();
        let told = |name: &str| given.get(&name.to_owned()).map(|value| value.as_str());

        let strangers = own.keys().filter(|variable| !known.contains_key(gives(variable, known)));
        found.extend(strangers.map(|variable| format!("{name} knows no {variable}")));
        let needed = known.iter().filter(|(setting, required)| **required && !settings.contains(setting.as_str()));
        found.extend(needed.map(|(setting, _)| format!("{name} is not given {setting}")));
        let is_secret = |name: &str| {
            let stem = name.trim_end_matches("_FILE");
            ["PASSWORD", "TOKEN", "KEY", "KEYS", "ADMIN_DATABASE_URL"].iter().any(|secret| stem.ends_with(secret))
        };
        let open = own.keys().filter(|name| is_secret(name) && !name.ends_with("_FILE"));
        found.extend(open.map(|variable| format!("{name}: the secret {variable} does not come from a file")));
        if shares && !settings.contains("TSUNAGI_TLS_CERTIFICATE") && told("TSUNAGI_ALLOW_PLAINTEXT") != Some("true") {
            found.push(format!("{name} serves gRPC beyond loopback without a certificate"));
        }
        let mounts: Vec<String> =
            list(container, "/volumeMounts").iter().filter_map(|one| text(one, "/mountPath")).collect();
        for (variable, path) in given.iter().filter(|(variable, _)| variable.ends_with("_FILE")) {
            if !mounts.iter().any(|mount| path.starts_with(&format!("{mount}/"))) {
                found.push(format!("{name}: {variable} names {path}, where nothing is mounted"));
            }
        }
        let hardened = [
            ("/securityContext/allowPrivilegeEscalation", Value::from(false)),
            ("/securityContext/readOnlyRootFilesystem", Value::from(true)),
            ("/securityContext/capabilities/drop", Value::from(vec!["ALL"])),
        ];
        let soft = hardened.iter().filter(|(path, wanted)| container.pointer(path) != Some(wanted));
        found.extend(soft.map(|(path, _)| format!("{name}: {path} is not as it must be")));
        if pod.pointer("/securityContext/runAsNonRoot") != Some(&Value::from(true)) {
            found.push(format!("{name} may run as root"));
        }
        if shares {
            let seconds = |value: Option<&str>| value.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
            let end = seconds(told("TSUNAGI_DRAIN_PAUSE_SECONDS")) + seconds(told("TSUNAGI_DRAIN_SECONDS"));
            let grace = seconds(text(pod, "/terminationGracePeriodSeconds").as_deref());
            // Three more for the last traces.
            if end == 0 || grace <= end + 3 {
                found.push(format!("{name} is killed after {grace} s while it may drain for {end} s"));
            }
        }
    }
    found
}

fn breaches(documents: &[Value], programs: &BTreeMap<&str, Known>) -> Vec<String> {
    let all = for_all(documents);
    let strangers =
        all.keys().filter(|variable| !programs.values().any(|known| known.contains_key(gives(variable, known))));
    let strangers: Vec<String> = strangers.map(|variable| format!("no service knows {variable}")).collect();
    let pods = documents.iter().filter_map(|document| document.pointer("/spec/template/spec"));
    strangers.into_iter().chain(pods.flat_map(|pod| breaches_of(pod, &all, programs))).collect()
}

#[test]
fn the_manifests_give_each_program_what_it_reads() {
    let files = files();
    let manifests = files.iter().filter(|file| file.path.starts_with("deploy/kubernetes/") && file.ends_with(".yaml"));
    let documents: Vec<Value> = manifests.flat_map(documents).collect();
    let pods = documents.iter().filter(|document| document.pointer("/spec/template/spec").is_some()).count();
    assert_eq!(pods, 5, "four services and the migration step");
    assert_none("manifests that do not fit the programs", &breaches(&documents, &programs()));
}

#[test]
fn breaches_are_seen() {
    let file = |name: &str| {
        files()
            .into_iter()
            .find(|file| file.path == format!("deploy/kubernetes/base/{name}.yaml"))
            .expect("it is there")
    };
    let (shared, service, programs) = (file("configuration"), file("scheduler"), programs());
    let count = |from: &str, to: &str| {
        let changed = [&shared, &service].map(|file| File::new(&file.path, &file.text.replace(from, to)));
        let documents: Vec<Value> = changed.iter().flat_map(documents).collect();
        breaches(&documents, &programs).len()
    };
    assert_eq!(count("", ""), 0);
    for (from, to) in [
        ("TSUNAGI_LOG:", "TSUNAGI_LOGS:"),
        ("TSUNAGI_SCHEDULER_ADMIN_ADDR", "TSUNAGI_SCHEDULER_GRPC_ADDR"),
        ("TSUNAGI_NATS_USER", "TSUNAGI_NATS_NAME"),
        (
            "{ name: TSUNAGI_NATS_PASSWORD_FILE, value: /etc/tsunagi/secrets/nats-password }",
            "{ name: TSUNAGI_NATS_PASSWORD, value: x }",
        ),
        ("mountPath: /etc/tsunagi/authorities", "mountPath: /etc/tsunagi/elsewhere"),
        ("terminationGracePeriodSeconds: 45", "terminationGracePeriodSeconds: 30"),
        ("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
        ("runAsNonRoot: true", "runAsNonRoot: false"),
    ] {
        assert!(count(from, to) > 0, "{from} → {to}");
    }
}
