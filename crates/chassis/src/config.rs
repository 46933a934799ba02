//! Typed settings from the environment: every mistake is told at once, and the manual comes from the same declarations.
//!
//! A component reads what it needs where it is defined (`Config::read(&mut Settings)`); nobody else touches the environment.

mod manual;
mod secret;
mod setting;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

pub use secret::Secret;
pub use setting::Setting;

use manual::Declaration;

/// The largest `X_FILE` that is read: 64 KiB.
const LARGEST_FILE: u64 = 64 * 1024;

/// The settings of one process: a name, a value, and what was found wrong with it so far.
///
/// Any setting `X` may be given as `X_FILE`, the path of a file that holds the value (a trailing line end is cut off).
#[derive(Debug)]
pub struct Settings {
    given: BTreeMap<String, Secret>,
    declared: BTreeMap<String, Declaration>,
    mistakes: BTreeSet<String>,
}

/// Everything that is wrong with the settings. Never shows a value, for it may be a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// One sentence each, sorted by the setting's name.
    pub mistakes: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} wrong in the settings (--help explains them)", self.mistakes.len())?;
        self.mistakes.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl Settings {
    /// The settings in this process's environment.
    #[must_use]
    pub fn from_env() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        };
        Self::from_map(std::env::vars_os().filter_map(text).collect())
    }

    /// The settings in `given`: for tests, and for programs that run several services.
    #[must_use]
    pub fn from_map(given: BTreeMap<String, String>) -> Self {
        let given = given.into_iter().map(|(name, value)| (name, Secret::new(value))).collect();
        Self { given, declared: BTreeMap::new(), mistakes: BTreeSet::new() }
    }

    /// The value of `name`, which must be there. A placeholder is returned when it is not; [`Settings::finish`] tells.
    pub fn required<T: Setting>(&mut self, name: &str, about: &str) -> T {
        self.declare(name, about, Declaration::required(about, T::FORM));
        if let Some(value) = self.parsed(name) {
            return value;
        }
        if !self.is_given(name) {
            self.mistake(name, "is missing");
        }
        T::placeholder()
    }

    /// The value of `name`, or `default`.
    pub fn or<T: Setting + fmt::Display>(&mut self, name: &str, default: T, about: &str) -> T {
        self.declare(name, about, Declaration::defaulted(about, T::FORM, default.to_string()));
        self.parsed(name).unwrap_or(default)
    }

    /// The value of `name`, if it is there.
    pub fn optional<T: Setting>(&mut self, name: &str, about: &str) -> Option<T> {
        self.declare(name, about, Declaration::optional(about, T::FORM));
        self.parsed(name)
    }

    /// The secret `name`, which must be there.
    pub fn secret(&mut self, name: &str, about: &str) -> Secret {
        self.required(name, about)
    }

    /// Notes that `name` is wrong, for rules over more than one setting. Do not put the value into `why`.
    pub fn mistake(&mut self, name: &str, why: &str) {
        self.mistakes.insert(format!("{name} {why}"));
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// When anything was missing or wrong: every mistake, not the first.
    pub fn finish(self) -> Result<(), ConfigError> {
        if self.mistakes.is_empty() {
            return Ok(());
        }
        Err(ConfigError { mistakes: self.mistakes.into_iter().collect() })
    }

    /// The manual page of every setting declared so far, sorted by name.
    #[must_use]
    pub fn manual(&self) -> String {
        manual::page(&self.declared)
    }

    /// The file that holds the value of `name`, when it was given as one.
    pub(crate) fn file(&self, name: &str) -> Option<PathBuf> {
        let path = self.given.get(&format!("{name}_FILE"))?.expose();
        (!path.is_empty()).then(|| path.into())
    }

    fn declare(&mut self, name: &str, about: &str, declaration: Declaration) {
        debug_assert!(!about.is_empty(), "{name} says what it is");
        self.declared.entry(name.to_owned()).or_insert(declaration);
    }

    fn is_given(&self, name: &str) -> bool {
        let given = |name: &str| self.given.get(name).is_some_and(|value| !value.expose().is_empty());
        given(name) || given(&format!("{name}_FILE"))
    }

    /// The text of `name`; empty is the same as absent, because deployment tools cannot leave a variable out.
    fn text(&mut self, name: &str) -> Option<Secret> {
        let present = |value: &&Secret| !value.expose().is_empty();
        let direct = self.given.get(name).filter(present).cloned();
        let file = self.given.get(&format!("{name}_FILE")).filter(present).cloned();
        match (direct, file) {
            (Some(_), Some(_)) => {
                self.mistake(name, &format!("is given twice, also as {name}_FILE"));
                None
            }
            (None, Some(path)) => match read_file(Path::new(path.expose())) {
                Ok(text) => Some(text),
                Err(why) => {
                    self.mistake(&format!("{name}_FILE"), &why);
                    None
                }
            },
            (direct, None) => direct,
        }
    }

    fn parsed<T: Setting>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        match T::parse(text.expose()) {
            Ok(value) => Some(value),
            Err(why) => {
                self.mistake(name, &format!("is not {}: {why}", T::FORM));
                None
            }
        }
    }
}

/// The text of a setting's file, without the line end behind it. The error says what is wrong with the file.
pub(crate) fn read_file(path: &Path) -> Result<Secret, String> {
    let told = |error: std::io::Error| format!("names a file that cannot be read: {}", error.kind());
    let metadata = std::fs::metadata(path).map_err(told)?;
    if metadata.len() > LARGEST_FILE {
        return Err("names a file of more than 64 KiB".to_owned());
    }
    let mut text = std::fs::read_to_string(path).map_err(told)?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests;
