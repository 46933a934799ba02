//! Fuzzing of everything that reads what comes from outside (S-2): a mutation loop over kept inputs, on stable Rust.
//!
//! A [`Target`] reads an input and says in a number what came of it; an input with a new number joins the pool that is mutated
//! further, as coverage would let it. Whatever is tried, a target does not panic, asks for no more memory than its bound
//! for an input of that length, and is done in time. An input that breaks this is written into the target's corpus, where every
//! later run begins with it.

mod consumed;
mod corpus;
mod dictionary;
mod mutation;
mod target;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

pub use corpus::{keep, kept};
pub use target::{TARGETS, Target};

/// Longest input tried, in bytes.
const LONGEST: usize = 64 * 1024;
/// Inputs in the pool at most; further ones take the place of others.
const POOL: usize = 2_000;
/// An input may take so long. The slowest takes milliseconds; a busy machine stretches that.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells how many bytes this process has ever asked for: the one who counts is the program's allocator.
pub type Meter = fn() -> usize;

/// An input that broke a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The input.
    pub input: Vec<u8>,
    /// What it did.
    pub problem: String,
}

/// How a run went.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Inputs tried.
    pub tried: u64,
    /// Different outcomes seen.
    pub outcomes: usize,
    /// The most bytes asked for, per byte of the input, over inputs of a KiB and more.
    pub hungriest: usize,
    /// The first that broke a promise; the run ends with it.
    pub found: Option<Found>,
}

/// Tries one input: the number of its outcome and the bytes it asked for, or what it broke.
pub fn attempt(target: &Target, input: &[u8], meter: Meter) -> Result<(u64, usize), String> {
    let (before, began) = (meter(), Instant::now());
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.read)(input)));
    let (asked, took) = (meter().saturating_sub(before), began.elapsed());
    let outcome = outcome.map_err(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        format!("panicked: {}", words.unwrap_or_default())
    })?;
    let bound = target.bound.0 + target.bound.1 * input.len();
    if asked > bound {
        return Err(format!(
            "asked for {asked} bytes of memory for an input of {}, at most {bound} are allowed",
            input.len()
        ));
    }
    if took > PATIENCE {
        return Err(format!("took {took:?}"));
    }
    Ok((outcome, asked))
}

/// Tries every kept input, then mutations of them until the time is over.
pub fn run(target: &Target, corpus: &Path, seed: u64, time: Duration, meter: Meter) -> std::io::Result<Run> {
    let mut pool = kept(corpus, target.name)?;
    pool.extend((target.seeds)());
    let mut run = Run::default();
    let mut outcomes = HashSet::new();
    for input in &pool {
        if let Some(found) = look(target, input, meter, &mut run, &mut outcomes) {
            run.found = Some(found);
            return Ok(run);
        }
    }
    let mut dice = StdRng::seed_from_u64(seed);
    let end = Instant::now() + time;
    while Instant::now() < end {
        let input = mutation::of(&pool, dictionary::of(target.name), LONGEST, &mut dice);
        let before = outcomes.len();
        if let Some(found) = look(target, &input, meter, &mut run, &mut outcomes) {
            run.found = Some(found);
            break;
        }
        if outcomes.len() > before {
            if pool.len() < POOL {
                pool.push(input);
            } else {
                let at = dice.random_range(0..pool.len());
                pool[at] = input;
            }
        }
    }
    run.outcomes = outcomes.len();
    Ok(run)
}

fn look(target: &Target, input: &[u8], meter: Meter, run: &mut Run, outcomes: &mut HashSet<u64>) -> Option<Found> {
    run.tried += 1;
    match attempt(target, input, meter) {
        Ok((outcome, asked)) => {
            outcomes.insert(outcome);
            if input.len() >= 1024 {
                run.hungriest = run.hungriest.max(asked / input.len());
            }
            None
        }
        Err(problem) => Some(Found { input: input.to_owned(), problem }),
    }
}
