//! The program `webhook-ingest`.

use std::process::ExitCode;

use webhook_ingest::{App, Config, PROGRAM};

/// Less memory than the C library's under many connections, most of it given back when they are gone, and no more of it when idle.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    chassis::main(&PROGRAM, Config::read, async |config, host| App::build(config, host).await)
}
