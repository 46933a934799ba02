//! Whether a stream is still the one that was filled. A stream that was created at another time, or whose last number is smaller
//! than one it acknowledged, has lost what was published; whoever filled it publishes everything it keeps again. A stream whose
//! server was started anew may have lost its last messages, for a server writes them to disk a while after it acknowledged
//! them: who filled it publishes those of the last minutes before it was last seen alive again, however long it was away.

use chassis::postgres::Database;
use kernel::Timestamp;
use sqlx::AssertSqlSafe;

use crate::connection::Bus;
use crate::stream::{Observed, Stream, StreamError};

/// How long a server may take to bring to disk what it acknowledged, in minutes. NATS' own default is 2 (`sync_interval`).
pub const TAIL_MINUTES: i32 = 5;
/// How exactly it is kept when the stream was last seen, in seconds: not every look is worth a write.
const SEEN_SECONDS: i64 = 30;

/// What one service remembers of one stream it fills.
#[derive(Clone, Debug)]
pub struct Continuity {
    database: Database,
    stream: Stream,
}

/// A stream could not be compared with what is remembered.
#[derive(Debug, thiserror::Error)]
pub enum ContinuityError {
    /// The database is away.
    #[error("the stream's state cannot be read or written")]
    Database(#[from] sqlx::Error),
    /// The stream is not to be had.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

/// How far a stream can be relied upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// 1 at first, and one more whenever the stream had lost something or may have.
    pub epoch: i64,
    /// What was published from this moment on, in an earlier epoch, is to be published again; none once that is done.
    pub refill_from: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
struct Remembered {
    created: i64,
    last_sequence: i64,
    server: String,
    epoch: i64,
    refill_from: Option<Timestamp>,
    seen_at: Timestamp,
    /// When this was read, by the database's clock.
    asked_at: Timestamp,
}

/// What became of a stream since it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is as it was, or has grown.
    Same,
    /// Its last messages may be gone.
    Restarted,
    /// It is another one, or shorter.
    Lost,
}

impl Continuity {
    /// What the service of `database` remembers of `stream`.
    #[must_use]
    pub fn new(database: &Database, stream: Stream) -> Self {
        // Told as zero from the start: of a counter that appears with its first one, nobody sees that it rose.
        metrics::counter!("tsunagi_bus_streams_lost_total", "stream" => stream.name()).increment(0);
        Self { database: database.clone(), stream }
    }

    /// Looks at the stream, makes it when it is missing, and tells what is to be published again.
    ///
    /// # Errors
    /// When the database or NATS is away.
    pub async fn look(&self, bus: &Bus) -> Result<Standing, ContinuityError> {
        // Remembered first: a stream only grows between the two looks.
        let remembered = self.remembered().await?;
        let observed = bus.observe(self.stream).await?;
        let (fate, epoch) = match &remembered {
            None => (Fate::Same, 1),
            Some(remembered) => match fate(remembered, &observed) {
                Fate::Same => {
                    self.seen(remembered).await?;
                    return Ok(remembered.standing());
                }
                changed => (changed, remembered.epoch + 1),
            },
        };
        match fate {
            Fate::Same => {}
            Fate::Restarted => {
                tracing::info!(
                    stream = self.stream.name(),
                    "the server was started anew; the last minutes are published again"
                );
            }
            Fate::Lost => {
                tracing::warn!(
                    stream = self.stream.name(),
                    "new or shorter than remembered; everything kept is published again"
                );
                metrics::counter!("tsunagi_bus_streams_lost_total", "stream" => self.stream.name()).increment(1);
            }
        }
        let seen_at = remembered.map(|remembered| remembered.asked_at);
        self.remember(&observed, epoch, fate, seen_at).await?;
        // Another replica may have been first; then its epoch holds.
        Ok(self.remembered().await?.map_or(Standing { epoch, refill_from: None }, |remembered| remembered.standing()))
    }

    /// Notes that what was to be published again in this epoch is on its way.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn refilled(&self, epoch: i64) -> Result<(), sqlx::Error> {
        let text = format!(
            "UPDATE {schema}.stream_state SET refilled_at = now() WHERE stream = $1 AND epoch = $2 AND refilled_at IS NULL",
            schema = self.database.schema()
        );
        let query = sqlx::query(AssertSqlSafe(text)).bind(self.stream.name()).bind(epoch);
        query.execute(self.database.worker()).await?;
        Ok(())
    }

