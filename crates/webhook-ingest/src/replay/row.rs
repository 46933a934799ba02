//! A replay as it is kept.

use chassis::audit::Actor;
use kernel::Timestamp;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use ulid::Ulid;
use uuid::Uuid;
use webhook_ingest_core::replay::{Filter, Mode, Place, Rule};

/// How a replay stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Running,
    Stopping,
    Stopped,
    Done,
}

/// What a running replay does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Consumers get ready to make anew what they keep.
    Preparing,
    /// Events are published.
    Publishing,
    /// It is looked whether consumers handled each of them.
    Checking,
    /// Consumers put what they made anew in the place of what they kept.
    Finishing,
}

impl State {
    fn named(word: &str) -> Option<Self> {
        match word {
            "running" => Some(Self::Running),
            "stopping" => Some(Self::Stopping),
            "stopped" => Some(Self::Stopped),
            "done" => Some(Self::Done),
            _ => None,
        }
    }
}

impl Phase {
    /// The word it is kept as.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Publishing => "publishing",
            Self::Checking => "checking",
            Self::Finishing => "finishing",
        }
    }

    fn named(word: &str) -> Option<Self> {
        [Self::Preparing, Self::Publishing, Self::Checking, Self::Finishing]
            .into_iter()
            .find(|phase| phase.as_str() == word)
    }
}

/// A replay.
#[derive(Clone, Debug)]
pub(super) struct Replay {
    pub(super) id: Uuid,
    pub(super) mode: Mode,
    pub(super) state: State,
    pub(super) phase: Phase,
    pub(super) filter: Filter,
    /// The epoch of the stream it publishes into; none: nothing was published yet.
    pub(super) stream_epoch: Option<i64>,
    /// None: publishing has not begun.
    pub(super) received_before: Option<Timestamp>,
    pub(super) planned: i64,
    pub(super) published: i64,
    pub(super) skipped: i64,
    /// Events a rebuild waits for, of those it looked at last.
    pub(super) waiting: i64,
    /// Friendships that were made anew.
    pub(super) renewed: i64,
    /// Friendships that stand as they stood.
    pub(super) kept: i64,
    /// The last event that is done.
    pub(super) place: Option<Place>,
    pub(super) principal: Uuid,
    pub(super) staff: Option<Uuid>,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) finished: Option<Timestamp>,
}

impl Replay {
    /// Reads a row.
    pub(super) fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let accounts: Vec<Uuid> = row.try_get("account_ids")?;
        let (event, account): (Uuid, Uuid) = (row.try_get("place_event_id")?, row.try_get("place_account_id")?);
        Ok(Self {
            id: row.try_get("replay_id")?,
            mode: word(row, "mode", Mode::named)?,
            state: word(row, "state", State::named)?,
            phase: word(row, "phase", Phase::named)?,
            filter: Filter {
                accounts: accounts.into_iter().map(Into::into).collect(),
                types: row.try_get("event_types")?,
                start: row.try_get("start_time")?,
                end: row.try_get("end_time")?,
            },
            stream_epoch: row.try_get("stream_epoch")?,
            received_before: row.try_get("received_before")?,
            planned: row.try_get("planned_count")?,
            published: row.try_get("published_count")?,
            skipped: row.try_get("skipped_count")?,
            waiting: row.try_get("waiting_count")?,
            renewed: row.try_get("renewed_count")?,
            kept: row.try_get("kept_count")?,
            place: (!event.is_nil()).then(|| (Ulid(event.as_u128()), account.into())),
            principal: row.try_get("principal_id")?,
            staff: row.try_get("staff_id")?,
            created: row.try_get("create_time")?,
            updated: row.try_get("update_time")?,
            finished: row.try_get("finish_time")?,
        })
    }

    /// What it publishes; none before it begins to.
    pub(super) fn rule(&self) -> Option<Rule> {
        let received_before = self.received_before?;
        Some(Rule { mode: self.mode, filter: self.filter.clone(), received_before })
    }
}

fn word<T>(row: &PgRow, column: &'static str, named: fn(&str) -> Option<T>) -> Result<T, sqlx::Error> {
    let kept: &str = row.try_get(column)?;
    named(kept).ok_or_else(|| sqlx::Error::Decode(format!("{column} holds another word").into()))
}

/// Who starts a replay: the program, and the staff member behind it.
pub(super) fn people(actor: &Actor) -> (Uuid, Option<Uuid>) {
    match actor {
        Actor::Principal(principal) => (principal.uuid(), None),
        Actor::Staff { principal, staff } => (principal.uuid(), Some(staff.uuid())),
        Actor::Operator | Actor::Service(_) => (Uuid::nil(), None),
    }
}
