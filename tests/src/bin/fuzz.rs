//! The long fuzzing of `make chaos`: FUZZ_MINUTES shared by all targets, or by the one that TARGET names, from SEED on or from a new seed.

use std::alloc::System;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use cap::Cap;
use tests::fuzz::{TARGETS, Target, keep, run};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

#[expect(clippy::print_stdout, reason = "the table is what was asked for")]
fn main() -> anyhow::Result<()> {
    let minutes = number("FUZZ_MINUTES", 1)?;
    let seed = number("SEED", rand::random())?;
    let wanted = std::env::var("TARGET").ok();
    let chosen: Vec<&Target> =
        TARGETS.iter().filter(|target| wanted.as_deref().is_none_or(|name| name == target.name)).collect();
    if chosen.is_empty() {
        bail!("TARGET names none of {}", TARGETS.map(|target| target.name).join(", "));
    }
    let share = Duration::from_secs(60 * minutes) / u32::try_from(chosen.len()).unwrap_or(u32::MAX);
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    println!("seed {seed}, {share:?} for each target");
    // What a panic says is in the finding; a backtrace of each would bury the table.
    std::panic::set_hook(Box::new(|_| {}));
    let mut broken = 0;
    for target in chosen {
        let run = run(target, &corpus, seed, share, || ALLOCATOR.total_allocated()).context("read the corpus")?;
        println!(
            "{:<18}{:>10} inputs {:>6} outcomes {:>6} bytes of memory a byte at most",
            target.name, run.tried, run.outcomes, run.hungriest
        );
        if let Some(found) = run.found {
            broken += 1;
            let file = keep(&corpus, target.name, &found.input).context("keep what was found")?;
            println!("{:<18}{}\n{:<18}kept as {}", "", found.problem, "", file.display());
        }
    }
    ensure!(broken == 0, "{broken} targets broke a promise");
    Ok(())
}

fn number(name: &str, otherwise: u64) -> anyhow::Result<u64> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name} is not a number")),
        Err(_) => Ok(otherwise),
    }
}
