//! Dead letters: messages a consumer gave up on, for the operator to list, replay or drop. They are parked messages that wait for
//! somebody's decision; the consumer that gave up takes a replayed one up again.

use std::fmt;

use chassis::audit::{self, Actor};
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::page::Page;
use chassis::postgres::{Database, TenantTx};
use contracts::operations::v1::dead_letter_service_server::{DeadLetterService, DeadLetterServiceServer};
use contracts::operations::v1::{
    DeadLetter, DeadLetterState, DropDeadLetterRequest, DropDeadLetterResponse, GetDeadLetterRequest,
    GetDeadLetterResponse, ListDeadLettersRequest, ListDeadLettersResponse, ReplayDeadLetterRequest,
    ReplayDeadLetterResponse,
};
use kernel::{DeadLetterId, Timestamp};
use serde_json::json;
use sqlx::{AssertSqlSafe, FromRow};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::inbox;

/// The gRPC service over the dead letters of `database`'s service.
#[must_use]
pub fn service(database: &Database) -> DeadLetterServiceServer<DeadLetters> {
    DeadLetterServiceServer::new(DeadLetters { database: database.clone() })
}

/// Erases the content of whatever is kept aside of an event, dead or waiting, and gives it up; how many messages that were. For
/// content that must go everywhere, such as an unsent message's.
///
/// # Errors
/// When the database refuses or is away.
pub async fn erase(tx: &mut TenantTx, event_id: &str) -> Result<u64, sqlx::Error> {
    let erased = sqlx::query(AssertSqlSafe(format!(
        "UPDATE {}.parked_message SET headers = NULL, payload = NULL, due_at = NULL, state = 'dropped', settled_at = now(),
            gave_up_at = coalesce(gave_up_at, now()), reason = 'erased'
         WHERE tenant_id = $1 AND (event_key = $2 OR event_id = $3) AND payload IS NOT NULL",
        tx.schema()
    )))
    .bind(tx.tenant().uuid())
    .bind(inbox::event_key(event_id))
    // A copy of a rebuild has a key of its own.
    .bind(event_id)
    .execute(&mut **tx)
    .await?;
    Ok(erased.rows_affected())
}

/// `tsunagi.operations.v1.DeadLetterService` of one service.
#[derive(Clone)]
pub struct DeadLetters {
    database: Database,
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters").field("schema", &self.database.schema()).finish()
    }
}

#[derive(FromRow)]
struct Row {
    message_id: Uuid,
    consumer: String,
    subject: String,
    event_id: String,
    reason: String,
    attempts: i32,
    gave_up_at: Timestamp,
    state: String,
}

const COLUMNS: &str = "message_id, consumer, subject, event_id, reason, attempts, gave_up_at, state";

impl Row {
    fn on_the_wire(self) -> DeadLetter {
        let state = match self.state.as_str() {
            "replaying" => DeadLetterState::Replaying,
            "handled" => DeadLetterState::Handled,
            "dropped" => DeadLetterState::Dropped,
            _ => DeadLetterState::Waiting,
        };
        DeadLetter {
            dead_letter_id: self.message_id.to_string(),
            consumer: self.consumer,
            subject: self.subject,
            event_id: self.event_id,
            reason: self.reason,
            attempts: self.attempts,
            create_time: Some(contracts::timestamp(self.gave_up_at)),
            state: state.into(),
        }
    }
}

fn column(state: DeadLetterState) -> Option<&'static str> {
    match state {
        DeadLetterState::Unspecified => None,
        DeadLetterState::Waiting => Some("waiting"),
        DeadLetterState::Replaying => Some("replaying"),
        DeadLetterState::Handled => Some("handled"),
        DeadLetterState::Dropped => Some("dropped"),
    }
}

/// What the operator decides about a dead letter.
#[derive(Clone, Copy)]
struct Decision {
    action: &'static str,
    /// The change to a waiting one.
    change: &'static str,
    /// The state it leads to; deciding so again changes nothing.
    leads_to: &'static str,
}

const REPLAY: Decision =
    Decision { action: "dead_letter.replay", change: "state = 'replaying', due_at = now()", leads_to: "replaying" };

const DROP: Decision = Decision {
    action: "dead_letter.drop",
    change: "state = 'dropped', due_at = NULL, settled_at = now(), headers = NULL, payload = NULL",
    leads_to: "dropped",
};

fn id(text: &str) -> Result<DeadLetterId, Status> {
    text.parse().map_err(|_| refuse::invalid("dead_letter_id", "is not a UUID"))
}

