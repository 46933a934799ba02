//! The program's commands, and how it ends.

use std::process::ExitCode;

use clap::{ArgMatches, Command};

use crate::local::{Local, Servers};
use crate::stage::Shop;
use crate::{demo, operator, to_try};

/// Runs the program: reads the command line, does what it says, and tells what went wrong.
#[must_use]
pub fn main() -> ExitCode {
    let matches = command().get_matches();
    // Fails only when a provider is installed already, which is all that is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(problem) => return failed(&problem.into()),
    };
    let outcome = runtime.block_on(run(&matches));
    runtime.shutdown_background();
    outcome.map_or_else(|problem| failed(&problem), |()| ExitCode::SUCCESS)
}

fn command() -> Command {
    let about = "Tsunagi: LINE friends and the company's own customers, tied together";
    let servers = "Needs TSUNAGI_DATABASE_URL (a user who may make roles) and TSUNAGI_NATS_URL.";
    Command::new("tsunagi")
        .about(about)
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("demo")
                .about("Play the main job on a throw-away platform, print it, stop")
                .after_help(servers),
        )
        .subcommand(
            Command::new("run").about("Run a throw-away platform and print the addresses to try").after_help(servers),
        )
        .subcommands(operator::commands())
}

async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    match matches.subcommand() {
        Some(("demo", _)) => {
            let platform = Local::start(&Servers::from_env()?).await?;
            let played = platform.meanwhile(Box::pin(demo::play(platform.stage()))).await;
            platform.stop().await?;
            played
        }
        Some(("run", _)) => {
            let platform = Local::start(&Servers::from_env()?).await?;
            let opening = Box::pin(Shop::open(platform.stage(), "さくら美容室", "佐藤 美咲"));
            match platform.meanwhile(opening).await {
                Ok(shop) => {
                    to_try::tell(&platform, &shop);
                    platform.wait().await
                }
                Err(problem) => {
                    platform.stop().await?;
                    Err(problem)
                }
            }
        }
        Some((name, matches)) => match operator::run(name, matches).await {
            Some(outcome) => outcome,
            None => anyhow::bail!("unknown command; --help lists them"),
        },
        None => anyhow::bail!("no command; --help lists them"),
    }
}

fn failed(problem: &anyhow::Error) -> ExitCode {
    eprintln!("tsunagi: {problem:#}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_well_formed() {
        super::command().debug_assert();
    }
}