    /// Notes the highest sequence number that the stream acknowledged.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn acknowledged(&self, last_sequence: u64) -> Result<(), sqlx::Error> {
        let text = format!(
            "UPDATE {schema}.stream_state SET last_sequence = $2 WHERE stream = $1 AND last_sequence < $2",
            schema = self.database.schema()
        );
        let query = sqlx::query(AssertSqlSafe(text)).bind(self.stream.name()).bind(last_sequence.cast_signed());
        query.execute(self.database.worker()).await?;
        Ok(())
    }

    async fn remembered(&self) -> Result<Option<Remembered>, sqlx::Error> {
        sqlx::query_as(AssertSqlSafe(format!(
            "SELECT created, last_sequence, server, epoch, CASE WHEN refilled_at IS NULL THEN refill_from END AS refill_from,
                 seen_at, now() AS asked_at
             FROM {schema}.stream_state WHERE stream = $1",
            schema = self.database.schema()
        )))
        .bind(self.stream.name())
        .fetch_optional(self.database.worker())
        .await
    }

    /// Notes that the stream was as remembered when it was asked for, unless that was noted just before.
    async fn seen(&self, remembered: &Remembered) -> Result<(), sqlx::Error> {
        if remembered.asked_at - remembered.seen_at < chrono::TimeDelta::seconds(SEEN_SECONDS) {
            return Ok(());
        }
        let text = format!(
            "UPDATE {schema}.stream_state SET seen_at = $3 WHERE stream = $1 AND epoch = $2 AND seen_at < $3",
            schema = self.database.schema()
        );
        let query =
            sqlx::query(AssertSqlSafe(text)).bind(self.stream.name()).bind(remembered.epoch).bind(remembered.asked_at);
        query.execute(self.database.worker()).await?;
        Ok(())
    }

    /// Writes the new state unless another replica was first. What was to be published again and is not yet stays so. The last
    /// minutes are those of the run that is gone: it may have been away for hours, and others published since it is back.
    async fn remember(
        &self,
        observed: &Observed,
        epoch: i64,
        fate: Fate,
        seen_at: Option<Timestamp>,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(AssertSqlSafe(format!(
            "INSERT INTO {schema}.stream_state AS s
                 (stream, created, last_sequence, server, epoch, seen_at, refill_from, refilled_at)
             VALUES ($1, $2, $3, $4, $5, coalesce($8, now()), now(), now())
             ON CONFLICT (tenant_id, stream) DO UPDATE
             SET created = excluded.created, last_sequence = excluded.last_sequence, server = excluded.server,
                 epoch = excluded.epoch, seen_at = excluded.seen_at, refilled_at = NULL,
                 refill_from = CASE WHEN $6 THEN to_timestamp(0) ELSE
                     least(CASE WHEN s.refilled_at IS NULL THEN s.refill_from END, s.seen_at - make_interval(mins => $7)) END
             WHERE s.epoch = excluded.epoch - 1",
            schema = self.database.schema()
        )))
        .bind(self.stream.name())
        .bind(observed.created)
        .bind(observed.last_sequence.cast_signed())
        .bind(&observed.server)
        .bind(epoch)
        .bind(fate == Fate::Lost)
        .bind(TAIL_MINUTES)
        .bind(seen_at)
        .execute(self.database.worker())
        .await?;
        Ok(())
    }
}

impl Remembered {
    fn standing(&self) -> Standing {
        Standing { epoch: self.epoch, refill_from: self.refill_from }
    }
}

fn fate(remembered: &Remembered, observed: &Observed) -> Fate {
    if remembered.created != observed.created || remembered.last_sequence.cast_unsigned() > observed.last_sequence {
        Fate::Lost
    } else if remembered.server != observed.server {
        Fate::Restarted
    } else {
        Fate::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_stream_that_grew_is_the_same_and_a_new_or_shorter_one_is_not(
            created: i64,
            last in 1..i64::MAX,
            more in 0u64..9,
            other: i64,
            restarted: bool,
        ) {
            let (server, then) = ("a".to_owned(), Timestamp::UNIX_EPOCH);
            let remembered = Remembered {
                created, last_sequence: last, server, epoch: 1, refill_from: None, seen_at: then, asked_at: then,
            };
            let server = if restarted { "b" } else { "a" }.to_owned();
            let of = |created, last_sequence| fate(&remembered, &Observed { created, last_sequence, server: server.clone() });
            let whole = if restarted { Fate::Restarted } else { Fate::Same };
            let last = last.cast_unsigned();
            prop_assert_eq!(of(created, last + more), whole);
            prop_assert_eq!(of(created, last - 1), Fate::Lost);
            prop_assert_eq!(of(other, last), if other == created { whole } else { Fate::Lost });
        }
    }
}
