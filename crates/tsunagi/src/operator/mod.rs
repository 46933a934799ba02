//! The operator's command line: what is done on the database itself, and the methods of all four services as commands.
//!
//! Commands that call a service are read from the same descriptors the services answer reflection with: a noun and a verb name
//! the method, its request's fields are the flags, the proto comments are the help, and the answer is printed as JSON. What has
//! no command of its own is reached by `tsunagi call`. Secrets come from files or standard input, never from the command line,
//! where everybody on the machine could read them.

mod call;
mod comments;
mod connection;
mod encoded;
mod flags;
mod keys;
mod methods;
mod migrate;
mod nouns;
mod refusal;
mod replay;
mod request;
mod service;
mod token;

use std::io::Write as _;

use clap::{ArgMatches, Command};
use prost_reflect::DescriptorPool;

pub use encoded::Encoded;

use crate::local::PROGRAMS;

/// The operator's commands, to be added to the program's.
#[must_use]
pub fn commands() -> Vec<Command> {
    let own = [migrate::command(), token::command(), keys::command(), call::command()];
    own.into_iter().chain(methods::commands(&pool())).collect()
}

/// Runs the command called `name`, if it is one of the operator's; none otherwise.
pub async fn run(name: &str, matches: &ArgMatches) -> Option<anyhow::Result<()>> {
    Some(match name {
        "migrate" => migrate::run().await,
        "token" => token::run(matches).await,
        "keys" => keys::run(matches).await,
        "call" => call::run(&pool(), matches).await,
        noun => methods::run(&pool(), noun, matches).await?,
    })
}

/// What the proto files declare.
fn pool() -> DescriptorPool {
    #[expect(
        clippy::expect_used,
        reason = "the descriptors are made by the build, and every service reads them at its start"
    )]
    DescriptorPool::decode(contracts::FILE_DESCRIPTOR_SET).expect("the built-in descriptors decode")
}

/// Prints an answer: JSON, with a line's end.
fn print(answer: &serde_json::Value) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, answer)?;
    writeln!(out)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Command::new("tsunagi").subcommands(commands()).debug_assert();
    }

    #[test]
    fn no_command_takes_a_secret_as_an_argument() {
        for noun in commands() {
            for verb in noun.get_subcommands() {
                for flag in verb.get_arguments().map(|argument| argument.get_id().as_str()) {
                    let secret = ["channel-secret", "token", "jwk", "password"].iter().any(|word| flag.ends_with(word));
                    // A form token proves nothing about who holds it (L-04).
                    let harmless = ["page-token", "credential-channel-secret", "form-token"].contains(&flag);
                    assert!(!secret || harmless, "{} {} --{flag}", noun.get_name(), verb.get_name());
                }
            }
        }
    }
}
