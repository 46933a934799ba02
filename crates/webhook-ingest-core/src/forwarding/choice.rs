//! Which bodies may go to a target next.
//!
//! Bodies wait in lanes, one for each sender, in the order they came in; a body with several senders stands in the lane of each. Only
//! what stands first in all of its lanes may go, and it stands there until it has arrived or is given up. So a sender's bodies never
//! overtake each other, and a body that fails holds up its own senders alone.

use kernel::{BodyId, Timestamp};

use super::share::Room;

/// A body that stands first in a lane that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Front {
    /// The body.
    pub body: BodyId,
    /// What stands first in the lane of each of its senders, or what stands before all of them.
    pub firsts: Vec<BodyId>,
    /// Not before this moment; of a body on its way, when its claim runs out.
    pub due: Timestamp,
    /// Whether somebody claimed it.
    pub claimed: bool,
    /// Its bytes.
    pub size: usize,
}

/// How fast a target is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Whatever is due, as many at once as there is room for.
    Usual,
    /// One body alone, to see whether the target takes it; whichever waits longest, due or not.
    Probe,
}

/// The bodies to claim now, as many as fit into `room`, the longest due first: what failed is due later each time, so nothing that keeps failing
/// keeps anything else waiting. `on_their_way`: bodies of the target under a claim that holds.
#[must_use]
pub fn choose(fronts: &[Front], pace: Pace, on_their_way: usize, room: Room, now: Timestamp) -> Vec<BodyId> {
    let room = match pace {
        Pace::Usual => room,
        Pace::Probe => room.of_at_most(1_usize.saturating_sub(on_their_way)),
    };
    let may_go = |front: &&Front| {
        let waits = !front.claimed && pace == Pace::Probe;
        (front.due <= now || waits) && front.firsts.iter().all(|first| *first == front.body)
    };
    let mut chosen: Vec<(Timestamp, BodyId, usize)> =
        fronts.iter().filter(may_go).map(|front| (front.due, front.body, front.size)).collect();
    chosen.sort_unstable();
    // One that stands first in several lanes was found in each of them.
    chosen.dedup();
    chosen.truncate(room.fit(chosen.iter().map(|(_, _, size)| *size)));
    chosen.into_iter().map(|(_, body, _)| body).collect()
}

#[cfg(test)]
mod tests;
