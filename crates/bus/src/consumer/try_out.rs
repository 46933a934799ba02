//! One try: the handler inside a transaction, under a deadline, with every way it can end sorted by whose fault it is.

use std::panic::AssertUnwindSafe;

use chassis::postgres::{TenantTx, is_unavailable};
use futures::FutureExt;
use tracing::Instrument;

use super::{Cause, Consumer, Handled, Handler, Incoming, Trouble};

/// How a try ended that did not end well.
#[derive(Debug)]
pub(super) enum Setback {
    /// The message can never be handled.
    Never(&'static str),
    /// Something the handler needs is away.
    Unavailable(std::time::Duration, Cause),
    /// The message is the trouble.
    Failed(Cause),
    /// The service's own database is away: nothing can be done with any message.
    DatabaseAway(sqlx::Error),
}

impl Setback {
    /// What an error of the consumer's own statements means.
    pub(super) fn of(error: sqlx::Error) -> Self {
        if is_unavailable(&error) { Self::DatabaseAway(error) } else { Self::Failed(error.into()) }
    }
}

#[derive(Debug, thiserror::Error)]
enum Defect {
    #[error("the handler took too long")]
    TooLong,
    #[error("the handler panicked")]
    Panicked,
}

impl<H: Handler> Consumer<H> {
    /// Has the event handled in `tx`, in a span of the event's own trace.
    pub(super) async fn try_in(&self, tx: &mut TenantTx, event: &Incoming<H::Body>) -> Result<(), Setback> {
        self.in_time(self.handler.handle(tx, event).instrument(event.span())).await
    }

    /// Has the events handled in `tx` together.
    pub(super) async fn try_all_in(&self, tx: &mut TenantTx, events: &[&Incoming<H::Body>]) -> Result<(), Setback> {
        match events {
            [] => Ok(()),
            [event] => self.try_in(tx, event).await,
            events => self.in_time(self.handler.handle_all(tx, events)).await,
        }
    }

    async fn in_time(&self, handling: impl Future<Output = Result<Handled, Trouble>> + Send) -> Result<(), Setback> {
        let handling = AssertUnwindSafe(handling).catch_unwind();
        match tokio::time::timeout(self.spec.timeout, handling).await {
            Ok(Ok(Ok(Handled::Done))) => Ok(()),
            Ok(Ok(Ok(Handled::Never(reason)))) => Err(Setback::Never(reason)),
            Ok(Ok(Err(Trouble::Unavailable(wait, cause)))) => Err(Setback::Unavailable(wait, cause)),
            Ok(Ok(Err(Trouble::Failed(cause)))) => Err(Setback::Failed(cause)),
            Ok(Err(_)) => Err(Setback::Failed(Defect::Panicked.into())),
            Err(_) => Err(Setback::Failed(Defect::TooLong.into())),
        }
    }
}

/// Commits what handlers changed. A handler that passed over an error of the database has a transaction that can only be rolled
/// back, and the server answers its COMMIT without an error; so the transaction is asked first.
pub(super) async fn commit(mut tx: TenantTx) -> Result<(), Setback> {
    sqlx::query("SELECT 1").execute(&mut *tx).await.map_err(Setback::of)?;
    tx.commit().await.map_err(Setback::of)
}

/// An error and its causes, for a log line or a dead letter's reason. A message of the database may repeat values, so only its code
/// and the constraint are told.
pub(super) fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts = Vec::new();
    for error in std::iter::successors(Some(error), |error| error.source()) {
        if let Some(sqlx::Error::Database(refused)) = error.downcast_ref::<sqlx::Error>() {
            let (code, constraint) = (refused.code().unwrap_or_default(), refused.constraint().unwrap_or("-"));
            parts.push(format!("the database refused (code {code}, constraint {constraint})"));
            break;
        }
        parts.push(error.to_string());
    }
    parts.join(": ")
}
