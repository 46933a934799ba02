//! Whether a stream is still the one that was filled. A stream that was created at another time, or whose last number is smaller
//! than one it acknowledged, has lost what was published; whoever filled it publishes everything it keeps again.

use chassis::postgres::Database;
use sqlx::AssertSqlSafe;

use crate::connection::Bus;
use crate::stream::{Observed, Stream, StreamError};

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Remembered {
    created: i64,
    last_sequence: u64,
    epoch: i64,
}

impl Continuity {
    /// What the service of `database` remembers of `stream`.
    #[must_use]
    pub fn new(database: &Database, stream: Stream) -> Self {
        Self { database: database.clone(), stream }
    }

    /// Looks at the stream, makes it when it is missing, and returns its epoch: 1 at first, and one more whenever the stream
    /// turned out to be new or shorter. What was published in an earlier epoch is to be published again.
    ///
    /// # Errors
    /// When the database or NATS is away.
    pub async fn look(&self, bus: &Bus) -> Result<i64, ContinuityError> {
        // Remembered first: a stream only grows between the two looks.
        let remembered = self.remembered().await?;
        let observed = bus.observe(self.stream).await?;
        let epoch = match remembered {
            Some(remembered) if is_same(remembered, observed) => return Ok(remembered.epoch),
            Some(remembered) => {
                tracing::warn!(
                    stream = self.stream.name(),
                    lost_epoch = remembered.epoch,
                    "the stream is new or shorter than remembered; everything kept is published again"
                );
                metrics::counter!("tsunagi_bus_streams_lost_total", "stream" => self.stream.name()).increment(1);
                remembered.epoch + 1
            }
            None => 1,
        };
        self.remember(observed, epoch).await
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
        let row: Option<(i64, i64, i64)> = sqlx::query_as(AssertSqlSafe(format!(
            "SELECT created, last_sequence, epoch FROM {schema}.stream_state WHERE stream = $1",
            schema = self.database.schema()
        )))
        .bind(self.stream.name())
        .fetch_optional(self.database.worker())
        .await?;
        Ok(row.map(|(created, last, epoch)| Remembered { created, last_sequence: last.cast_unsigned(), epoch }))
    }

    /// Writes the new state unless another replica was first, and returns the epoch that holds.
    async fn remember(&self, observed: Observed, epoch: i64) -> Result<i64, ContinuityError> {
        sqlx::query(AssertSqlSafe(format!(
            "INSERT INTO {schema}.stream_state AS s (stream, created, last_sequence, epoch) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant_id, stream) DO UPDATE
             SET created = excluded.created, last_sequence = excluded.last_sequence, epoch = excluded.epoch
             WHERE s.epoch = excluded.epoch - 1",
            schema = self.database.schema()
        )))
        .bind(self.stream.name())
        .bind(observed.created)
        .bind(observed.last_sequence.cast_signed())
        .bind(epoch)
        .execute(self.database.worker())
        .await?;
        Ok(self.remembered().await?.map_or(epoch, |remembered| remembered.epoch))
    }
}

fn is_same(remembered: Remembered, observed: Observed) -> bool {
    remembered.created == observed.created && remembered.last_sequence <= observed.last_sequence
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_stream_that_grew_is_the_same_and_a_new_or_shorter_one_is_not(
            created: i64,
            last in 1u64..,
            more in 0u64..9,
            other: i64,
        ) {
            let remembered = Remembered { created, last_sequence: last, epoch: 1 };
            let same = |created, last_sequence| is_same(remembered, Observed { created, last_sequence });
            prop_assert!(same(created, last.saturating_add(more)));
            prop_assert!(!same(created, last - 1));
            prop_assert_eq!(same(other, last), created == other);
        }
    }
}
