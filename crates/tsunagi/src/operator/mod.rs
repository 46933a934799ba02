//! The operator's command line: what is done on the database itself, and every method of identity-linking as a command.
//!
//! Commands that call a service are read from the same descriptors the services answer reflection with: a noun and a verb name
//! the method, its request's fields are the flags, and the answer is printed as JSON. Secrets come from files or standard input,
//! never from the command line, where everybody on the machine could read them.

mod call;
mod connection;
mod encoded;
mod flags;
mod keys;
mod methods;
mod migrate;
mod request;
mod token;

use std::io::Write as _;

use clap::{ArgMatches, Command};

pub use encoded::Encoded;

/// The operator's commands, to be added to the program's.
#[must_use]
pub fn commands() -> Vec<Command> {
    let own = [migrate::command(), token::command(), keys::command()];
    own.into_iter().chain(methods::commands()).collect()
}

/// Runs the command called `name`, if it is one of the operator's; none otherwise.
pub async fn run(name: &str, matches: &ArgMatches) -> Option<anyhow::Result<()>> {
    Some(match name {
        "migrate" => migrate::run().await,
        "token" => token::run(matches).await,
        "keys" => keys::run(matches).await,
        noun => methods::run(noun, matches).await?,
    })
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
                    let harmless = ["page-token", "credential-channel-secret"].contains(&flag);
                    assert!(!secret || harmless, "{} {} --{flag}", noun.get_name(), verb.get_name());
                }
            }
        }
    }
}
