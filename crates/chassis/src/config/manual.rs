//! The manual page of the settings.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What the manual says about one setting.
#[derive(Debug)]
pub(super) struct Declaration {
    about: String,
    form: &'static str,
    need: Need,
}

#[derive(Debug)]
enum Need {
    Required,
    Optional,
    Default(String),
}

impl Declaration {
    pub(super) fn required(about: &str, form: &'static str) -> Self {
        Self { about: about.to_owned(), form, need: Need::Required }
    }

    pub(super) fn optional(about: &str, form: &'static str) -> Self {
        Self { about: about.to_owned(), form, need: Need::Optional }
    }

    pub(super) fn defaulted(about: &str, form: &'static str, default: String) -> Self {
        Self { about: about.to_owned(), form, need: Need::Default(default) }
    }
}

/// One paragraph a setting.
pub(super) fn page(declared: &BTreeMap<String, Declaration>) -> String {
    let mut page = String::from("Settings (environment; any X may be given as X_FILE, the path of a file):\n");
    for (name, declaration) in declared {
        let need = match &declaration.need {
            Need::Required => "required".to_owned(),
            Need::Optional => "optional".to_owned(),
            Need::Default(value) => format!("default {value}"),
        };
        // Writing to a String cannot fail.
        let _ = write!(page, "\n  {name}  ({}; {need})\n", declaration.form);
        for line in wrapped(&declaration.about, 100) {
            let _ = writeln!(page, "      {line}");
        }
    }
    page
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.len() - 1;
        if lines[line].is_empty() {
            lines[line].push_str(word);
        } else if lines[line].len() + 1 + word.len() > width {
            lines.push(word.to_owned());
        } else {
            lines[line].push(' ');
            lines[line].push_str(word);
        }
    }
    lines
}
