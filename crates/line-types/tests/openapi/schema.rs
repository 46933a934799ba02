//! Reads an OpenAPI file and makes values that follow its schemas.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Map, Value, json};

/// A user id of LINE's form.
pub(crate) const USER: &str = "U8e742f61d673b39c7fff3cecb7536ef0";

/// Deepest sample; below it lists are empty and objects bare, so that recursive schemas end.
const MAX_DEPTH: usize = 8;

/// One OpenAPI file.
pub(crate) struct Document(Value);

impl Document {
    /// Reads a file of `tests/line-openapi`.
    pub(crate) fn read(name: &str) -> Self {
        // Below whichever crate's tests include this file.
        let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("tests/line-openapi"));
        let path = above.into_iter().find(|folder| folder.is_dir()).unwrap_or_default().join(name);
        let yaml = std::fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        Self(serde_saphyr::from_str(&yaml).unwrap_or_else(|fault| panic!("{name}: {fault}")))
    }

    fn schema(&self, name: &str) -> &Value {
        let schema = &self.0["components"]["schemas"][name];
        assert!(schema.is_object(), "schema {name} is in the file");
        schema
    }

    /// The values of a list of words somewhere below the schemas.
    pub(crate) fn words(&self, pointer: &str) -> Vec<String> {
        let list = self.0["components"]["schemas"].pointer(pointer).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// The variants of a discriminated schema: value of `type` → name of the schema.
    pub(crate) fn mapping(&self, base: &str) -> BTreeMap<String, String> {
        let mapping = self.schema(base)["discriminator"]["mapping"].as_object();
        let mapping = mapping.unwrap_or_else(|| panic!("{base} has variants"));
        mapping.iter().map(|(name, target)| (name.clone(), last(target))).collect()
    }

    /// A sample of every variant of a discriminated schema.
    pub(crate) fn variants(&self, base: &str) -> BTreeMap<String, Value> {
        self.mapping(base).into_iter().map(|(name, target)| (name, self.sample(&target))).collect()
    }

    /// A value with every property of a schema.
    pub(crate) fn sample(&self, name: &str) -> Value {
        self.value(self.schema(name), name, 0)
    }

    /// The examples of an operation's answers.
    pub(crate) fn examples(&self, method: &str, path: &str) -> Vec<Value> {
        let mut found = Vec::new();
        for answer in self.0["paths"][path][method]["responses"].as_object().into_iter().flat_map(Map::values) {
            let content = &answer["content"]["application/json"];
            found.extend(content.get("example").cloned());
            found.extend(content["examples"].as_object().into_iter().flat_map(Map::values).map(|e| e["value"].clone()));
        }
        found
    }

    fn value(&self, schema: &Value, name: &str, depth: usize) -> Value {
        if let Some(target) = schema.get("$ref") {
            return self.referred(&last(target), name, depth);
        }
        if let Some(first) = schema["enum"].get(0) {
            return first.clone();
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let mut whole = Map::new();
            for part in parts {
                // A base schema gives its properties, not one of its variants.
                let part = part.get("$ref").map_or(part, |target| self.schema(&last(target)));
                if let Value::Object(fields) = self.value(part, name, depth) {
                    whole.extend(fields);
                }
            }
            return Value::Object(whole);
        }
        match schema["type"].as_str() {
            Some("string") if schema["format"] == "uri" => json!("https://example.com/a"),
            Some("string") => known(name).unwrap_or_else(|| json!("1")),
            Some("integer") => schema.get("minimum").cloned().unwrap_or(json!(1)),
            Some("number") => json!(1.5),
            Some("boolean") => json!(true),
            Some("array") if depth >= MAX_DEPTH => json!([]),
            Some("array") => json!([self.value(&schema["items"], name, depth + 1)]),
            _ if depth >= MAX_DEPTH => json!({}),
            _ => {
                let properties = schema["properties"].as_object();
                let fields = properties.into_iter().flatten();
                Value::Object(fields.map(|(name, part)| (name.clone(), self.value(part, name, depth + 1))).collect())
            }
        }
    }

    fn referred(&self, target: &str, name: &str, depth: usize) -> Value {
        let schema = self.schema(target);
        if schema["discriminator"]["mapping"].is_object() && depth < MAX_DEPTH {
            let (kind, variant) = self.mapping(target).into_iter().next().unwrap_or_default();
            let mut value = self.value(self.schema(&variant), name, depth + 1);
            value["type"] = json!(kind);
            return value;
        }
        self.value(schema, name, depth)
    }
}

/// Properties whose form a schema does not tell.
fn known(property: &str) -> Option<Value> {
    Some(match property {
        "userId" | "userIds" | "destination" => json!(USER),
        "groupId" => json!("Ca56f94637caaaabbbbccccddddeeee00"),
        "roomId" => json!("Ra8dbf4673caaaabbbbccccddddeeee00"),
        "webhookEventId" => json!("01FZ74A0TDDPYRVKNK77XKC3ZR"),
        _ => return None,
    })
}

fn last(reference: &Value) -> String {
    reference.as_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default().to_owned()
}
