//! `tsunagi migrate`: the schemas of all four services.

use anyhow::Context as _;
use chassis::config::{Secret, Settings};
use chassis::postgres;
use clap::Command;

use super::PROGRAMS;

pub(super) fn command() -> Command {
    Command::new("migrate").about("Bring the schemas of all four services up to date (TSUNAGI_ADMIN_DATABASE_URL)")
}

pub(super) async fn run() -> anyhow::Result<()> {
    let mut settings = Settings::from_env();
    let admin = settings.secret(
        "TSUNAGI_ADMIN_DATABASE_URL",
        "The database as its owner, postgres://owner:password@host:port/database, who may make roles.",
    );
    let passwords: Vec<Option<Secret>> = PROGRAMS
        .iter()
        .map(|program| {
            let name = format!("TSUNAGI_{}_DATABASE_PASSWORD", program.service.to_ascii_uppercase());
            settings.optional(&name, "The password of the service's two database roles.")
        })
        .collect();
    settings.finish()?;
    for (program, password) in PROGRAMS.into_iter().zip(passwords) {
        postgres::migrate(admin.expose(), program.service, program.migrations)
            .await
            .with_context(|| format!("the schema {} is not migrated", program.service))?;
        if let Some(password) = password {
            postgres::set_passwords(admin.expose(), program.service, &password).await?;
        }
    }
    super::print(&serde_json::json!({ "migrated": PROGRAMS.map(|program| program.service) }))
}
