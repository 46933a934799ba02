//! Alerts, dashboards and runbook speak of what is there: figures that the code tells, commands and methods that exist.

use std::collections::{BTreeMap, BTreeSet};

use crate::assert_none;
use crate::source::{File, files};

/// What Prometheus' own exposition adds to the name of a histogram.
const OF_HISTOGRAMS: [&str; 3] = ["_bucket", "_count", "_sum"];

/// The words of `text` that begin as the names of our figures do.
fn figures_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| ["tsunagi_", "process_"].iter().any(|family| word.starts_with(family))).collect()
}

/// The figures the shipped code tells: names stand in it as literals.
fn told(files: &[File]) -> BTreeSet<String> {
    let aside = ["testkit", "line-simulator"];
    let shipped =
        files.iter().filter(|file| file.ships() && !file.package().is_some_and(|crate_| aside.contains(&crate_)));
    let literals = shipped.flat_map(|file| {
        let text = file.shipped_text();
        text.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    });
    literals.filter(|literal| figures_in(literal).contains(literal.as_str())).collect()
}

fn unknown_figures(file: &File, told: &BTreeSet<String>) -> Vec<String> {
    let known = |name: &str| {
        let of_histogram = |ending: &&str| name.strip_suffix(ending).is_some_and(|stem| told.contains(stem));
        told.contains(name) || OF_HISTOGRAMS.iter().any(of_histogram)
    };
    let unknown = figures_in(&file.text).into_iter().filter(|name| !known(name));
    unknown.map(|name| format!("{}: {name}", file.path)).collect()
}

fn in_folder<'a>(files: &'a [File], folder: &'a str, ending: &'a str) -> impl Iterator<Item = &'a File> {
    files.iter().filter(move |file| file.path.starts_with(folder) && file.ends_with(ending))
}

#[test]
fn every_figure_that_is_watched_is_told() {
    let files = files();
    let told = told(&files);
    assert!(told.len() > 50, "only {} figures found in the code: this looks in the wrong place", told.len());
    let watched =
        ["deploy/alerts/", "deploy/dashboards/", "deploy/runbook/"].map(|folder| in_folder(&files, folder, ""));
    let breaches: Vec<_> = watched.into_iter().flatten().flat_map(|file| unknown_figures(file, &told)).collect();
    assert_none("figures nobody tells", &breaches);
}

/// The alerts of a file of rules.
fn alerts(file: &File) -> Vec<&str> {
    file.text.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect()
}

fn unwritten(rules: &[&File], pages: &BTreeSet<&str>, index: &str) -> Vec<String> {
    let named: BTreeSet<&str> = rules.iter().flat_map(|file| alerts(file)).collect();
    let mut found = Vec::new();
    for alert in &named {
        let page = format!("deploy/runbook/alerts/{alert}.md");
        if !pages.contains(alert) {
            found.push(format!("{alert} has no page"));
        }
        if !rules.iter().any(|file| file.text.contains(&format!("runbook: {page}\n"))) {
            found.push(format!("{alert} does not name its page {page}"));
        }
        if !index.contains(&format!("(alerts/{alert}.md)")) {
            found.push(format!("{alert} is not in the runbook's contents"));
        }
    }
    found.extend(pages.difference(&named).map(|page| format!("the page {page} is no alert's")));
    found
}

#[test]
fn every_alert_has_its_page_and_its_test() {
    let files = files();
    let (tests, rules): (Vec<&File>, Vec<&File>) =
        in_folder(&files, "deploy/alerts/", ".yaml").partition(|file| file.ends_with(".test.yaml"));
    let pages = in_folder(&files, "deploy/runbook/alerts/", ".md").map(File::stem).collect();
    let index = files.iter().find(|file| file.path == "deploy/runbook/README.md").map_or("", |file| &file.text);
    let mut breaches = unwritten(&rules, &pages, index);
    assert!(
        rules.iter().map(|file| alerts(file).len()).sum::<usize>() > 20,
        "the alerts are looked for in the wrong place"
    );
    for alert in rules.iter().flat_map(|file| alerts(file)) {
        if !tests.iter().any(|file| file.text.contains(&format!("        alertname: {alert}\n"))) {
            breaches.push(format!("{alert} is never seen firing"));
        }
    }
    assert_none("alerts half done", &breaches);
}

