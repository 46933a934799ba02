//! The methods: wire to query to wire.

use std::time::Duration;

use chassis::audit::{self, Actor};
use chassis::auth::Caller;
use chassis::envelope::EnvelopeError;
use chassis::grpc::refuse;
use chassis::page::Page;
use chassis::postgres::{Database, TenantTx};
use chassis::request::fields::Fields;
use contracts::access_proto::v1::Right;
use contracts::ingest::v1::archive_service_server::ArchiveService;
use contracts::ingest::v1::{
    CountWebhookEventsRequest, CountWebhookEventsResponse, EventTypeCount, Finding, FindingKind, GetWebhookBodyRequest,
    GetWebhookBodyResponse, GetWebhookEventRequest, GetWebhookEventResponse, ListFindingsRequest, ListFindingsResponse,
    ListWebhookEventsRequest, ListWebhookEventsResponse, WebhookEvent,
};
use contracts::timestamp;
use kernel::{AccountId, BodyId};
use line_types::id::WebhookEventId;
use serde_json::json;
use tonic::{Request, Response, Status};
use ulid::Ulid;
use uuid::Uuid;
use webhook_ingest_core::body_time;

use super::filter::{Filter, may_name};
use super::query::{self, FindingPlace, FindingRow, SeenEvent};
use crate::accounts;
use crate::vault::Vault;

/// The service, over the archive's tables.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    pub(crate) database: Database,
    pub(crate) vault: Vault,
}

/// Days that one count may cover.
const COUNTED_DAYS: i64 = 400;
/// When a count that took too long may be asked for again: not soon, and for less.
const COUNTED_AGAIN: Duration = Duration::from_secs(10);

impl Archive {
    async fn tenant<T>(&self, request: &Request<T>) -> Result<TenantTx, Status> {
        self.database.tenant(Caller::of(request).tenant()).await.map_err(refuse::database)
    }

    /// Whoever asks for one LINE user's events is answered by the tenant's data key, and not with none where it cannot be used.
    async fn key_for(&self, caller: &Caller, line_user_id: &str) -> Result<(), Status> {
        if line_user_id.is_empty() {
            return Ok(());
        }
        self.vault.learn(&self.database, &[caller.tenant()]).await.map_err(refuse::envelope)?;
        if self.vault.holds(caller.tenant()) { Ok(()) } else { Err(refuse::envelope(EnvelopeError::DataKeyMissing)) }
    }
}

#[tonic::async_trait]
impl ArchiveService for Archive {
    async fn get_webhook_event(
        &self,
        request: Request<GetWebhookEventRequest>,
    ) -> Result<Response<GetWebhookEventResponse>, Status> {
        let id = WebhookEventId::parse(&request.get_ref().webhook_event_id)
            .map_err(|_| refuse::invalid("webhook_event_id", "must be a ULID"))?;
        let mut tx = self.tenant(&request).await?;
        let found = query::event(&mut tx, Uuid::from_u128(id.ulid().0)).await.map_err(refuse::database)?;
        let found = found.ok_or_else(|| refuse::not_found("WEBHOOK_EVENT"))?;
        let event = events(&mut tx, vec![found]).await.map_err(refuse::database)?.pop();
        Ok(Response::new(GetWebhookEventResponse { event }))
    }

    async fn list_webhook_events(
        &self,
        request: Request<ListWebhookEventsRequest>,
    ) -> Result<Response<ListWebhookEventsResponse>, Status> {
        let (caller, asked) = (Caller::of(&request), request.get_ref());
        let mut fields = Fields::new();
        let page = fields.page::<Uuid>(caller.tenant(), asked);
        self.key_for(&caller, &asked.line_user_id).await?;
        let filter = Filter::read(asked, &caller, &self.vault, &mut fields);
        let (page, filter) = fields.all(|| Some((page?, filter?)))?;
        may_name(&caller, &asked.line_user_id)?;
        let mut tx = self.tenant(&request).await?;
        known(&mut tx, Some(filter.account)).await?;
        let looked = query::events(&mut tx, &filter, page.after, page.rows()).await.map_err(refuse::database)?;
        let (rows, mut next_page_token) = page.cut(looked.events, |last| last.event);
        if let Some(last) = looked.last.filter(|_| next_page_token.is_empty()) {
            next_page_token = page.token(&last);
        }
        let events = events(&mut tx, rows).await.map_err(refuse::database)?;
        Ok(Response::new(ListWebhookEventsResponse { events, next_page_token }))
    }

    async fn count_webhook_events(
        &self,
        request: Request<CountWebhookEventsRequest>,
    ) -> Result<Response<CountWebhookEventsResponse>, Status> {
        let (caller, asked) = (Caller::of(&request), request.get_ref());
        let mut fields = Fields::new();
        self.key_for(&caller, &asked.line_user_id).await?;
        let filter = Filter::read(asked, &caller, &self.vault, &mut fields);
        let (start, end) = (asked.start_time.map(|time| time.seconds), asked.end_time.map(|time| time.seconds));
        let span = start.zip(end).map(|(start, end)| end.saturating_sub(start));
        if span.is_none_or(|seconds| seconds > COUNTED_DAYS * 86_400) {
            fields.wrong("start_time", "must be given, with an end_time at most 400 days later");
        }
        let filter = fields.all(|| filter)?;
        may_name(&caller, &asked.line_user_id)?;
        let mut tx = self.tenant(&request).await?;
        known(&mut tx, Some(filter.account)).await?;
        let counts = query::counts(&mut tx, &filter).await.map_err(uncounted)?;
        let total = counts.iter().map(|(_, count)| count).sum();
        let counts = counts.into_iter().map(|(event_type, count)| EventTypeCount { event_type, count }).collect();
        Ok(Response::new(CountWebhookEventsResponse { counts, total }))
    }

