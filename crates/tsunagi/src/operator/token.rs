//! `tsunagi token`: principals of the platform, made and revoked on the database itself.

use anyhow::Context as _;
use chassis::config::Settings;
use chassis::postgres::{Database, PostgresConfig};
use clap::{Arg, ArgGroup, ArgMatches, Command};
use identity_linking::bootstrap;
use kernel::{PrincipalId, SystemClock};

pub(super) fn command() -> Command {
    let services: Vec<&str> = bootstrap::services().collect();
    Command::new("token")
        .about("Make and revoke the platform's own principals, on the database (TSUNAGI_DATABASE_URL)")
        .subcommand_required(true)
        .subcommand(
            Command::new("create")
                .about("Make a principal and print its token, once")
                .arg(Arg::new("name").long("name").help("An operator or a program that may do everything"))
                .arg(Arg::new("service").long("service").value_parser(services).help("One of Tsunagi's services"))
                .group(ArgGroup::new("whose").args(["name", "service"]).required(true)),
        )
        .subcommand(
            Command::new("revoke")
                .about("Revoke a principal of the platform; services refuse it within 5 seconds")
                .arg(Arg::new("principal-id").long("principal-id").required(true)),
        )
}

pub(super) async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let mut settings = Settings::from_env();
    let config = PostgresConfig::read(&mut settings, "identity");
    settings.finish()?;
    let database = Database::connect("identity", &config).await?;
    let text = |matches: &ArgMatches, name: &str| matches.get_one::<String>(name).cloned();
    match matches.subcommand() {
        Some(("create", matches)) => {
            let (id, token) = match (text(matches, "name"), text(matches, "service")) {
                (Some(name), _) => bootstrap::create_operator(&database, &SystemClock, &name).await?,
                (None, service) => {
                    bootstrap::create_service(&database, &SystemClock, &service.unwrap_or_default()).await?
                }
            };
            super::print(&serde_json::json!({ "principal_id": id, "token": token.expose() }))
        }
        Some(("revoke", matches)) => {
            let id: PrincipalId =
                text(matches, "principal-id").unwrap_or_default().parse().context("--principal-id")?;
            bootstrap::revoke(&database, &SystemClock, id).await?;
            super::print(&serde_json::json!({ "principal_id": id, "revoked": true }))
        }
        _ => anyhow::bail!("unknown command; --help lists them"),
    }
}