/// The commands of `tsunagi` with their flags, `noun verb` → flags, and of the services, which take no flags.
fn commands() -> BTreeMap<String, Vec<String>> {
    let flags = |command: &clap::Command| {
        let names = command.get_arguments().filter_map(clap::Arg::get_long_and_visible_aliases).flatten();
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut known: BTreeMap<String, Vec<String>> =
        ["demo", "run"].map(|own| (format!("tsunagi {own}"), Vec::new())).into();
    for noun in tsunagi::operator::commands() {
        for verb in noun.get_subcommands() {
            known.insert(format!("tsunagi {} {}", noun.get_name(), verb.get_name()), flags(verb));
        }
        if !noun.has_subcommands() {
            known.insert(format!("tsunagi {}", noun.get_name()), flags(&noun));
        }
    }
    for service in tests::Service::ALL {
        for command in ["serve", "migrate", "healthcheck", "--help", "--version"] {
            known.insert(format!("{} {command}", service.binary()), Vec::new());
        }
    }
    known
}

/// The commands in the fenced blocks of a page: one a line, behind `$`, `-- ` or at the line's beginning.
fn unknown_commands(file: &File, known: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut found = Vec::new();
    let text = file.text.replace("\\\n", " ");
    let programs: BTreeSet<&str> = known.keys().filter_map(|command| command.split(' ').next()).collect();
    for block in text.split("```").skip(1).step_by(2) {
        for line in block.lines() {
            let said = line.rsplit_once(" -- ").map_or(line, |(_, behind)| behind).trim();
            let words: Vec<&str> = said.split_whitespace().collect();
            let Some(program) = words.first().filter(|first| programs.contains(*first)) else { continue };
            let longest = (2..=3).rev().find_map(|length| known.get_key_value(&words.get(..length)?.join(" ")));
            let Some((_, flags)) = longest else {
                found.push(format!("{}: {program} has no command `{said}`", file.path));
                continue;
            };
            for flag in words.iter().skip(2).filter_map(|word| word.strip_prefix("--")) {
                let name = flag.split('=').next().unwrap_or_default();
                if *program == "tsunagi" && !flags.iter().any(|known| known == name) {
                    found.push(format!("{}: `{said}` has no --{name}", file.path));
                }
            }
        }
    }
    found
}

/// The gRPC methods a page names, `tsunagi.messaging.v1.MessageService/SettleMessage`, that no proto file has.
fn unknown_methods(file: &File, known: &BTreeSet<String>) -> Vec<String> {
    let words = file.text.split(|c: char| !(c.is_ascii_alphanumeric() || "._/".contains(c)));
    let named = words.filter_map(|word| word.find("tsunagi.").map(|at| &word[at..])).filter(|word| word.contains('/'));
    let unknown = named.filter(|method| !known.contains(&format!("/{method}")) && !method.starts_with("tsunagi.io/"));
    unknown.map(|method| format!("{}: {method}", file.path)).collect()
}

#[test]
fn the_runbook_names_commands_and_methods_that_exist() {
    let (files, commands) = (files(), commands());
    let rules = contracts::AccessRules::load().expect("the methods are described");
    let methods: BTreeSet<String> = rules.iter().map(|(path, _)| path.to_owned()).collect();
    let pages: Vec<&File> = in_folder(&files, "deploy/runbook/", ".md").collect();
    let breaches = |page: &&File| [unknown_commands(page, &commands), unknown_methods(page, &methods)].concat();
    assert_none("a runbook that cannot be followed", &pages.iter().flat_map(breaches).collect::<Vec<_>>());
}

/// The files a page points to, from its own folder on.
fn dead_links(file: &File, paths: &BTreeSet<&str>) -> Vec<String> {
    let links = file.text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let own = links.filter(|link| !link.is_empty() && !link.contains("://"));
    let resolved = own.map(|link| {
        let mut parts: Vec<&str> = file.path.split('/').collect();
        parts.pop();
        for part in link.split('/') {
            match part {
                ".." => drop(parts.pop()),
                "." => {}
                part => parts.push(part),
            }
        }
        parts.join("/")
    });
    resolved.filter(|path| !paths.contains(path.as_str())).map(|path| format!("{}: {path}", file.path)).collect()
}

#[test]
fn the_runbooks_links_lead_somewhere() {
    let files = files();
    let paths = files.iter().map(|file| file.path.as_str()).collect();
    let pages = in_folder(&files, "deploy/runbook/", ".md");
    assert_none("links to nowhere", &pages.flat_map(|page| dead_links(page, &paths)).collect::<Vec<_>>());
}

#[test]
fn breaches_are_seen() {
    let told: BTreeSet<String> = ["tsunagi_a_seconds", "process_b"].map(str::to_owned).into();
    let watched = File::new("deploy/alerts/a.yaml", "rate(tsunagi_a_seconds_bucket[5m]) > process_b + tsunagi_c");
    assert_eq!(unknown_figures(&watched, &told), ["deploy/alerts/a.yaml: tsunagi_c"]);
    let code =
        File::new("crates/a/src/a.rs", "metrics::gauge!(\"tsunagi_a\");\n// \"tsunagi_b\"\nlet c = \"not tsunagi_c\";");
    assert_eq!(super::operations::told(&[code]), [String::from("tsunagi_a")].into());

    let rules = File::new("a.yaml", "- alert: One\n  runbook: deploy/runbook/alerts/One.md\n- alert: Two\n");
    let half = unwritten(&[&rules], &["One", "Three"].into(), "[One](alerts/One.md)");
    assert_eq!(half.len(), 4, "{half:?}");

    let page = |text: &str| File::new("deploy/runbook/a.md", text);
    let commands = commands();
    for (text, count) in [
        ("```\ntsunagi token create --name me\nkubectl exec a -- tsunagi migrate\nwebhook-ingest healthcheck\n```", 0),
        ("```\ntsunagi token make --name me\n```", 1),
        ("```\ntsunagi token create --nome me\n```", 1),
        ("```\nkubectl exec a -- webhook-ingest dance\n```", 1),
        ("tsunagi dances", 0),
    ] {
        assert_eq!(unknown_commands(&page(text), &commands).len(), count, "{text}");
    }
    let methods = ["/tsunagi.a.v1.S/M".to_owned()].into();
    assert_eq!(unknown_methods(&page("`tsunagi.a.v1.S/M` and host:1/tsunagi.a.v1.S/N"), &methods).len(), 1);
    let paths = ["deploy/runbook/b.md", "deploy/nats/nats.conf"].into();
    assert_eq!(
        dead_links(&page("[b](b.md#c), [n](../nats/nats.conf), [x](https://x.example/), [d](d.md)"), &paths).len(),
        1
    );
}
