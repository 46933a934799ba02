//! Which accounts are forwarded, in memory: so that the others cost nothing.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use chassis::postgres::Database;
use kernel::{AccountId, TenantId};
use sqlx::Row;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;
use webhook_ingest_core::forwarding::sender::{Sender, senders};

use crate::taken::Taken;

/// How often new targets are looked for.
const EVERY: Duration = Duration::from_millis(500);
/// How often all are read anew, so that accounts without a target are noticed.
const ANEW_EVERY: Duration = Duration::from_mins(10);

/// One body in the lane of one of its senders.
pub(crate) struct Lane<'a> {
    /// The body.
    pub(crate) body: &'a Taken,
    /// Whose lane it is.
    pub(crate) sender: Sender,
    /// The sender in whose lane it is told how the body stands.
    pub(crate) lead: Sender,
    /// All of its senders with commas, as UUIDs; in the lead's lane alone.
    pub(crate) senders: Option<String>,
    /// What the body was signed with.
    pub(crate) signature: [u8; 32],
}

impl Lane<'_> {
    /// Bytes of the body.
    pub(crate) fn size(&self) -> i32 {
        i32::try_from(self.body.payload.len()).unwrap_or(i32::MAX)
    }
}

/// Accounts that may have a target. None: never read, so that every account may have one.
type Accounts = Option<HashSet<(TenantId, AccountId)>>;

/// The accounts that have a target. It may name one too many, and lacks a new one for a second: the commit asks the table itself for
/// the targets. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Forwarded {
    accounts: Arc<RwLock<Accounts>>,
    /// Accounts for which something began to wait since somebody looked.
    woken: Arc<Mutex<HashSet<(TenantId, AccountId)>>>,
    wake: Arc<Notify>,
}

