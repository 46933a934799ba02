//! The scheduler's program.

use std::process::ExitCode;

use scheduler::{App, Config, PROGRAM};

fn main() -> ExitCode {
    chassis::main(&PROGRAM, Config::read, async |config, host| App::build(config, host).await)
}
