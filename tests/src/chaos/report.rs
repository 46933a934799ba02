//! What the runs came to: a line a run as it ends, the same as JSON on disk, and a table at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use line_simulator::Trouble;
use serde::Serialize;

use super::fault::Fault;
use super::verdict::Counts;

/// One run.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// Chooses the same fault and moment again.
    pub seed: u64,
    /// What went wrong.
    pub fault: String,
    /// How LINE delivered meanwhile.
    pub trouble: Trouble,
    /// Whether the service was killed at the place that was meant; none where no place was.
    pub reached: Option<bool>,
    /// How long the killed service took from its new start until it was ready; none where nothing was started.
    pub ready_again: Option<Duration>,
    /// How long after the fault was mended and the traffic over everything was where it belongs.
    pub settled: Option<Duration>,
    /// What it came to.
    pub counts: Counts,
    /// What was not as it must be; none in a sound run.
    pub problem: Option<String>,
}

impl Run {
    pub(super) fn new(seed: u64, fault: &Fault, trouble: &Trouble) -> Self {
        Self {
            seed,
            fault: fault.to_string(),
            trouble: trouble.clone(),
            reached: None,
            ready_again: None,
            settled: None,
            counts: Counts::default(),
            problem: None,
        }
    }
}

/// All runs of one call.
#[derive(Debug)]
pub struct Report {
    file: File,
    runs: Vec<Run>,
}

impl Report {
    /// Writes to a new file in `folder`.
    pub fn open(folder: &Path, seed: u64) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self { file: File::create(folder.join(format!("runs-from-seed-{seed}.jsonl")))?, runs: Vec::new() })
    }

    #[expect(clippy::print_stdout, reason = "whoever waits for the runs wants to see them pass")]
    pub(super) fn add(&mut self, run: Run) -> anyhow::Result<()> {
        writeln!(self.file, "{}", serde_json::to_string(&run)?)?;
        let time =
            |time: Option<Duration>| time.map_or("–".to_owned(), |time| format!("{:.2} s", time.as_secs_f64()));
        let end = run.problem.as_deref().unwrap_or("sound");
        let missed = if run.reached == Some(false) { " (place not reached)" } else { "" };
        println!(
            "run {:>5}  {:<62} ready {:>7}  settled {:>8}  uncertain {:>2}  {end}{missed}",
            run.seed,
            run.fault,
            time(run.ready_again),
            time(run.settled),
            run.counts.uncertain
        );
        self.runs.push(run);
        Ok(())
    }

    /// Every run so far.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The first run that was not sound.
    #[must_use]
    pub fn unsound(&self) -> Option<&Run> {
        self.runs.iter().find(|run| run.problem.is_some())
    }

    /// A table: each kind of fault, how often, the slowest readiness and settling.
    #[must_use]
    pub fn table(&self) -> String {
        let mut kinds: BTreeMap<String, Vec<&Run>> = BTreeMap::new();
        for run in &self.runs {
            let kind = run.fault.split(',').next().unwrap_or_default().to_owned();
            kinds.entry(kind).or_default().push(run);
        }
        let slowest = |times: Vec<Duration>| {
            times.into_iter().max().map_or("–".to_owned(), |time| format!("{:.2} s", time.as_secs_f64()))
        };
        let mut table =
            "| fault | runs | sound | slowest ready | slowest settled |\n| --- | --- | --- | --- | --- |\n".to_owned();
        for (kind, runs) in kinds {
            let sound = runs.iter().filter(|run| run.problem.is_none()).count();
            // Writing to a String cannot fail.
            let _ = writeln!(
                table,
                "| {kind} | {} | {sound} | {} | {} |",
                runs.len(),
                slowest(runs.iter().filter_map(|run| run.ready_again).collect()),
                slowest(runs.iter().filter_map(|run| run.settled).collect()),
            );
        }
        table
    }
}
