//! How far a run's fault is, for whoever does something before it, in the middle of it, or after it.

use std::time::Duration;

use tokio::sync::watch;

use super::dice::Dice;

/// How far the fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Nothing is wrong yet.
    Before,
    /// It is being made, and not mended.
    During,
    /// It is mended.
    After,
}

/// The phase a run is in.
#[derive(Debug)]
pub(super) struct Course(watch::Sender<Phase>);

/// When somebody takes each step of a link: not before its phase. None is before the one ahead of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// Opens a form.
    pub(super) opens: Phase,
    /// Sends it.
    pub(super) submits: Phase,
    /// How long that phase lasts before it is sent.
    pub(super) lingers: Duration,
    /// Confirms in LINE's dialog, and whatever comes behind that.
    pub(super) confirms: Phase,
}

impl Course {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Phase::Before))
    }

    /// Goes on to `phase`.
    pub(super) fn reach(&self, phase: Phase) {
        self.0.send_replace(phase);
    }

    /// Waits until the run is as far as `phase`.
    pub(super) async fn at_least(&self, phase: Phase) {
        // The sender lives in `self`.
        let _ = self.0.subscribe().wait_for(|now| *now >= phase).await;
    }
}

impl Timing {
    /// Everything as soon as it can be.
    pub(super) const AT_ONCE: Self =
        Self { opens: Phase::Before, submits: Phase::Before, lingers: Duration::ZERO, confirms: Phase::Before };

    /// Draws one.
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let mut phases = [0; 3].map(|_: u8| *dice.one(&[Phase::Before, Phase::During, Phase::After]));
        phases.sort_unstable();
        let [opens, submits, confirms] = phases;
        Self { opens, submits, lingers: Duration::ZERO, confirms }
    }
}
