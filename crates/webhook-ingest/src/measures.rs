//! The figures of the hot path, registered once.

use std::time::Duration;

use metrics::{Counter, Histogram, counter, histogram};
use webhook_ingest_core::Answer;

/// What is counted of each request and each commit. Bodies, keys and IDs are in none of it.
pub(crate) struct Measures {
    accepted: (Counter, Histogram),
    unproved: (Counter, Histogram),
    unknown_key: (Counter, Histogram),
    too_large: (Counter, Histogram),
    unavailable: (Counter, Histogram),
    batch: Histogram,
    batch_seconds: Histogram,
    bodies: Counter,
}

impl Measures {
    pub(crate) fn new() -> Self {
        // Told as zero from the start: of a counter that appears with its first one, nobody sees that it rose.
        for rare in [
            "tsunagi_ingest_unpublishable_total",
            "tsunagi_ingest_refused_by_store_total",
            "tsunagi_ingest_unreadable_bodies_total",
        ] {
            counter!(rare).increment(0);
        }
        for outcome in ["kept", "no_room", "proved", "unproved"] {
            counter!("tsunagi_ingest_held_bodies_total", "outcome" => outcome).increment(0);
        }
        let of = |answer: &'static str| {
            (
                counter!("tsunagi_ingest_webhooks_total", "answer" => answer),
                histogram!("tsunagi_ingest_answer_seconds", "answer" => answer),
            )
        };
        Self {
            accepted: of("accepted"),
            unproved: of("unproved"),
            unknown_key: of("unknown_key"),
            too_large: of("too_large"),
            unavailable: of("unavailable"),
            batch: histogram!("tsunagi_ingest_commit_bodies"),
            batch_seconds: histogram!("tsunagi_ingest_commit_seconds"),
            bodies: counter!("tsunagi_ingest_committed_bodies_total"),
        }
    }

    /// Notes an answer and how long after the request's head it was given.
    pub(crate) fn answer(&self, answer: Answer, after: Duration) {
        let (count, seconds) = match answer {
            Answer::Accepted => &self.accepted,
            Answer::Unproved => &self.unproved,
            Answer::UnknownKey => &self.unknown_key,
            Answer::TooLarge => &self.too_large,
            Answer::Unavailable => &self.unavailable,
        };
        count.increment(1);
        seconds.record(after.as_secs_f64());
    }

    /// Notes a commit of so many bodies that nobody had seen before.
    pub(crate) fn commit(&self, bodies: usize, took: Duration) {
        self.bodies.increment(bodies as u64);
        #[expect(clippy::cast_precision_loss, reason = "a batch has a few hundred bodies")]
        self.batch.record(bodies as f64);
        self.batch_seconds.record(took.as_secs_f64());
    }
}
