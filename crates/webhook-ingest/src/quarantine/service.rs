//! The methods: wire to rule and table, and back.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use chassis::audit::{self, Actor};
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::postgres::{Database, TenantTx};
use chassis::request::etag;
use chassis::request::fields::Fields;
use contracts::access_proto::v1::Right;
use contracts::ingest::v1::quarantine_service_server::QuarantineService;
use contracts::ingest::v1::{
    DropQuarantinedBodyRequest, DropQuarantinedBodyResponse, GetQuarantinedBodyRequest, GetQuarantinedBodyResponse,
    ListQuarantinedBodiesRequest, ListQuarantinedBodiesResponse, ReleaseQuarantinedBodyRequest,
    ReleaseQuarantinedBodyResponse,
};
use kernel::{AccountId, BodyId, Clock, TenantId};
use serde_json::json;
use tonic::{Request, Response, Status};
use uuid::Uuid;
use webhook_ingest_core::{Event, Reading, Window, explain, explain_release, read, release};

use super::release::Asked;
use super::table::{self, Filter, Quarantined, State};
use super::wire;
use crate::accounts::Known;
use crate::archive::known;
use crate::vault::Vault;

/// The service.
pub(crate) struct Quarantine {
    pub(crate) database: Database,
    pub(crate) vault: Vault,
    pub(crate) known: Known,
    pub(crate) window: Window,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Quarantine {
    /// The bot that an account has now.
    pub(super) fn bot(&self, tenant: TenantId, account: AccountId) -> Option<String> {
        self.known.read(|accounts| accounts.get(tenant, account)?.bot_user_id.clone())
    }

    /// Notes that somebody read a body to the byte: it holds what people wrote, and LINE's IDs of them.
    async fn note_reading(&self, mut tx: TenantTx, caller: &Caller, body: BodyId) -> Result<(), sqlx::Error> {
        let subject = format!("quarantined_body/{body}");
        audit::record(&mut tx, &Actor::of(caller), "quarantined_body.read", &subject, json!({})).await?;
        tx.commit().await
    }

    /// The content of a body that waits.
    pub(super) async fn opened(&self, tenant: TenantId, row: &Quarantined, sealed: &[u8]) -> Result<Bytes, Status> {
        let opened = self.vault.open(&self.database, tenant, row.body, sealed).await;
        opened.map_err(refuse::envelope)
    }
}

#[tonic::async_trait]
impl QuarantineService for Quarantine {
    async fn list_quarantined_bodies(
        &self,
        request: Request<ListQuarantinedBodiesRequest>,
    ) -> Result<Response<ListQuarantinedBodiesResponse>, Status> {
        let tenant = Caller::of(&request).tenant();
        let asked = request.get_ref();
        let mut fields = Fields::new();
        let page = fields.page::<Uuid>(tenant, asked);
        let account = fields.optional_id::<AccountId>("account_id", &asked.account_id);
        let state = fields.take("state", wire::asked_state(asked.state));
        let reason = fields.take("reason", wire::asked_reason(asked.reason));
        let (page, account, state, reason) = fields.all(|| Some((page?, account?, state?, reason?)))?;
        let filter = Filter { account: account.map(AccountId::uuid), state, reason };
        let mut tx = self.database.tenant_planning_anew(tenant).await.map_err(refuse::database)?;
        known(&mut tx, filter.account).await?;
        let rows = table::list(&mut tx, filter, page.after, page.rows()).await.map_err(refuse::database)?;
        let (rows, next_page_token) = page.cut(rows, |last| last.body.uuid());
        let bodies = rows.iter().map(wire::body).collect();
        Ok(Response::new(ListQuarantinedBodiesResponse { bodies, next_page_token }))
    }