impl Forwarded {
    /// The lanes in which these bodies wait to be forwarded, should their accounts have targets. What was quarantined whole, or came
    /// with a signature that is not known any more, is not forwarded.
    pub(crate) fn lanes<'a>(&self, bodies: &[&'a Taken]) -> Vec<Lane<'a>> {
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        let may_be = |body: &Taken| {
            !body.events.is_empty()
                && accounts.as_ref().is_none_or(|accounts| accounts.contains(&(body.tenant, body.account)))
        };
        bodies.iter().copied().filter(|body| may_be(body)).flat_map(of).collect()
    }

    /// Says that something waits for targets of these accounts.
    pub(crate) fn wake(&self, accounts: impl IntoIterator<Item = (TenantId, AccountId)>) {
        self.woken().extend(accounts);
        self.wake.notify_one();
    }

    /// The accounts for which something began to wait; whoever does not see to them finds them when everything is looked through.
    pub(super) fn take_woken(&self) -> HashSet<(TenantId, AccountId)> {
        std::mem::take(&mut *self.woken())
    }

    fn woken(&self) -> MutexGuard<'_, HashSet<(TenantId, AccountId)>> {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until somebody says so.
    pub(super) async fn until_woken(&self) {
        self.wake.notified().await;
    }

    /// Follows the table for ever.
    pub(crate) async fn follow(self, database: Database) {
        let (mut since, mut told, mut read_whole) = (0, false, None::<Instant>);
        loop {
            let anew = read_whole.is_none_or(|at| at.elapsed() > ANEW_EVERY);
            match changes(&database, if anew { 0 } else { since }).await {
                Ok((changed, next)) => {
                    let mut accounts = self.accounts.write().unwrap_or_else(PoisonError::into_inner);
                    match accounts.as_mut().filter(|_| !anew) {
                        Some(accounts) => accounts.extend(changed),
                        None => *accounts = Some(changed.into_iter().collect()),
                    }
                    (since, told) = (next, false);
                    read_whole = if anew { Some(Instant::now()) } else { read_whole };
                }
                Err(error) if !told => {
                    tracing::warn!(error = %error, "forwarding targets are not read anew for now");
                    told = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

fn of(body: &Taken) -> Vec<Lane<'_>> {
    let Some(signature) = body.signature else { return Vec::new() };
    let senders = senders(body.account, &body.payload);
    let Some(lead) = senders.first().copied() else { return Vec::new() };
    let all: Vec<String> = senders.iter().map(|sender| Uuid::from_u128(sender.0).to_string()).collect();
    let mut all = Some(all.join(","));
    let lane =
        |sender: &Sender| Lane { body, sender: *sender, lead, senders: all.take(), signature: *signature.as_bytes() };
    senders.iter().map(lane).collect()
}

/// The accounts of targets that were written by transactions not finished at `since`, and where to look from the next time.
async fn changes(database: &Database, since: u64) -> Result<(Vec<(TenantId, AccountId)>, u64), sqlx::Error> {
    // Asked for first: what commits in between is seen now, or the next time, or both.
    let oldest_running: String =
        sqlx::query_scalar("SELECT pg_snapshot_xmin(pg_current_snapshot())::text").fetch_one(database.worker()).await?;
    let next: u64 = oldest_running.parse().unwrap_or(0);
    // A database that was restored from a backup counts from further back.
    let since = if next < since { 0 } else { since };
    let query = "SELECT tenant_id, account_id FROM ingest.forwarding_target WHERE changed >= $1::text::xid8";
    let rows = sqlx::query(query).bind(since.to_string()).fetch_all(database.worker()).await?;
    let changed =
        |row: &sqlx::postgres::PgRow| Ok((row.try_get::<Uuid, _>(0)?.into(), row.try_get::<Uuid, _>(1)?.into()));
    Ok((rows.iter().map(changed).collect::<Result<_, sqlx::Error>>()?, next))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kernel::{BodyId, Timestamp};
    use line_types::signature::Signature;
    use webhook_ingest_core::read;

    use super::*;

    fn taken(sources: &[&str], signature: Option<Signature>) -> Taken {
        let event =
            |user: &&str| format!(r#"{{"type":"a","timestamp":1,"source":{{"type":"user","userId":"{user}"}}}}"#);
        let events: Vec<String> = sources.iter().map(event).collect();
        let payload = Bytes::from(format!(r#"{{"destination":"U","events":[{}]}}"#, events.join(",")));
        let events = read(&payload).unwrap().events;
        Taken {
            tenant: Uuid::from_u128(1).into(),
            account: Uuid::from_u128(2).into(),
            body: BodyId::new(Timestamp::UNIX_EPOCH),
            verified_at: Timestamp::UNIX_EPOCH,
            trace: None,
            payload,
            signature,
            events,
            quarantine: None,
        }
    }

    fn signed() -> Option<Signature> {
        Signature::from_bytes(&[9; 32])
    }
    const A: &str = "U4af4980629aaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "U4af4980629bbbbbbbbbbbbbbbbbbbbbb";

    #[test]
    fn a_body_stands_in_the_lane_of_each_sender_and_is_told_in_one() {
        let body = taken(&[A, B, A], signed());
        let lanes = Forwarded::default().lanes(&[&body]);
        assert_eq!(lanes.len(), 2);
        assert!(lanes.iter().all(|lane| lane.lead == lanes[0].sender && lane.signature == [9; 32]));
        let told: Vec<bool> = lanes.iter().map(|lane| lane.senders.is_some()).collect();
        assert_eq!(told, [true, false]);
        assert_eq!(lanes[0].senders.as_ref().unwrap().split(',').count(), 2);
    }

    #[test]
    fn what_is_not_to_be_forwarded_stands_in_none() {
        let quarantined_whole = taken(&[], signed());
        let unsigned = taken(&[A], None);
        assert!(Forwarded::default().lanes(&[&quarantined_whole, &unsigned]).is_empty());
        let body = taken(&[A], signed());
        let known = |accounts: &[(TenantId, AccountId)]| Forwarded {
            accounts: Arc::new(RwLock::new(Some(accounts.iter().copied().collect()))),
            ..Forwarded::default()
        };
        assert!(known(&[]).lanes(&[&body]).is_empty());
        assert!(known(&[(Uuid::from_u128(9).into(), body.account)]).lanes(&[&body]).is_empty());
        assert_eq!(known(&[(body.tenant, body.account)]).lanes(&[&body]).len(), 1);
    }
}
