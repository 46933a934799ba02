//! The requests a lane has in hand: those of one conversation and class leave one after another, urgent classes first.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use kernel::ConversationId;
use messaging_outbox_core::route::SendMethod;
use tokio::time::Instant;

use super::request::Request;

/// A conversation and class: what leaves one after another.
pub(super) type Place = (i16, ConversationId);

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

    /// The next request that may leave at `now`, of those whose way is `open`. Its conversation stays behind until
    /// [`Backlog::done`] or [`Backlog::again`] is told.
    pub(super) fn next(&mut self, now: Instant, open: impl Fn(SendMethod) -> bool) -> Option<Request> {
        while let Some(&(time, place)) = self.later.first() {
            if time > now {
                break;
            }
            self.later.pop_first();
            self.ready.entry(place.0).or_default().push_back(place.1);
        }
        let first = |place: Place| self.waiting.get(&place).and_then(VecDeque::front);
        let (class, turn, request) = self.ready.iter().find_map(|(class, ready)| {
            let mut in_turn = ready.iter().enumerate();
            in_turn.find_map(|(turn, conversation)| {
                let request = first((*class, *conversation)).filter(|request| open(request.method))?;
                Some((*class, turn, request.clone()))
            })
        })?;
        if let Some(ready) = self.ready.get_mut(&class) {
            ready.remove(turn);
            if ready.is_empty() {
                self.ready.remove(&class);
            }
        }
        self.len -= 1;
        Some(request)
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

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::{MessageId, Timestamp};
    use messaging_outbox_core::route::SendPolicy;
    use serde_json::Value;
    use uuid::Uuid;

    use super::super::request::Part;

    fn request(class: i16, conversation: u128, message: u128, method: SendMethod) -> Request {
        Request {
            class,
            conversation: Uuid::from_u128(conversation).into(),
            parts: vec![Part {
                message: MessageId::from(Uuid::from_u128(message)),
                object: Value::Null,
                earlier_attempts: 0,
            }],
            method,
            policy: SendPolicy::ReplyFirst,
            silent: false,
            key: Uuid::from_u128(message),
            recipient: None,
            token: None,
            calls: 0,
            first_time: Timestamp::UNIX_EPOCH,
            in_doubt: false,
            token_renewed: false,
            frozen: false,
            not_before: None,
            trace: None,
            last: None,
        }
    }

    fn key(request: Option<Request>) -> Option<u128> {
        request.map(|request| request.key.as_u128())
    }

    #[test]
    fn a_reply_leaves_while_pushes_are_held_back_and_its_own_conversation_keeps_its_order() {
        let mut backlog = Backlog::default();
        backlog.push(request(0, 1, 1, SendMethod::Push));
        backlog.push(request(0, 1, 2, SendMethod::Reply));
        backlog.push(request(0, 2, 3, SendMethod::Push));
        backlog.push(request(5, 3, 4, SendMethod::Reply));
        let now = Instant::now();
        let replies = |method| method == SendMethod::Reply;
        assert_eq!(key(backlog.next(now, replies)), Some(4), "the only reply that nothing is before");
        assert_eq!(key(backlog.next(now, replies)), None);
        assert_eq!((key(backlog.next(now, |_| true)), backlog.len()), (Some(1), 2));
        backlog.done((0, Uuid::from_u128(1).into()));
        assert_eq!(key(backlog.next(now, replies)), Some(2));
        assert_eq!((key(backlog.next(now, |_| true)), backlog.len()), (Some(3), 0));
        assert_eq!(key(backlog.next(now, |_| true)), None);
    }
}
