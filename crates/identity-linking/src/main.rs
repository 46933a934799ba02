//! The identity-linking service.

use std::process::ExitCode;

use identity_linking::{App, Config, PROGRAM};

fn main() -> ExitCode {
    chassis::main(&PROGRAM, Config::read, App::build)
}
