//! The `line-simulator` program.

use clap::Parser as _;
use line_simulator::program::{Arguments, run};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    run(Arguments::parse()).await
}