/// A dead letter, under `lock` (`FOR UPDATE` or nothing).
async fn find(tx: &mut TenantTx, id: DeadLetterId, lock: &'static str) -> Result<Row, Status> {
    let row: Option<Row> = sqlx::query_as(AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM {}.parked_message
         WHERE tenant_id = $1 AND message_id = $2 AND gave_up_at IS NOT NULL {lock}",
        tx.schema()
    )))
    .bind(tx.tenant().uuid())
    .bind(id.uuid())
    .fetch_optional(&mut **tx)
    .await
    .map_err(refuse::database)?;
    row.ok_or_else(|| refuse::not_found("DEAD_LETTER"))
}

impl DeadLetters {
    async fn decide(&self, caller: &Caller, text: &str, decision: Decision) -> Result<DeadLetter, Status> {
        let id = id(text)?;
        let mut tx = self.database.tenant(caller.tenant()).await.map_err(refuse::database)?;
        let mut row = find(&mut tx, id, "FOR UPDATE").await?;
        if row.state == decision.leads_to {
            return Ok(row.on_the_wire());
        }
        if row.state != "waiting" {
            return Err(refuse::precondition("DEAD_LETTER_SETTLED", "the dead letter does not wait for a decision"));
        }
        let text = format!(
            "UPDATE {}.parked_message SET {} WHERE tenant_id = $1 AND message_id = $2",
            tx.schema(),
            decision.change
        );
        let update = sqlx::query(AssertSqlSafe(text)).bind(tx.tenant().uuid()).bind(id.uuid());
        update.execute(&mut *tx).await.map_err(refuse::database)?;
        let detail = json!({ "consumer": row.consumer, "event_id": row.event_id });
        let subject = format!("dead_letter/{id}");
        let recorded = audit::record(&mut tx, &Actor::of(caller), decision.action, &subject, detail).await;
        recorded.map_err(refuse::database)?;
        tx.commit().await.map_err(refuse::database)?;
        decision.leads_to.clone_into(&mut row.state);
        Ok(row.on_the_wire())
    }
}

#[tonic::async_trait]
impl DeadLetterService for DeadLetters {
    async fn list_dead_letters(
        &self,
        request: Request<ListDeadLettersRequest>,
    ) -> Result<Response<ListDeadLettersResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let page = Page::<(Timestamp, Uuid)>::asked(caller.tenant(), &request)?;
        let state = DeadLetterState::try_from(request.state).map_err(|_| refuse::invalid("state", "is unknown"))?;
        let mut tx = self.database.tenant_planning_anew(caller.tenant()).await.map_err(refuse::database)?;
        let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM {}.parked_message
             WHERE tenant_id = $1 AND gave_up_at IS NOT NULL AND ($2::text IS NULL OR state = $2)
                AND (gave_up_at, message_id) < (coalesce($3::timestamptz, 'infinity'), $4)
             ORDER BY gave_up_at DESC, message_id DESC LIMIT $5",
            tx.schema()
        )))
        .bind(tx.tenant().uuid())
        .bind(column(state))
        .bind(page.after.map(|(time, _)| time))
        .bind(page.after.map(|(_, id)| id))
        .bind(page.rows())
        .fetch_all(&mut *tx)
        .await
        .map_err(refuse::database)?;
        tx.commit().await.map_err(refuse::database)?;
        let (rows, next_page_token) = page.cut(rows, |last| (last.gave_up_at, last.message_id));
        Ok(Response::new(ListDeadLettersResponse {
            next_page_token,
            dead_letters: rows.into_iter().map(Row::on_the_wire).collect(),
        }))
    }

    async fn get_dead_letter(
        &self,
        request: Request<GetDeadLetterRequest>,
    ) -> Result<Response<GetDeadLetterResponse>, Status> {
        let caller = Caller::of(&request);
        let id = id(&request.into_inner().dead_letter_id)?;
        let mut tx = self.database.tenant(caller.tenant()).await.map_err(refuse::database)?;
        let found = find(&mut tx, id, "").await?;
        Ok(Response::new(GetDeadLetterResponse { dead_letter: Some(found.on_the_wire()) }))
    }

    async fn replay_dead_letter(
        &self,
        request: Request<ReplayDeadLetterRequest>,
    ) -> Result<Response<ReplayDeadLetterResponse>, Status> {
        let caller = Caller::of(&request);
        let dead_letter = self.decide(&caller, &request.into_inner().dead_letter_id, REPLAY).await?;
        Ok(Response::new(ReplayDeadLetterResponse { dead_letter: Some(dead_letter) }))
    }

    async fn drop_dead_letter(
        &self,
        request: Request<DropDeadLetterRequest>,
    ) -> Result<Response<DropDeadLetterResponse>, Status> {
        let caller = Caller::of(&request);
        let dead_letter = self.decide(&caller, &request.into_inner().dead_letter_id, DROP).await?;
        Ok(Response::new(DropDeadLetterResponse { dead_letter: Some(dead_letter) }))
    }
}
