//! The running simulator: the world behind a lock, its clock, and the room its webhooks leave from.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::delivery::{Mailroom, http_client};
use crate::recording::Recorder;
use crate::scenario::Plays;
use crate::state::world::World;

/// What every handler shares.
#[derive(Debug)]
pub(crate) struct Platform {
    world: Mutex<World>,
    pub(crate) clock: Clock,
    pub(crate) mailroom: Mailroom,
    pub(crate) recorder: Recorder,
    pub(crate) plays: Plays,
    /// For webhooks and followed links: no redirects, no proxies.
    pub(crate) http: reqwest::Client,
    /// Where this simulator is reached, without a trailing slash.
    pub(crate) base_url: String,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Platform {
    pub(crate) fn new(seed: u64, clock: Clock, base_url: String, recorder: Recorder) -> Result<Self, reqwest::Error> {
        Ok(Self {
            world: Mutex::new(World::seeded(seed)),
            clock,
            mailroom: Mailroom::default(),
            recorder,
            plays: Plays::default(),
            http: http_client()?,
            base_url,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }

    /// Looks at or changes the world, at one moment of the simulated clock; events that come of it leave in order.
    pub(crate) fn with<T>(self: &Arc<Self>, job: impl FnOnce(&mut World, DateTime<Utc>) -> T) -> T {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let result = job(&mut world, self.clock.now());
        let outbox = std::mem::take(&mut world.outbox);
        if !outbox.is_empty() {
            self.mailroom.post(self, outbox);
        }
        result
    }
}
