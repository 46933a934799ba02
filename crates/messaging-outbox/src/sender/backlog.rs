//! The requests a lane has in hand: those of one conversation and class leave one after another, urgent classes first.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use kernel::ConversationId;
use tokio::time::Instant;

use super::request::Request;

type Place = (i16, ConversationId);

/// Requests by conversation, and the conversations whose first request may leave.
#[derive(Default)]
pub(super) struct Backlog {
    waiting: HashMap<Place, VecDeque<Request>>,
    /// Conversations in turn, by class; one that is under way or waits for its time is not here.
    ready: BTreeMap<i16, VecDeque<ConversationId>>,
    later: BTreeSet<(Instant, Place)>,
    len: usize,
}

impl Backlog {
    /// Requests in hand that are not under way.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a request behind those of its conversation.
    pub(super) fn push(&mut self, request: Request) {
        let place = (request.class, request.conversation);
        self.len += 1;
        let queue = self.waiting.entry(place).or_default();
        queue.push_back(request);
        if queue.len() == 1 {
            self.offer(place);
        }
    }

    /// The next request that may leave at `now`. Its conversation stays behind until [`Backlog::done`] or
    /// [`Backlog::again`] is told.
    pub(super) fn next(&mut self, now: Instant) -> Option<Request> {
        while let Some(&(time, place)) = self.later.first() {
            if time > now {
                break;
            }
            self.later.pop_first();
            self.ready.entry(place.0).or_default().push_back(place.1);
        }
        let mut ready = self.ready.first_entry()?;
        let class = *ready.key();
        let conversation = ready.get_mut().pop_front();
        if ready.get().is_empty() {
            ready.remove();
        }
        let queue = self.waiting.get_mut(&(class, conversation?))?;
        let request = queue.front().cloned()?;
        self.len -= 1;
        Some(request)
    }

    /// Whether [`Backlog::next`] would give a request.
    pub(super) fn has_ready(&self, now: Instant) -> bool {
        !self.ready.is_empty() || self.later.first().is_some_and(|(time, _)| *time <= now)
    }

    /// When a request that waits for its time may leave.
    pub(super) fn next_time(&self) -> Option<Instant> {
        self.later.first().map(|(time, _)| *time)
    }

    /// The first request of the conversation is through; the next may leave.
    pub(super) fn done(&mut self, place: Place) {
        if let Some(queue) = self.waiting.get_mut(&place) {
            queue.pop_front();
            if queue.is_empty() {
                self.waiting.remove(&place);
            } else {
                self.offer(place);
            }
        }
    }

    /// The first request of the conversation leaves again, changed as given.
    pub(super) fn again(&mut self, request: Request) {
        let place = (request.class, request.conversation);
        if let Some(first) = self.waiting.get_mut(&place).and_then(VecDeque::front_mut) {
            *first = request;
            self.len += 1;
            self.offer(place);
        }
    }

    /// Takes everything of the conversation out, the request under way too.
    pub(super) fn take(&mut self, place: Place) -> Vec<Request> {
        let taken: Vec<Request> = self.waiting.remove(&place).unwrap_or_default().into();
        self.len -= taken.len().saturating_sub(1);
        taken
    }

    /// Takes everything out; nothing may be under way.
    pub(super) fn drain(&mut self) -> Vec<Request> {
        let drained = self.waiting.drain().flat_map(|(_, queue)| queue).collect();
        self.ready.clear();
        self.later.clear();
        self.len = 0;
        drained
    }

    fn offer(&mut self, place: Place) {
        match self.waiting.get(&place).and_then(VecDeque::front).and_then(|request| request.not_before) {
            Some(time) => {
                self.later.insert((time, place));
            }
            None => self.ready.entry(place.0).or_default().push_back(place.1),
        }
    }
}
