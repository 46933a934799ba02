//! The platform under a benchmark: starts it, says where everything is, and does what it is told on standard input, one
//! JSON line a command and one JSON line an answer. `tests/bench/harness/stage.py` is the other side.

mod ask;
mod bench;
mod decisions;
mod floor;
mod lanes;
mod live;
mod names;
mod schedule;
mod store;
mod timers;

use std::io::Write as _;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use ask::Ask;
use bench::Bench;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut bench = Bench::start().await?;
    tell(&bench.told()?)?;
    let mut asked = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = asked.next_line().await? {
        let answer = match serde_json::from_str::<Ask>(&line) {
            Ok(Ask::Quit) => break,
            Ok(ask) => bench.answer(ask).await,
            Err(problem) => Err(problem.into()),
        };
        tell(&answer.unwrap_or_else(|problem| json!({ "error": format!("{problem:#}") })))?;
    }
    Ok(())
}

fn tell(answer: &Value) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{answer}")?;
    Ok(out.flush()?)
}
