//! A database's backup, and another database made of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::cluster::{Cluster, Database};
use super::private::binaries;
use crate::child;
use crate::scratch::Scratch;

const DONE_WITHIN: Duration = Duration::from_mins(2);

/// What `pg_dump` wrote of one database. Gone when dropped.
pub struct Backup {
    cluster: Cluster,
    folder: Scratch,
}

impl Database {
    /// Backs the database up as it stands at this moment.
    pub async fn backup(&self) -> anyhow::Result<Backup> {
        let backup = Backup { cluster: self.cluster().clone(), folder: Scratch::new("backup", None)? };
        run("pg_dump", &[&self.admin_url(), "--format=custom", "--file"], &backup.file()).await?;
        Ok(backup)
    }
}

impl Backup {
    /// Restores it into a database of a new name, on the same server, which has the roles.
    pub async fn restore(&self, hint: &str) -> anyhow::Result<Database> {
        let database = self.cluster.fresh_database(hint).await?;
        run("pg_restore", &["--exit-on-error", "--dbname", &database.admin_url()], &self.file()).await?;
        Ok(database)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("dump")
    }
}

async fn run(program: &str, arguments: &[&str], file: &Path) -> anyhow::Result<()> {
    let mut command = child::command(binaries()?.join(program), None);
    command.args(arguments).arg(file);
    let mut running = child::spawn(command).with_context(|| format!("cannot run {program}"))?;
    let status = child::ended(&mut running, DONE_WITHIN).await?;
    ensure!(status.success(), "{program}: {status}");
    Ok(())
}
