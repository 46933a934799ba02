//! A service's SQL names its own schema only, and every table is isolated by tenant where it is made.

use crate::assert_none;
use crate::source::{File, files};

/// Crate and schema of each service. Crates that serve all of them write `{schema}` and name none.
const OWNERS: [(&str, &str); 4] = [
    ("webhook-ingest", "ingest"),
    ("identity-linking", "identity"),
    ("messaging-outbox", "messaging"),
    ("scheduler", "scheduler"),
];
const SCHEMALESS: [&str; 2] = ["bus", "chassis"];
/// What stands before the name of a table, a function or a sequence in a statement.
const BEFORE_A_NAME: [&str; 16] = [
    "from",
    "join",
    "into",
    "update",
    "table",
    "only",
    "on",
    "references",
    "function",
    "sequence",
    "type",
    "view",
    "select",
    "lock",
    "exists",
    "analyze",
];

/// Schemas named in the statements of a file, by whole words: `FROM identity.person` names one, the subject
/// `identity.v1.…` does not.
fn schemas_named(text: &str) -> Vec<(&'static str, String)> {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || "\"'(,;".contains(c)).filter(|w| !w.is_empty()).collect();
    let pairs = words.windows(2).filter(|pair| BEFORE_A_NAME.contains(&pair[0].to_ascii_lowercase().as_str()));
    pairs
        .filter_map(|pair| {
            let (schema, name) = pair[1].split_once('.')?;
            let (_, schema) = OWNERS.iter().find(|(_, owned)| *owned == schema)?;
            (name != "v1" && !name.starts_with("v1.")).then(|| (*schema, pair.join(" ")))
        })
        .collect()
}

fn foreign_schemas(file: &File) -> Vec<String> {
    let package = file.package().unwrap_or_default();
    let own = OWNERS.iter().find(|(owner, _)| *owner == package).map(|(_, schema)| *schema);
    if file.is_test() || (own.is_none() && !SCHEMALESS.contains(&package)) {
        return Vec::new();
    }
    let named = schemas_named(&file.shipped_text());
    let foreign = named.into_iter().filter(|(schema, _)| Some(*schema) != own);
    foreign.map(|(_, at)| format!("{}: {at}", file.path)).collect()
}

/// Tables made in one crate's statements that nothing in them isolates.
fn open_tables(package: &str, statements: &str) -> Vec<String> {
    let made = statements.match_indices("CREATE TABLE ").filter_map(|(at, keyword)| {
        let rest = statements[at + keyword.len()..].trim_start_matches("IF NOT EXISTS ");
        let statement = rest.split(';').next()?;
        // A partition is reached through its table alone: no role is granted anything on it.
        let name = statement.split(|c: char| c.is_whitespace() || c == '(').next()?;
        (!statement.contains("PARTITION OF")).then_some(name)
    });
    let isolated = |name: &str| {
        ["isolate", "isolate_queue"].iter().any(|by| statements.contains(&format!("{by}('{name}'")))
            || statements.contains(&format!("ON {name} ")) && statements.contains("CREATE POLICY")
            || statements.contains(&format!("ALTER TABLE {name} FORCE ROW LEVEL SECURITY"))
    };
    made.filter(|name| !isolated(name)).map(|name| format!("{package}: {name}")).collect()
}

#[test]
fn statements_name_their_own_schema_only() {
    let breaches: Vec<_> = files().iter().flat_map(foreign_schemas).collect();
    assert_none("statements that reach into another service's schema", &breaches);
}

#[test]
fn every_table_is_isolated_by_tenant() {
    let files = files();
    let packages = OWNERS.iter().map(|(package, _)| *package).chain(SCHEMALESS);
    let breaches = packages.flat_map(|package| {
        let own = files.iter().filter(|file| !file.is_test() && file.package() == Some(package));
        open_tables(package, &own.map(File::shipped_text).collect::<Vec<_>>().join("\n"))
    });
    assert_none("tables without row-level security", &breaches.collect::<Vec<_>>());
}

#[test]
fn breaches_are_seen() {
    let foreign = |path: &str, text: &str| foreign_schemas(&File::new(path, text)).len();
    assert_eq!(foreign("crates/scheduler/src/a.rs", "query(\"SELECT x FROM identity.person\")"), 1);
    assert_eq!(foreign("crates/scheduler/src/a.sql", "insert into messaging.message (x)"), 1);
    assert_eq!(foreign("crates/scheduler/src/a.rs", "query(\"SELECT scheduler.f() FROM scheduler.timer\")"), 0);
    assert_eq!(foreign("crates/bus/src/a.sql", "UPDATE identity.outbox SET"), 1);
    assert_eq!(foreign("crates/scheduler/src/a.rs", "consume(\"identity.v1.{tenant}\")"), 0);
    assert_eq!(foreign("crates/scheduler/src/a.rs", "// from identity.v1.{tenant}.x\nf(\"from identity.v1.t\")"), 0);

    let table = "CREATE TABLE {schema}.a (\n tenant_id uuid\n);\n";
    assert_eq!(open_tables("x", table).len(), 1);
    assert_eq!(open_tables("x", &format!("{table}SELECT {{schema}}.isolate('{{schema}}.b');")).len(), 1);
    assert_eq!(open_tables("x", &format!("{table}SELECT {{schema}}.isolate('{{schema}}.a');")).len(), 0);
    assert_eq!(open_tables("x", "CREATE TABLE ingest.a_1 PARTITION OF ingest.a DEFAULT;").len(), 0);
}
