//! The `line-simulator` program.

use std::process::ExitCode;

use clap::Parser as _;
use line_simulator::program::{Arguments, run};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    run(Arguments::parse()).await
}
