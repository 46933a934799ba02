//! The reasons of refusals: what the code gives stands in the proto files, what stands there is given, and no comment promises
//! one that does not exist.

use std::collections::BTreeSet;

use crate::assert_none;
use crate::source::{File, files};

/// Whose code gives the reasons of which proto package. What chassis gives, every service gives.
const GIVERS: [(&str, &str); 9] = [
    ("identity-linking", "identity"),
    ("identity-linking-core", "identity"),
    ("webhook-ingest", "ingest"),
    ("webhook-ingest-core", "ingest"),
    ("messaging-outbox", "messaging"),
    ("messaging-outbox-core", "messaging"),
    ("scheduler", "scheduler"),
    ("bus", "operations"),
    ("chassis", "access"),
];
/// What makes a refusal out of a reason, and with which code; none: any.
const MAKERS: [(&str, Option<&str>); 10] = [
    ("precondition", Some("FAILED_PRECONDITION")),
    ("aborted", Some("ABORTED")),
    ("already_exists", Some("ALREADY_EXISTS")),
    ("unavailable", Some("UNAVAILABLE")),
    ("denied", Some("PERMISSION_DENIED")),
    ("unauthenticated", Some("UNAUTHENTICATED")),
    ("out_of_range", Some("OUT_OF_RANGE")),
    ("exhausted", Some("RESOURCE_EXHAUSTED")),
    ("with_error_info", None),
    ("details", None),
];
/// The canonical codes (<https://github.com/grpc/grpc/blob/master/doc/statuscodes.md>) of two words.
const CODES: [&str; 8] = [
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "OUT_OF_RANGE",
    "DEADLINE_EXCEEDED",
];

/// A reason, and the code it comes with, where that is known.
type Given = (String, Option<&'static str>);

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// The word in quotes that `text` begins with.
fn quoted(text: &str) -> Option<&str> {
    text.trim_start().strip_prefix('"')?.split_once('"').map(|(word, _)| word).filter(|word| is_word(word))
}

/// The reasons a file's shipped code gives: first arguments of what makes refusals, and words of whatever is called `reason`.
fn given(file: &File) -> Vec<Given> {
    let text = file.shipped_text();
    let mut found = Vec::new();
    for (maker, code) in MAKERS {
        for (at, _) in text.match_indices(&format!("{maker}(")) {
            let own_name = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            if let Some(word) = quoted(&text[at + maker.len() + 1..]).filter(|_| own_name) {
                found.push((word.to_owned(), code));
            }
        }
    }
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let begins = ["fn reason(", "let reason = match"].iter().any(|begin| line.contains(begin));
        if begins && line.trim_end().ends_with('{') {
            let depth = |line: &str| line.len() - line.trim_start().len();
            let body = lines.by_ref().take_while(|inner| depth(inner) > depth(line) || inner.trim().is_empty());
            let words = body.flat_map(|inner| inner.split("=> ").skip(1).filter_map(quoted).collect::<Vec<_>>());
            found.extend(words.map(|word| (word.to_owned(), None)));
        }
    }
    found
}

/// The package of a proto file: `identity` of `proto/tsunagi/identity/v1/errors.proto`.
fn package(file: &File) -> Option<&str> {
    file.path.strip_prefix("proto/tsunagi/")?.split('/').next()
}

/// The reasons a proto file lists, each with the comment before it.
fn listed(file: &File) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut inside, mut comment) = (false, String::new());
    for line in file.text.lines().map(str::trim) {
        if line.starts_with("enum ") {
            inside = line.contains(" ErrorReason ") || line.contains(" CallErrorReason ");
        } else if let Some(more) = line.strip_prefix("//") {
            comment += more;
            continue;
        } else if let Some((name, _)) = line.split_once(" = ").filter(|_| inside) {
            let reason = name.trim_start_matches("CALL_").trim_start_matches("ERROR_REASON_");
            if reason != "UNSPECIFIED" {
                found.push((reason.to_owned(), comment.clone()));
            }
        }
        comment.clear();
    }
    found
}

