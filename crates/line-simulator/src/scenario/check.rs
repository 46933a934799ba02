//! From the file's form to a sound scenario: names lead somewhere, numbers have a range, steps have one deed. Pure.

mod cast;
mod names;
mod step;

use serde_saphyr::Spanned;

use super::fault::{FileFault, ScenarioError};
use super::file::ScenarioFile;
use super::{MAX_STEPS, Scenario, Step};
use names::Names;

/// Most faults told of one file.
const MOST_FAULTS: usize = 50;

/// What is wrong, collected.
#[derive(Debug, Default)]
struct Faults(Vec<FileFault>);

impl Faults {
    fn add(&mut self, line: Option<u64>, reason: impl Into<String>) {
        if self.0.len() < MOST_FAULTS {
            self.0.push(FileFault { line, reason: reason.into() });
        }
    }

    /// Takes the value, or notes why there is none.
    fn take<T>(&mut self, line: Option<u64>, of: Result<T, String>) -> Option<T> {
        of.map_err(|reason| self.add(line, reason)).ok()
    }
}

fn line_of<T>(spanned: &Spanned<T>) -> u64 {
    spanned.referenced.line()
}

/// Judges a file.
pub(super) fn scenario(file: ScenarioFile) -> Result<Scenario, ScenarioError> {
    let mut faults = Faults::default();
    for (what, count) in [
        ("timeline", file.timeline.len()),
        ("accounts", file.accounts.len()),
        ("people", file.people.len()),
        ("chats", file.chats.len()),
        ("providers", file.providers.len()),
    ] {
        if count > MAX_STEPS {
            faults.add(None, format!("{what}: at most {MAX_STEPS}"));
        }
    }
    let names = Names::of(&file, &mut faults);
    let (providers, accounts) = cast::accounts(file.providers, file.accounts, &mut faults);
    let people = cast::people(file.people);
    let chats = cast::chats(file.chats, &names, &mut faults);
    let steps = step::timeline(file.timeline, &names, &mut faults);
    names::check_order(&steps, &mut faults);
    if faults.0.is_empty() {
        return Ok(Scenario { seed: file.seed, start: file.start, providers, accounts, people, chats, steps });
    }
    faults.0.sort_by_key(|fault| fault.line);
    Err(ScenarioError { faults: faults.0 })
}

/// The steps in the order of their moments; equal moments in the order of the file.
fn in_order(mut steps: Vec<Step>) -> Vec<Step> {
    steps.sort_by_key(|step| step.at);
    steps
}