    async fn get_webhook_body(
        &self,
        request: Request<GetWebhookBodyRequest>,
    ) -> Result<Response<GetWebhookBodyResponse>, Status> {
        let (caller, asked) = (Caller::of(&request), request.get_ref());
        let mut fields = Fields::new();
        let id: Option<BodyId> = fields.id("body_id", &asked.body_id);
        let id = fields.all(|| id)?;
        if !caller.has(Right::LineUserIdRead) {
            return Err(refuse::denied("RIGHT_MISSING"));
        }
        let mut tx = self.tenant(&request).await?;
        let found = query::body(&mut tx, id.uuid()).await.map_err(refuse::database)?;
        let found = found.ok_or_else(|| refuse::not_found("WEBHOOK_BODY"))?;
        let opened = self.vault.open(&self.database, caller.tenant(), id, &found.sealed).await;
        let body = opened.map_err(refuse::envelope)?;
        audit::record(&mut tx, &Actor::of(&caller), "webhook_body.read", &format!("webhook_body/{id}"), json!({}))
            .await
            .map_err(refuse::database)?;
        tx.commit().await.map_err(refuse::database)?;
        Ok(Response::new(GetWebhookBodyResponse {
            account_id: found.account.to_string(),
            receive_time: Some(timestamp(found.verified_at)),
            redact_time: found.redacted_at.map(timestamp),
            body: body.into(),
        }))
    }

    async fn list_findings(
        &self,
        request: Request<ListFindingsRequest>,
    ) -> Result<Response<ListFindingsResponse>, Status> {
        let asked = request.get_ref();
        let page = Page::<FindingPlace>::asked(Caller::of(&request).tenant(), asked)?;
        let account = account(&asked.account_id)?;
        let mut tx = self.tenant(&request).await?;
        known(&mut tx, account).await?;
        let rows =
            query::findings(&mut tx, account, page.after.as_ref(), page.rows()).await.map_err(refuse::database)?;
        let (rows, next_page_token) = page.cut(rows, |last| last.place.clone());
        Ok(Response::new(ListFindingsResponse { findings: rows.iter().map(finding).collect(), next_page_token }))
    }
}

/// A count that took too long says so.
fn uncounted(error: sqlx::Error) -> Status {
    // query_canceled
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    if code.as_deref() == Some("57014") {
        refuse::exhausted("TOO_MANY_EVENTS", COUNTED_AGAIN)
    } else {
        refuse::database(error)
    }
}

/// The account asked for; none where the field is empty.
fn account(text: &str) -> Result<Option<Uuid>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let id: AccountId = text.parse().map_err(|_| refuse::invalid("account_id", "must be a UUID"))?;
    Ok(Some(id.uuid()))
}

/// Refuses an account the tenant does not have: another tenant's is as unknown as none (S-1).
pub(crate) async fn known(tx: &mut TenantTx, account: Option<Uuid>) -> Result<(), Status> {
    let Some(account) = account else { return Ok(()) };
    if accounts::is_known(tx, account).await.map_err(refuse::database)? {
        Ok(())
    } else {
        Err(refuse::not_found("ACCOUNT"))
    }
}

async fn events(tx: &mut TenantTx, rows: Vec<SeenEvent>) -> Result<Vec<WebhookEvent>, sqlx::Error> {
    let bodies: Vec<Uuid> = rows.iter().map(|row| row.body).collect();
    let unpublished = query::unpublished(tx, &bodies).await?;
    let event = |row: SeenEvent| WebhookEvent {
        webhook_event_id: Ulid(row.event.as_u128()).to_string(),
        account_id: row.account.to_string(),
        event_type: row.event_type,
        occur_time: Some(timestamp(row.occurred_at)),
        receive_time: body_time(BodyId::from(row.body)).map(timestamp),
        published: !unpublished.contains(&row.body),
        body_id: row.body.to_string(),
    };
    Ok(rows.into_iter().map(event).collect())
}

fn finding(row: &FindingRow) -> Finding {
    let kind = match row.place.kind.as_str() {
        "signature_missing" => FindingKind::SignatureMissing,
        "signature_wrong" => FindingKind::SignatureWrong,
        "wrong_destination" => FindingKind::WrongDestination,
        "unreadable_body" => FindingKind::UnreadableBody,
        "body_too_large" => FindingKind::BodyTooLarge,
        "outside_window" => FindingKind::OutsideWindow,
        "signature_held" => FindingKind::SignatureHeld,
        _ => FindingKind::Unspecified,
    };
    Finding {
        account_id: row.place.account.to_string(),
        kind: kind.into(),
        hour: Some(timestamp(row.place.hour)),
        count: row.count,
        last_time: Some(timestamp(row.last_at)),
    }
}
