//! Folders for servers a test starts by itself.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempDir;

use crate::child::Owner;

/// A private folder on disk, removed when dropped. It lies in `TSUNAGI_TEST_DIR`, which goes with the run, or in `/var/tmp`,
/// which, unlike `/tmp`, is no memory file system and which every user can reach.
pub(crate) struct Scratch(TempDir);

impl Scratch {
    pub(crate) fn new(name: &str, owner: Option<Owner>) -> anyhow::Result<Self> {
        let place = std::env::var_os("TSUNAGI_TEST_DIR").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from);
        let prefix = format!("tsunagi-test-{name}-");
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(&place);
        let folder = folder.with_context(|| format!("cannot make a folder in {}", place.display()))?;
        if let Some(Owner { uid, gid }) = owner {
            chown(folder.path(), Some(uid), Some(gid)).context("cannot hand a folder over to the servers' user")?;
        }
        Ok(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}
