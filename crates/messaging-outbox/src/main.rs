//! The program `messaging-outbox`.

use std::process::ExitCode;

use messaging_outbox::{App, Config, PROGRAM};

/// As in webhook-ingest: what a burst took is given back when it is over.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    chassis::main(&PROGRAM, Config::read, async |config, host| App::build(config, host).await)
}
