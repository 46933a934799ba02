//! Judges held bodies once more when their account has changed. What is proved is stored like any other body, and deleted here, in one
//! transaction; its publication is due at once, and any replica's.

use std::sync::Arc;
use std::time::Duration;

use chassis::postgres::Database;
use kernel::{Clock, EventId};
use uuid::Uuid;
use webhook_ingest_core::{Account, Answer, HELD_FOR, Presented, Window, admit};

use super::waiting::HeldBody;
use super::{count, table};
use crate::accounts::Known;
use crate::commit::{make_room, store};
use crate::forwarding::Forwarded;
use crate::partitions;
use crate::publish::Done;
use crate::taken::Taken;
use crate::vault::Vault;

/// How often it is looked at the latest whether a held body's account has changed: when one that is known changes, at once.
const EVERY: Duration = Duration::from_secs(2);
/// Bodies judged in one transaction.
const PORTION: i64 = 64;

/// Proves bodies.
pub(crate) struct Prover {
    pub(crate) database: Database,
    pub(crate) vault: Vault,
    pub(crate) known: Known,
    pub(crate) window: Window,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) forwarded: Forwarded,
}

impl Prover {
    /// Judges held bodies whenever an account has changed, for ever.
    pub(crate) async fn run(self) {
        loop {
            let changed = self.known.changed();
            if let Err(error) = self.look().await {
                tracing::warn!(error = %error, "held bodies could not be judged");
            }
            let _ = tokio::time::timeout(EVERY, changed).await;
        }
    }

    async fn look(&self) -> Result<(), sqlx::Error> {
        for (tenant, account) in table::changed_accounts(&self.database).await? {
            // The version in memory may be an older one still: then these bodies are looked at when it has changed.
            if let Some(account) = self.known.read(|accounts| accounts.get(tenant, account).cloned()) {
                self.judge(&account).await?;
            }
        }
        Ok(())
    }

    async fn judge(&self, account: &Account) -> Result<(), sqlx::Error> {
        let mut portion = PORTION;
        loop {
            match self.judge_portion(account, portion).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if chassis::postgres::is_unavailable(&error) => return Err(error),
                // One that Postgres will not take must not keep the others out.
                Err(_) if portion > 1 => portion = 1,
                Err(error) => {
                    tracing::error!(account = %account.id, error = %error, "a held body cannot be stored");
                    self.pass_over(account).await?;
                }
            }
        }
    }

    /// Judges some; tells how many.
    async fn judge_portion(&self, account: &Account, portion: i64) -> Result<usize, sqlx::Error> {
        match self.attempt(account, portion).await {
            Err((error, proved)) if partitions::is_missing(&error) => {
                make_room(&self.database, &proved.iter().collect::<Vec<_>>()).await?;
                self.attempt(account, portion).await.map_err(|(error, _)| error)
            }
            outcome => outcome.map_err(|(error, _)| error),
        }
    }

    async fn attempt(&self, account: &Account, portion: i64) -> Result<usize, (sqlx::Error, Vec<Taken>)> {
        let plain = |error| (error, Vec::new());
        let mut tx = self.database.tenant(account.tenant).await.map_err(plain)?;
        let since = self.clock.now() - HELD_FOR;
        let held = table::unjudged(&mut tx, &self.vault, account, since, portion).await.map_err(plain)?;
        let count_of_all = held.len();
        let (proved, unproved) = self.sort(account, held);
        let unproved: Vec<Uuid> = unproved.iter().map(|body| body.body.uuid()).collect();
        let stored = async {
            let batch = EventId::new(self.clock.now()).uuid();
            let bodies: Vec<&Taken> = proved.iter().collect();
            let lanes = self.forwarded.lanes(&bodies);
            store(&mut tx, &self.vault, &bodies, batch, Duration::ZERO, &Done::default(), &lanes).await?;
            let stored: Vec<Uuid> = proved.iter().map(|body| body.body.uuid()).collect();
            table::delete(&mut tx, account, &stored).await?;
            table::judged(&mut tx, account, &unproved).await?;
            if !proved.is_empty() {
                chassis::failpoint::reached("ingest.before_prove");
            }
            tx.commit().await
        };
        if let Err(error) = stored.await {
            return Err((error, proved));
        }
        if !proved.is_empty() {
            chassis::failpoint::reached("ingest.after_prove");
            self.forwarded.wake([(account.tenant, account.id)]);
            count("proved", proved.len() as u64);
            tracing::info!(account = %account.id, bodies = proved.len(), "held bodies are proved by a secret set since");
        }
        Ok(count_of_all)
    }

    /// Those that this version of the account proves, as they would have been taken when they were received, and the others.
    fn sort(&self, account: &Account, held: Vec<HeldBody>) -> (Vec<Taken>, Vec<HeldBody>) {
        let (mut proved, mut unproved) = (Vec::new(), Vec::new());
        for body in held {
            let presented = Presented::One(body.signature);
            let verdict = admit(account, presented, &body.payload, self.window, body.received_at);
            if verdict.answer != Answer::Accepted {
                unproved.push(body);
                continue;
            }
            proved.push(Taken {
                tenant: body.tenant,
                account: body.account,
                body: body.body,
                verified_at: body.received_at,
                trace: body.trace,
                payload: body.payload,
                signature: Some(body.signature),
                events: verdict.keep.events,
                quarantine: verdict.keep.quarantine,
            });
        }
        (proved, unproved)
    }

    /// Leaves the account's first body that was not judged to its end.
    async fn pass_over(&self, account: &Account) -> Result<(), sqlx::Error> {
        let mut tx = self.database.tenant(account.tenant).await?;
        let first = table::unjudged(&mut tx, &self.vault, account, self.clock.now() - HELD_FOR, 1).await?;
        let first: Vec<Uuid> = first.iter().map(|body| body.body.uuid()).collect();
        table::judged(&mut tx, account, &first).await?;
        tx.commit().await
    }
}
