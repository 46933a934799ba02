//! The fields of a request as flags.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};

use super::comments;
use super::nouns::Verb;

/// Fields that a service tells and nobody gives. `media` and `keywords` are what LINE users send.
const TOLD: &[&str] = &[
    "create_time",
    "update_time",
    "connect_time",
    "state_time",
    "first_seen_time",
    "next_slot_time",
    "line_state",
    "findings",
    "friend_coverage",
    "has_channel_secret",
    "has_channel_credential",
    "provisional",
    "media",
    "keywords",
];
/// Fields that hold secrets: read from a file or standard input.
const SECRET: &[&str] = &["channel_secret", "long_lived_token", "private_jwk"];

/// A flag and the field it sets.
pub(super) struct Flag {
    /// `--name`.
    pub(super) name: String,
    /// The fields that lead to the value, from the request on.
    pub(super) path: Vec<String>,
    /// What it takes.
    pub(super) kind: FlagKind,
    /// Whether it may be given several times.
    pub(super) repeated: bool,
    /// What the proto file says of the field.
    about: String,
}

/// What a flag takes.
pub(super) enum FlagKind {
    /// Text: texts, numbers, moments, bytes as base64.
    Text,
    /// `true` or `false`; alone it means true.
    Truth,
    /// One of these words, the prefix before them in the proto file.
    Word(String, Vec<String>),
    /// A JSON object.
    Json,
    /// The path of a file that holds the value; `-` for standard input.
    SecretFile,
}

/// The flags of a request.
pub(super) fn of(request: &MessageDescriptor, verb: &Verb) -> Vec<Flag> {
    let mut flags = Vec::new();
    add(&mut flags, request, verb, &[], "");
    flags
}

fn add(flags: &mut Vec<Flag>, message: &MessageDescriptor, verb: &Verb, path: &[String], prefix: &str) {
    for field in message.fields().filter(|field| !TOLD.contains(&field.name())) {
        let path: Vec<String> = path.iter().cloned().chain([field.name().to_owned()]).collect();
        let own = field.name().replace('_', "-");
        // The text of a text is the text.
        let name = if prefix == format!("{own}-") { own } else { format!("{prefix}{own}") };
        if let Some(kind) = kind(&field) {
            let name = if matches!(kind, FlagKind::SecretFile) { format!("{name}-file") } else { name };
            flags.push(Flag { name, path, kind, repeated: field.is_list(), about: comments::of_field(&field) });
        } else if let Kind::Message(below) = field.kind() {
            let is_the_thing = path.len() == 1 && field.name() == verb.resource;
            let prefix = if is_the_thing { String::new() } else { format!("{name}-") };
            add(flags, &below, verb, &path, &prefix);
        }
    }
}

/// What a field's flag takes; none for a message whose fields are flags themselves.
fn kind(field: &FieldDescriptor) -> Option<FlagKind> {
    Some(match field.kind() {
        // The field mask is known as one flag for each path.
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Timestamp" | "google.protobuf.Duration" | "google.protobuf.FieldMask" => FlagKind::Text,
            "google.protobuf.Struct" => FlagKind::Json,
            _ if field.is_list() => FlagKind::Json,
            _ => return None,
        },
        Kind::Enum(words) => {
            let prefix = prefix(&words);
            let words = words.values().filter(|word| word.number() != 0);
            FlagKind::Word(prefix.clone(), words.map(|word| word.name()[prefix.len()..].to_owned()).collect())
        }
        Kind::Bool => FlagKind::Truth,
        Kind::String if SECRET.contains(&field.name()) => FlagKind::SecretFile,
        _ => FlagKind::Text,
    })
}

/// What stands before every word of an enumeration: the name of its zero without `UNSPECIFIED`.
fn prefix(words: &EnumDescriptor) -> String {
    words.default_value().name().strip_suffix("UNSPECIFIED").unwrap_or_default().to_owned()
}

impl Flag {
    /// The flag as an argument of the command.
    pub(super) fn argument(&self) -> Arg {
        let argument = Arg::new(self.name.clone()).long(self.name.clone()).help(self.about.clone());
        let argument = match &self.kind {
            FlagKind::Text => argument.value_name("TEXT"),
            FlagKind::Truth => argument
                .value_parser(["true", "false"])
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .value_name("BOOL"),
            FlagKind::Word(_, words) => argument.value_parser(PossibleValuesParser::new(words)).ignore_case(true),
            FlagKind::Json => argument.value_name("JSON"),
            FlagKind::SecretFile => {
                argument.value_name("FILE").help(format!("{} A file that holds it; - for standard input", self.about))
            }
        };
        if self.repeated || self.is_mask() { argument.action(ArgAction::Append) } else { argument }
    }

    /// Whether it names the fields an update changes.
    pub(super) fn is_mask(&self) -> bool {
        self.path == ["update_mask"]
    }
}