/// Where code and proto files disagree.
fn disagreements(files: &[File]) -> Vec<String> {
    let of = |wanted: &str| -> Vec<(String, String)> {
        files.iter().filter(|file| package(file) == Some(wanted)).flat_map(listed).collect()
    };
    let given_by = |wanted: &str| -> Vec<(&File, Given)> {
        let its = |file: &&File| {
            file.ships() && GIVERS.iter().any(|(giver, of)| *of == wanted && file.package() == Some(giver))
        };
        files.iter().filter(its).flat_map(|file| given(file).into_iter().map(move |one| (file, one))).collect()
    };
    let shared = of("access");
    let mut wrong = Vec::new();
    let packages: BTreeSet<&str> = GIVERS.iter().map(|(_, package)| *package).collect();
    for package in packages {
        let (own, gives) = (of(package), given_by(package));
        for (file, (reason, code)) in &gives {
            let Some((_, comment)) = own.iter().chain(&shared).find(|(listed, _)| listed == reason) else {
                wrong.push(format!("{}: {reason} is not listed for {package}", file.path));
                continue;
            };
            if let Some(code) = code.filter(|code| !comment.contains(&format!("With {code}"))) {
                wrong.push(format!("{}: {reason} comes with {code}, which its comment does not say", file.path));
            }
        }
        let of_all = given_by("access");
        for (reason, _) in &own {
            if !gives.iter().chain(&of_all).any(|(_, (given, _))| given == reason) {
                wrong.push(format!("{package} lists {reason}, which nothing gives"));
            }
        }
    }
    wrong
}

/// Words in the comments of proto files that look like a reason, a code or a value of an enumeration, and are none.
fn promises(files: &[File]) -> Vec<String> {
    let protos: Vec<&File> = files.iter().filter(|file| file.ends_with(".proto")).collect();
    let values: Vec<&str> = protos
        .iter()
        .flat_map(|file| file.text.lines())
        .filter_map(|line| line.trim().split_once(" = ").map(|(name, _)| name).filter(|name| is_word(name)))
        .collect();
    let known = |word: &str| {
        let is_value = values.iter().any(|value| *value == word || value.ends_with(&format!("_{word}")));
        is_value || CODES.contains(&word)
    };
    let mut wrong = Vec::new();
    for file in protos {
        for line in file.text.lines().map(str::trim).filter(|line| line.starts_with("//")) {
            let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let shouted = words.filter(|word| word.contains('_') && is_word(word));
            wrong.extend(shouted.filter(|word| !known(word)).map(|word| format!("{}: {word}", file.path)));
        }
    }
    wrong
}

#[test]
fn every_reason_given_is_listed_and_every_reason_listed_is_given() {
    assert_none("reasons of refusals", &disagreements(&files()));
}

#[test]
fn no_proto_comment_promises_what_does_not_exist() {
    assert_none("words in proto comments that name nothing", &promises(&files()));
}

#[test]
fn breaches_are_seen() {
    let proto = |path: &str, values: &str| File::new(path, &format!("enum ErrorReason {{\n{values}\n}}"));
    let code = |text: &str| File::new("crates/bus/src/dead_letter.rs", text);
    let errors = "proto/tsunagi/operations/v1/errors.proto";
    let settled = "// Over. With FAILED_PRECONDITION.\nERROR_REASON_SETTLED = 1;";
    let gives = "refuse::precondition(\n    \"SETTLED\",\n    \"it is over\")";
    assert!(disagreements(&[proto(errors, settled), code(gives)]).is_empty());
    assert_eq!(disagreements(&[proto(errors, settled), code("")]), ["operations lists SETTLED, which nothing gives"]);
    assert_eq!(disagreements(&[proto(errors, ""), code(gives)]).len(), 1);
    let aborts = code("refuse::aborted(\"SETTLED\")");
    assert_eq!(disagreements(&[proto(errors, settled), aborts]).len(), 1, "another code than the comment says");
    let named =
        code("fn reason(self) -> &'static str {\n    match self {\n        Self::A => \"SETTLED\",\n    }\n}\n");
    assert!(disagreements(&[proto(errors, settled), named]).is_empty());
    let promise = File::new(errors, "// Gives `DEAD_LETTER_GONE`, or NOT_FOUND.\nenum ErrorReason {}");
    assert_eq!(promises(&[promise]), [format!("{errors}: DEAD_LETTER_GONE")]);
}
