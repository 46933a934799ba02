//! Places where a test has the process killed. Release builds have none.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::config::Settings;

/// Which places kill the process, and at which pass.
#[derive(Clone, Debug, Default)]
pub(crate) struct FailPoints(BTreeMap<String, u32>);

#[derive(Debug, Default)]
struct Armed(BTreeMap<String, (u32, AtomicU32)>);

static ARMED: OnceLock<Armed> = OnceLock::new();

impl FailPoints {
    /// Reads `TSUNAGI_FAILPOINTS`: `place=kill` or `place=kill@3`, several with commas.
    pub(crate) fn read(settings: &mut Settings) -> Self {
        const NAME: &str = "TSUNAGI_FAILPOINTS";
        let text: Option<String> = settings.optional(
            NAME,
            "Development builds only: places where the process kills itself, `place=kill@3` for the third pass, \
             several with commas.",
        );
        let Some(text) = text else { return Self::default() };
        if !cfg!(debug_assertions) {
            settings.mistake(NAME, "works in development builds only");
        }
        parse(&text).unwrap_or_else(|| {
            settings.mistake(NAME, "is not a list of place=kill or place=kill@N");
            Self::default()
        })
    }
}

fn parse(text: &str) -> Option<FailPoints> {
    let one = |entry: &str| {
        let (place, action) = entry.trim().split_once('=')?;
        let pass = match action.split_once('@') {
            None if action == "kill" => 1,
            Some(("kill", pass)) => pass.parse().ok().filter(|pass| *pass > 0)?,
            _ => return None,
        };
        (!place.is_empty()).then(|| (place.to_owned(), pass))
    };
    text.split(',').map(one).collect::<Option<_>>().map(FailPoints)
}

/// Arms the places for this process; once.
pub(crate) fn arm(points: &FailPoints) {
    if !points.0.is_empty() {
        let armed = points.0.iter().map(|(place, pass)| (place.clone(), (*pass, AtomicU32::new(0)))).collect();
        let _ = ARMED.set(Armed(armed));
    }
}

/// Says that `place` is reached. When a test armed it, the process ends here as by `kill -9`.
#[inline]
pub fn reached(place: &str) {
    if cfg!(debug_assertions)
        && let Some(armed) = ARMED.get()
        && armed.is_due(place)
    {
        // The only error is that the process is gone already.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

impl Armed {
    fn is_due(&self, place: &str) -> bool {
        self.0.get(place).is_some_and(|(pass, passed)| passed.fetch_add(1, Ordering::SeqCst) + 1 == *pass)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_due_at_its_pass_and_only_then() {
        let points = parse("messaging.before_call=kill@3, ingest.after_commit=kill").unwrap();
        let armed = Armed(points.0.iter().map(|(place, pass)| (place.clone(), (*pass, AtomicU32::new(0)))).collect());
        let due: Vec<bool> = (0..5).map(|_| armed.is_due("messaging.before_call")).collect();
        assert_eq!(due, [false, false, true, false, false]);
        assert!(armed.is_due("ingest.after_commit"));
        assert!(!armed.is_due("unknown"));
    }

    #[test]
    fn anything_else_is_a_mistake() {
        for wrong in ["", "a", "a=kill@0", "a=kill@x", "a=sleep", "=kill"] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }
}