    async fn get_quarantined_body(
        &self,
        request: Request<GetQuarantinedBodyRequest>,
    ) -> Result<Response<GetQuarantinedBodyResponse>, Status> {
        let caller = Caller::of(&request);
        let id = body_id(&request.get_ref().body_id)?;
        let mut tx = self.database.tenant(caller.tenant()).await.map_err(refuse::database)?;
        let found = table::find(&mut tx, id).await.map_err(refuse::database)?;
        let (row, sealed) = found.ok_or_else(|| refuse::not_found("QUARANTINED_BODY"))?;
        let bot = self.bot(caller.tenant(), row.account);
        let mut told = GetQuarantinedBodyResponse {
            body: Some(wire::body(&row)),
            explanation: Some(wire::explanation(explain(row.reason))),
            bot_user_id: bot.clone().unwrap_or_default(),
            ..GetQuarantinedBodyResponse::default()
        };
        if row.state != State::Waiting {
            return Ok(Response::new(told));
        }
        let now = self.clock.now();
        let payload = self.opened(caller.tenant(), &row, &sealed).await?;
        let reading = read(&payload);
        let (events, accepted) = match &reading {
            Ok(Reading { destination, events, faulty }) => {
                told.destination.clone_from(destination);
                told.unreadable_count = i32::try_from(*faulty).unwrap_or(i32::MAX);
                let accepted = table::accepted(&mut tx, row.account, events).await.map_err(refuse::database)?;
                (events.clone(), accepted)
            }
            Err(_) => (Vec::new(), HashSet::new()),
        };
        told.events =
            events.iter().map(|event| wire::event(event, &accepted, self.window, row.verified_at, now)).collect();
        let outlook = release(reading, bot.as_deref(), false, self.window, row.verified_at, now);
        let is_new = |event: &&Event| !accepted.contains(&event.id.0);
        let new = outlook.events.iter().filter(is_new).count();
        told.release_count = i32::try_from(new).unwrap_or(i32::MAX);
        told.release_obstacle = wire::obstacle(outlook.obstacle).into();
        told.release_explanation = Some(wire::explanation(explain_release(new, outlook.obstacle)));
        if caller.has(Right::LineUserIdRead) && caller.has(Right::OperationsManage) {
            told.raw = payload.into();
            self.note_reading(tx, &caller, id).await.map_err(refuse::database)?;
        }
        Ok(Response::new(told))
    }

    async fn release_quarantined_body(
        &self,
        request: Request<ReleaseQuarantinedBodyRequest>,
    ) -> Result<Response<ReleaseQuarantinedBodyResponse>, Status> {
        let caller = Caller::of(&request);
        let ReleaseQuarantinedBodyRequest { body_id: id, etag, accept_outside_window } = request.get_ref();
        let asked = Asked { body: body_id(id)?, etag, outside_window: *accept_outside_window };
        let outcome = self.release(&caller, asked).await?;
        Ok(Response::new(ReleaseQuarantinedBodyResponse {
            body: Some(wire::body(&outcome.body)),
            released_count: i32::try_from(outcome.released).unwrap_or(i32::MAX),
            obstacle: wire::obstacle(outcome.obstacle).into(),
        }))
    }

    async fn drop_quarantined_body(
        &self,
        request: Request<DropQuarantinedBodyRequest>,
    ) -> Result<Response<DropQuarantinedBodyResponse>, Status> {
        let caller = Caller::of(&request);
        let asked = request.get_ref();
        let id = body_id(&asked.body_id)?;
        let mut tx = self.database.tenant(caller.tenant()).await.map_err(refuse::database)?;
        let found = table::lock(&mut tx, id).await.map_err(refuse::database)?;
        let (body, _) = found.ok_or_else(|| refuse::not_found("QUARANTINED_BODY"))?;
        let body = match body.state {
            State::Dropped => body,
            State::Released => return Err(refuse::precondition("QUARANTINE_SETTLED", "it was released")),
            State::Waiting => {
                etag::check(&asked.etag, body.version)?;
                let now = self.clock.now();
                let dropped = table::settle(&mut tx, body, State::Dropped, &caller, now).await;
                let dropped = dropped.map_err(refuse::database)?;
                let subject = format!("quarantined_body/{id}");
                audit::record(&mut tx, &Actor::of(&caller), "quarantined_body.drop", &subject, json!({}))
                    .await
                    .map_err(refuse::database)?;
                tx.commit().await.map_err(refuse::database)?;
                dropped
            }
        };
        Ok(Response::new(DropQuarantinedBodyResponse { body: Some(wire::body(&body)) }))
    }
}

fn body_id(text: &str) -> Result<BodyId, Status> {
    text.parse().map_err(|_| refuse::invalid("body_id", if text.is_empty() { "is required" } else { "is not a UUID" }))
}
