//! A request from flags.

use std::io::Read as _;

use anyhow::Context as _;
use clap::{Arg, ArgMatches};
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::{Map, Value};

use super::flags::{self, Flag, FlagKind};
use super::nouns::Verb;

/// The longest secret or request that is read.
const LONGEST: u64 = 1024 * 1024;

/// The request of a command: what `--json` holds, with the flags on top. A request ID is made where none is given, and an update
/// changes the fields whose flags are given unless `--update-mask` names others.
pub(super) fn build(method: &MethodDescriptor, verb: &Verb, matches: &ArgMatches) -> anyhow::Result<DynamicMessage> {
    let mut request = given(matches)?;
    let mut changed = Vec::new();
    let flags = flags::of(&method.input(), verb);
    for flag in flags.iter().filter(|flag| matches.contains_id(&flag.name)) {
        let given: Vec<&String> = matches.get_many(&flag.name).into_iter().flatten().collect();
        let values = given.into_iter().map(|text| value(flag, text)).collect::<anyhow::Result<Vec<_>>>()?;
        set(&mut request, &flag.path, whole(flag, values))?;
        changed.extend(changed_path(flag, verb));
    }
    let is_update = method.input().get_field_by_name("update_mask").is_some();
    if is_update && request.get("update_mask").is_none() && !changed.is_empty() {
        set(&mut request, &["update_mask".to_owned()], Value::String(changed.join(",")))?;
    }
    let takes_id = method.input().get_field_by_name("request_id").is_some();
    if takes_id && request.get("request_id").is_none() {
        set(&mut request, &["request_id".to_owned()], Value::String(uuid::Uuid::new_v4().to_string()))?;
    }
    DynamicMessage::deserialize(method.input(), request).context("the request is not well formed")
}

/// The request that `--json` holds, as it stands there.
pub(super) fn from_json(method: &MethodDescriptor, matches: &ArgMatches) -> anyhow::Result<DynamicMessage> {
    DynamicMessage::deserialize(method.input(), given(matches)?).context("the request is not well formed")
}

/// `--json`.
pub(super) fn json_argument() -> Arg {
    Arg::new("json")
        .long("json")
        .value_name("FILE")
        .help("The request as JSON (https://protobuf.dev/programming-guides/json/), `-` for standard input; flags come on top")
}

fn given(matches: &ArgMatches) -> anyhow::Result<Value> {
    match matches.get_one::<String>("json") {
        Some(file) => serde_json::from_str(&read(file)?).context("--json is not JSON"),
        None => Ok(Value::Object(Map::new())),
    }
}

/// One value of a flag.
fn value(flag: &Flag, text: &str) -> anyhow::Result<Value> {
    Ok(match &flag.kind {
        FlagKind::Text => Value::String(text.to_owned()),
        FlagKind::Truth => Value::Bool(text == "true"),
        FlagKind::Word(prefix, _) => Value::String(format!("{prefix}{}", text.to_ascii_uppercase())),
        FlagKind::Json => serde_json::from_str(text).with_context(|| format!("--{} is not JSON", flag.name))?,
        FlagKind::SecretFile => Value::String(read(text)?.trim_end_matches(['\r', '\n']).to_owned()),
    })
}

/// All values of a flag as the field's value.
fn whole(flag: &Flag, mut values: Vec<Value>) -> Value {
    if flag.is_mask() {
        let paths: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
        Value::String(paths.join(","))
    } else if flag.repeated {
        Value::Array(values)
    } else {
        values.pop().unwrap_or(Value::Null)
    }
}

/// What an update changes by this flag: its path below the thing itself; nothing for what says which thing it is.
fn changed_path(flag: &Flag, verb: &Verb) -> Option<String> {
    let (first, below) = flag.path.split_first()?;
    let changes = first == verb.resource && !below.is_empty() && below != ["etag"];
    let is_key = below.len() == 1 && verb.keys.contains(&below[0].as_str());
    // Proto3 JSON writes the names in a mask in camel case.
    (changes && !is_key).then(|| below.iter().map(|name| camel(name)).collect::<Vec<_>>().join("."))
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let mut letters = word.chars();
        let head = letters.next().map(|letter| letter.to_ascii_uppercase());
        name + &head.into_iter().chain(letters).collect::<String>()
    })
}

