//! The project's own files.

use std::path::{Path, PathBuf};

/// Folders whose files people write.
const WRITTEN: [&str; 5] = ["crates", "deploy", "proto", "tests", ".ci"];
/// Folders that programs fill.
const MADE: [&str; 3] = ["target", "node_modules", "__pycache__"];

/// A file: its path from the workspace's root, with `/` between, and its text.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The name without its ending.
    pub(crate) fn stem(&self) -> &str {
        self.name().split('.').next().unwrap_or_default()
    }

    /// The name after the last `/`.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    pub(crate) fn ends_with(&self, ending: &str) -> bool {
        self.path.ends_with(ending)
    }

    /// The crate the file belongs to.
    pub(crate) fn package(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }

    /// Whether the file ships: it lies in a crate's `src`.
    pub(crate) fn ships(&self) -> bool {
        self.package().is_some() && self.path.split('/').nth(2) == Some("src")
    }

    /// Whether the file holds tests only.
    pub(crate) fn is_test(&self) -> bool {
        !self.ships() || self.stem() == "tests" || self.stem().ends_with("_tests")
    }

    /// The text without comments and without the tests at its end, which start at `#[cfg(test)]`.
    pub(crate) fn shipped_text(&self) -> String {
        self.without_comments(self.text.lines().take_while(|line| line.trim() != "#[cfg(test)]"))
    }

    /// The rest of it, without comments: all of a file that holds tests only.
    pub(crate) fn tests_text(&self) -> String {
        let is_test = self.is_test();
        self.without_comments(self.text.lines().skip_while(|line| !is_test && line.trim() != "#[cfg(test)]"))
    }

    fn without_comments<'a>(&self, lines: impl Iterator<Item = &'a str>) -> String {
        let comment = if self.ends_with(".sql") { "--" } else { "//" };
        lines.filter(|line| !line.trim_start().starts_with(comment)).collect::<Vec<_>>().join("\n")
    }
}

/// The workspace's root folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every text file people wrote, in the order of their paths.
pub(crate) fn files() -> Vec<File> {
    let mut found = Vec::new();
    for folder in WRITTEN {
        collect(&root(), folder, &mut found);
    }
    assert!(found.len() > 100, "only {} files found: the tidy tests look in the wrong place", found.len());
    found.sort_by(|one: &File, other| one.path.cmp(&other.path));
    found
}

fn collect(root: &Path, folder: &str, found: &mut Vec<File>) {
    let entries = std::fs::read_dir(root.join(folder)).expect("the folder is there");
    for entry in entries.map(|entry| entry.expect("the folder can be read")) {
        let name = entry.file_name().into_string().expect("names are text");
        let path = format!("{folder}/{name}");
        let kind = entry.file_type().expect("the entry has a kind");
        if kind.is_dir() && !MADE.contains(&name.as_str()) {
            collect(root, &path, found);
        } else if kind.is_file()
            && let Ok(text) = std::fs::read_to_string(entry.path())
        {
            found.push(File { path, text });
        }
    }
}
