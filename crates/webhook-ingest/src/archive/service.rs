//! The methods: wire to query to wire.

use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::page::Page;
use chassis::postgres::{Database, TenantTx};
use contracts::ingest::v1::archive_service_server::ArchiveService;
use contracts::ingest::v1::{
    Finding, FindingKind, GetWebhookEventRequest, GetWebhookEventResponse, ListFindingsRequest, ListFindingsResponse,
    ListQuarantinedBodiesRequest, ListQuarantinedBodiesResponse, ListWebhookEventsRequest, ListWebhookEventsResponse,
    QuarantineReason, QuarantinedBody, WebhookEvent,
};
use contracts::timestamp;
use kernel::{AccountId, BodyId};
use line_types::id::WebhookEventId;
use tonic::{Request, Response, Status};
use ulid::Ulid;
use uuid::Uuid;
use webhook_ingest_core::body_time;

use super::query::{self, FindingPlace, FindingRow, Quarantined, SeenEvent};

/// The service, over the archive's tables.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    pub(crate) database: Database,
}

impl Archive {
    async fn tenant<T>(&self, request: &Request<T>) -> Result<TenantTx, Status> {
        self.database.tenant(Caller::of(request).tenant()).await.map_err(refuse::database)
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
        let asked = request.get_ref();
        let page = Page::<Uuid>::asked(Caller::of(&request).tenant(), asked)?;
        let account = account(&asked.account_id)?.ok_or_else(|| refuse::invalid("account_id", "is missing"))?;
        let mut tx = self.tenant(&request).await?;
        known(&mut tx, Some(account)).await?;
        let rows = query::events(&mut tx, account, page.after, page.rows()).await.map_err(refuse::database)?;
        let (rows, next_page_token) = page.cut(rows, |last| last.event);
        let events = events(&mut tx, rows).await.map_err(refuse::database)?;
        Ok(Response::new(ListWebhookEventsResponse { events, next_page_token }))
    }

    async fn list_quarantined_bodies(
        &self,
        request: Request<ListQuarantinedBodiesRequest>,
    ) -> Result<Response<ListQuarantinedBodiesResponse>, Status> {
        let asked = request.get_ref();
        let page = Page::<Uuid>::asked(Caller::of(&request).tenant(), asked)?;
        let account = account(&asked.account_id)?;
        let mut tx = self.tenant(&request).await?;
        known(&mut tx, account).await?;
        let rows = query::quarantined(&mut tx, account, page.after, page.rows()).await.map_err(refuse::database)?;
        let (rows, next_page_token) = page.cut(rows, |last| last.body);
        let bodies = rows.iter().map(quarantined).collect();
        Ok(Response::new(ListQuarantinedBodiesResponse { bodies, next_page_token }))
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

/// The account asked for; none where the field is empty.
fn account(text: &str) -> Result<Option<Uuid>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let id: AccountId = text.parse().map_err(|_| refuse::invalid("account_id", "must be a UUID"))?;
    Ok(Some(id.uuid()))
}

/// Refuses an account the tenant does not have: another tenant's is as unknown as none (S-1).
async fn known(tx: &mut TenantTx, account: Option<Uuid>) -> Result<(), Status> {
    let Some(account) = account else { return Ok(()) };
    if query::account_known(tx, account).await.map_err(refuse::database)? {
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

fn quarantined(row: &Quarantined) -> QuarantinedBody {
    let reason = match row.reason.as_str() {
        "wrong_destination" => QuarantineReason::WrongDestination,
        "unreadable" => QuarantineReason::Unreadable,
        "outside_window" => QuarantineReason::OutsideWindow,
        _ => QuarantineReason::Unspecified,
    };
    QuarantinedBody {
        body_id: row.body.to_string(),
        account_id: row.account.to_string(),
        reason: reason.into(),
        receive_time: Some(timestamp(row.verified_at)),
        size: row.size,
    }
}

fn finding(row: &FindingRow) -> Finding {
    let kind = match row.place.kind.as_str() {
        "signature_missing" => FindingKind::SignatureMissing,
        "signature_wrong" => FindingKind::SignatureWrong,
        "wrong_destination" => FindingKind::WrongDestination,
        "unreadable_body" => FindingKind::UnreadableBody,
        "body_too_large" => FindingKind::BodyTooLarge,
        "outside_window" => FindingKind::OutsideWindow,
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
