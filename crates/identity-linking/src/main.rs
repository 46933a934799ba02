//! The identity-linking service.

use std::process::ExitCode;

use identity_linking::{App, Config, PROGRAM};

/// As in webhook-ingest: what a burst took is given back when it is over.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    chassis::main(&PROGRAM, Config::read, App::build)
}
