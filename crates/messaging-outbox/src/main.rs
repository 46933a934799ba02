//! The program `messaging-outbox`.

use std::process::ExitCode;

use messaging_outbox::{App, Config, PROGRAM};

fn main() -> ExitCode {
    chassis::main(&PROGRAM, Config::read, async |config, host| App::build(config, host).await)
}
