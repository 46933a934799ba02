//! The program `webhook-ingest`.

use std::process::ExitCode;

use webhook_ingest::{App, Config, PROGRAM};

fn main() -> ExitCode {
    chassis::main(&PROGRAM, Config::read, async |config, host| App::build(config, host).await)
}
