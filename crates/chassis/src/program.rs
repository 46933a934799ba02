//! The whole of a service's `main.rs`: serve, migrate, healthcheck, help, version.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::config::{Secret, Settings};
use crate::host::{Host, HostConfig};
use crate::postgres::{self, MigrateError, MigrationText};

/// How long `migrate` waits for a database that is not up yet.
const WAIT_FOR_DATABASE: Duration = Duration::from_mins(1);
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);

/// What a service's program is called and what it owns.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// The name of the binary and of the service in logs and traces: `messaging-outbox`.
    pub name: &'static str,
    /// The schema, the database role, and the `{SVC}` of its settings: `messaging`.
    pub service: &'static str,
    /// One sentence for `--help`.
    pub about: &'static str,
    /// Everything its schema needs: [`crate::PLUMBING`], the bus's, its own.
    pub migrations: &'static [&'static [MigrationText]],
}

/// Runs `program`: `read` takes its settings, `build` binds, connects and spawns under the host. The value `build` returns is
/// kept until the end.
///
/// Commands: `serve` (also without any), `migrate`, `healthcheck`, `--help`, `--version`.
pub fn main<C, A>(
    program: &Program,
    read: fn(&mut Settings) -> C,
    build: impl AsyncFnOnce(C, &Host) -> anyhow::Result<A>,
) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["serve"] => in_runtime(serve(program, read, build)),
        ["migrate"] => in_runtime(migrate(program)),
        ["healthcheck"] => in_runtime(healthcheck(program)),
        ["--help" | "-h" | "help"] => print(&help(program, read)),
        ["--version" | "-V" | "version"] => print(&format!("{} {}\n", program.name, env!("CARGO_PKG_VERSION"))),
        _ => Err(anyhow::anyhow!("unknown command; --help lists them")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error:#}", program.name);
            ExitCode::FAILURE
        }
    }
}

fn in_runtime(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(work);
    // What still hangs after the drain deadline must not hold the process.
    runtime.shutdown_background();
    outcome
}

async fn serve<C, A>(
    program: &Program,
    read: fn(&mut Settings) -> C,
    build: impl AsyncFnOnce(C, &Host) -> anyhow::Result<A>,
) -> anyhow::Result<()> {
    let mut settings = Settings::from_env();
    let mut life = HostConfig::read(&mut settings, program.service);
    life.awaits_start = true;
    let config = read(&mut settings);
    settings.finish()?;
    let host = Host::start(program.name, life)?;
    // A signal ends a start that takes long, too.
    let app = host.stopping().run_until_cancelled(build(config, &host)).await.transpose();
    match app {
        Ok(app) => {
            if app.is_some() {
                host.started();
            }
            let outcome = host.wait().await;
            drop(app);
            outcome
        }
        Err(error) => {
            host.stop();
            let ended = host.wait().await;
            ended.context("and it did not end well")?;
            Err(error.context("could not start"))
        }
    }
}

async fn migrate(program: &Program) -> anyhow::Result<()> {
    let mut settings = Settings::from_env();
    let (admin, password) = migrate_settings(&mut settings, program.service);
    settings.finish()?;
    let deadline = tokio::time::Instant::now() + WAIT_FOR_DATABASE;
    loop {
        match postgres::migrate(admin.expose(), program.service, program.migrations).await {
            Err(MigrateError::Database(error))
                if postgres::is_unavailable(&error) && tokio::time::Instant::now() < deadline =>
            {
                eprintln!("{}: waiting for the database", program.name);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            outcome => break outcome.context("the schema is not migrated")?,
        }
    }
    if let Some(password) = password {
        postgres::set_passwords(admin.expose(), program.service, &password).await?;
    }
    eprintln!("{}: the schema {} is up to date", program.name, program.service);
    Ok(())
}

fn migrate_settings(settings: &mut Settings, service: &str) -> (Secret, Option<Secret>) {
    let admin = settings.secret(
        "TSUNAGI_ADMIN_DATABASE_URL",
        "`migrate` only: the database as its owner, postgres://owner:password@host:port/database, who may make roles.",
    );
    let password = settings.optional(
        &format!("TSUNAGI_{}_DATABASE_PASSWORD", service.to_ascii_uppercase()),
        "The password of the service's two database roles; `migrate` sets it when it is given.",
    );
    (admin, password)
}

async fn healthcheck(program: &Program) -> anyhow::Result<()> {
    let mut settings = Settings::from_env();
    let life = HostConfig::read(&mut settings, program.service);
    settings.finish()?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let url = format!("http://{}/readyz", reachable(life.admin_addr)).parse()?;
    let answer = tokio::time::timeout(HEALTH_TIMEOUT, client.get(url)).await.context("no answer in time")??;
    if !answer.status().is_success() {
        bail!("not ready");
    }
    Ok(())
}

/// A listener on every address is asked on loopback.
fn reachable(addr: SocketAddr) -> SocketAddr {
    if addr.ip().is_unspecified() { SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), addr.port()) } else { addr }
}

fn help<C>(program: &Program, read: fn(&mut Settings) -> C) -> String {
    let mut settings = Settings::from_map(std::collections::BTreeMap::new());
    HostConfig::read(&mut settings, program.service);
    read(&mut settings);
    migrate_settings(&mut settings, program.service);
    format!(
        "{name} {version}\n{about}\n\nUsage: {name} [COMMAND]\n\nCommands:\n  \
         serve        serve until SIGTERM or SIGINT (the default)\n  \
         migrate      bring the schema `{service}` of the database up to date, then end\n  \
         healthcheck  ask the running service whether it is ready, then end\n  \
         --help       this page\n  \
         --version    the version\n\n{manual}",
        name = program.name,
        version = env!("CARGO_PKG_VERSION"),
        about = program.about,
        service = program.service,
        manual = settings.manual(),
    )
}

fn print(text: &str) -> anyhow::Result<()> {
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}