fn set(request: &mut Value, path: &[String], value: Value) -> anyhow::Result<()> {
    let mut place = request;
    for name in path {
        let object = place.as_object_mut().context("--json must hold an object where flags reach into it")?;
        place = object.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
    }
    *place = value;
    Ok(())
}

/// The text of a file, or of standard input for `-`.
fn read(file: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    let taken = if file == "-" {
        std::io::stdin().lock().take(LONGEST).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(LONGEST).read_to_string(&mut text))
    };
    taken.with_context(|| format!("cannot read {file}"))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use prost_reflect::{DescriptorPool, SerializeOptions};
    use serde_json::json;

    use super::*;
    use crate::operator;

    fn built(arguments: &[&str]) -> Value {
        let program = clap::Command::new("tsunagi").subcommands(operator::commands());
        let matches = program.try_get_matches_from([&["tsunagi"], arguments].concat()).unwrap();
        let (_, noun) = matches.subcommand().unwrap();
        let (_, matches) = noun.subcommand().unwrap();
        let (verb, method) = super::super::methods::found(arguments[0], arguments[1]);
        let message = build(&method, verb, matches).unwrap();
        message
            .serialize_with_options(serde_json::value::Serializer, &SerializeOptions::new().use_proto_field_name(true))
            .unwrap()
    }

    #[test]
    fn flags_make_the_request_and_its_mask() {
        assert!(DescriptorPool::decode(contracts::FILE_DESCRIPTOR_SET).is_ok());
        let request = built(&[
            "customer",
            "update",
            "--customer-id",
            "x",
            "--name-family",
            "山田",
            "--birth-date",
            "2000-01-01",
            "--phones",
            r#"{"number":"090"}"#,
            "--etag",
            "e",
        ]);
        assert_eq!(
            request,
            json!({
                "customer": {
                    "customer_id": "x", "name": {"family": "山田"}, "phones": [{"number": "090"}],
                    "birth_date": "2000-01-01", "etag": "e"
                },
                "update_mask": "name.family,phones,birthDate"
            })
        );
        let named = built(&["customer", "update", "--customer-id", "x", "--update-mask", "phones"]);
        assert_eq!(named, json!({ "customer": {"customer_id": "x"}, "update_mask": "phones" }));
    }

    #[test]
    fn words_truths_and_times_are_what_the_proto_says() {
        let mut request = built(&[
            "staff",
            "create",
            "--display-name",
            "佐藤",
            "--rights",
            "messages_send",
            "--rights",
            "CUSTOMERS_READ",
            "--active",
        ]);
        let id = request.as_object_mut().unwrap().remove("request_id").unwrap();
        assert!(uuid::Uuid::try_parse(id.as_str().unwrap()).is_ok());
        assert_eq!(
            request["staff_member"],
            json!({
                "display_name": "佐藤", "rights": ["RIGHT_MESSAGES_SEND", "RIGHT_CUSTOMERS_READ"], "active": true
            })
        );
        let mut request = built(&["account", "rotate-webhook-key", "--account-id", "a", "--keep-previous", "90s"]);
        request.as_object_mut().unwrap().remove("request_id").unwrap();
        assert_eq!(request, json!({ "account_id": "a", "keep_previous": "90s" }));
        let request = built(&["staff", "update", "--staff-id", "s", "--active=false"]);
        assert_eq!(request["update_mask"], "active");
    }

    #[test]
    fn secrets_come_from_files() {
        let file = std::env::temp_dir().join(format!("tsunagi-secret-{}", std::process::id()));
        std::fs::write(&file, "0123456789abcdef0123456789abcdef\n").unwrap();
        let path = file.to_str().unwrap();
        let mut request = built(&["account", "set-channel-secret", "--account-id", "a", "--channel-secret-file", path]);
        std::fs::remove_file(&file).unwrap();
        request.as_object_mut().unwrap().remove("request_id").unwrap();
        assert_eq!(request, json!({ "account_id": "a", "channel_secret": "0123456789abcdef0123456789abcdef" }));
    }
}
