//! The methods: wire to table to wire.

use std::sync::Arc;

use chassis::audit::{self, Actor};
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::page::Page;
use chassis::postgres::{Database, TenantTx, constraint};
use chassis::request::fields::Fields;
use chassis::request::repeat;
use contracts::ingest::v1::replay_service_server::ReplayService;
use contracts::ingest::v1::{
    GetReplayRequest, GetReplayResponse, ListReplaysRequest, ListReplaysResponse, Replay as WireReplay, ReplayCount,
    ReplayMode, ReplayPlan, ReplayState, StartReplayRequest, StartReplayResponse, StopReplayRequest,
    StopReplayResponse,
};
use contracts::timestamp;
use kernel::{AccountId, Clock};
use serde_json::json;
use tonic::{Request, Response, Status};
use uuid::Uuid;
use webhook_ingest_core::replay::{Filter, Mode, Plan, Rule};

use super::row::{Replay, State, people};
use super::{archive, table};

const START: &str = "tsunagi.ingest.v1.ReplayService/StartReplay";
/// Events counted by one statement.
const COUNTED: i64 = 5_000;

/// The service, over the table of replays.
#[derive(Clone)]
pub(crate) struct Replays {
    pub(crate) database: Database,
    pub(crate) clock: Arc<dyn Clock>,
}

#[tonic::async_trait]
impl ReplayService for Replays {
    async fn start_replay(
        &self,
        request: Request<StartReplayRequest>,
    ) -> Result<Response<StartReplayResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let (mode, filter) = asked(&request)?;
        let mut tx = self.tenant(&caller).await?;
        if !request.validate_only {
            let before = repeat::answered(&mut tx, START, &request.request_id, &request).await?;
            if let Some(answer) = before {
                return Ok(Response::new(answer));
            }
        }
        known(&mut tx, &filter.accounts).await?;
        let rule = Rule { mode, filter, received_before: self.clock.now() };
        let plan = plan(&mut tx, &rule).await.map_err(refuse::database)?;
        if request.validate_only {
            return Ok(Response::new(StartReplayResponse { replay: None, plan: Some(plan_to_wire(&plan)) }));
        }
        let actor = Actor::of(&caller);
        let (principal, staff) = people(&actor);
        let started = table::Started {
            id: Uuid::now_v7(),
            mode,
            filter: &rule.filter,
            received_before: rule.received_before,
            planned: i64::try_from(plan.events()).unwrap_or(i64::MAX),
            principal,
            staff,
        };
        let replay = table::insert(&mut tx, &started).await.map_err(|error| match constraint(&error) {
            Some(table::ONE_OPEN) => {
                refuse::precondition("REPLAY_RUNNING", "the tenant has a replay that has not ended")
            }
            _ => refuse::database(error),
        })?;
        let detail = json!({ "mode": mode.as_str(), "events": started.planned });
        audit::record(&mut tx, &actor, "replay.start", &format!("replay/{}", replay.id), detail)
            .await
            .map_err(refuse::database)?;
        let answer = StartReplayResponse { replay: Some(to_wire(&replay)), plan: Some(plan_to_wire(&plan)) };
        repeat::keep(&mut tx, START, &request.request_id, &answer).await?;
        tx.commit().await.map_err(refuse::database)?;
        Ok(Response::new(answer))
    }

    async fn get_replay(&self, request: Request<GetReplayRequest>) -> Result<Response<GetReplayResponse>, Status> {
        let id = id(&request.get_ref().replay_id)?;
        let mut tx = self.tenant(&Caller::of(&request)).await?;
        let found = found(&mut tx, id).await?;
        Ok(Response::new(GetReplayResponse { replay: Some(to_wire(&found)) }))
    }

    async fn list_replays(
        &self,
        request: Request<ListReplaysRequest>,
    ) -> Result<Response<ListReplaysResponse>, Status> {
        let caller = Caller::of(&request);
        let page = Page::<Uuid>::asked(caller.tenant(), request.get_ref())?;
        let mut tx = self.tenant(&caller).await?;
        let rows = table::list(&mut tx, page.after, page.rows()).await.map_err(refuse::database)?;
        let (rows, next_page_token) = page.cut(rows, |last| last.id);
        Ok(Response::new(ListReplaysResponse { replays: rows.iter().map(to_wire).collect(), next_page_token }))
    }

    async fn stop_replay(&self, request: Request<StopReplayRequest>) -> Result<Response<StopReplayResponse>, Status> {
        let id = id(&request.get_ref().replay_id)?;
        let caller = Caller::of(&request);
        let mut tx = self.tenant(&caller).await?;
        if table::stop(&mut tx, id).await.map_err(refuse::database)? {
            let (actor, subject) = (Actor::of(&caller), format!("replay/{id}"));
            audit::record(&mut tx, &actor, "replay.stop", &subject, json!({})).await.map_err(refuse::database)?;
        }
        let found = found(&mut tx, id).await?;
        tx.commit().await.map_err(refuse::database)?;
        Ok(Response::new(StopReplayResponse { replay: Some(to_wire(&found)) }))
    }
}

impl Replays {
    async fn tenant(&self, caller: &Caller) -> Result<TenantTx, Status> {
        self.database.tenant(caller.tenant()).await.map_err(refuse::database)
    }
}

/// What a request asks for.
fn asked(request: &StartReplayRequest) -> Result<(Mode, Filter), Status> {
    let mut fields = Fields::new();
    let read = match request.mode() {
        ReplayMode::Redrive => Some(Mode::Redrive),
        ReplayMode::Rebuild => Some(Mode::Rebuild),
        ReplayMode::Unspecified => None,
    };
    let mode = fields.named("mode", request.mode, read);
    let accounts: Result<Vec<AccountId>, _> = request.account_ids.iter().map(|id| id.parse()).collect();
    let accounts = fields.take("account_ids", accounts.map_err(|_| "must be UUIDs"));
    let start = fields.optional_time("start_time", request.start_time.as_ref());
    let end = fields.optional_time("end_time", request.end_time.as_ref());
    let filter = || Some(Filter { accounts: accounts?, types: request.event_types.clone(), start: start?, end: end? });
    let filter = filter();
    if let Some((mode, filter)) = mode.zip(filter.as_ref()) {
        filter.wrongs(mode).into_iter().for_each(|(field, why)| fields.wrong(field, why));
    }
    fields.all(|| mode.zip(filter))
}

fn id(text: &str) -> Result<Uuid, Status> {
    let mut fields = Fields::new();
    let id = fields.id("replay_id", text);
    fields.all(|| id)
}

/// Refuses accounts the tenant does not have: another tenant's is as unknown as none (S-1).
async fn known(tx: &mut TenantTx, accounts: &[AccountId]) -> Result<(), Status> {
    for account in accounts {
        let query = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM ingest.account_replica WHERE tenant_id = $1 AND account_id = $2)",
        );
        let is_known: Result<bool, _> = query.bind(tx.tenant().uuid()).bind(account.uuid()).fetch_one(&mut **tx).await;
        if !is_known.map_err(refuse::database)? {
            return Err(refuse::not_found("ACCOUNT"));
        }
    }
    Ok(())
}

async fn found(tx: &mut TenantTx, id: Uuid) -> Result<Replay, Status> {
    let found = table::find(tx, id).await.map_err(refuse::database)?;
    found.ok_or_else(|| refuse::not_found("REPLAY"))
}

/// Counts what a replay would publish now, by the rule it will publish by.
async fn plan(tx: &mut TenantTx, rule: &Rule) -> Result<Plan, sqlx::Error> {
    let (mut plan, mut place) = (Plan::default(), None);
    loop {
        let rows = archive::next(tx, &rule.filter.accounts, place, COUNTED).await?;
        for past in &rows {
            plan.count(past, rule.fate(past, rule.received_before));
            place = Some((past.event, past.account));
        }
        if i64::try_from(rows.len()).unwrap_or(i64::MAX) < COUNTED {
            return Ok(plan);
        }
    }
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn plan_to_wire(plan: &Plan) -> ReplayPlan {
    let one = |((account, event_type), number): (&(AccountId, String), &u64)| ReplayCount {
        account_id: account.to_string(),
        event_type: event_type.clone(),
        event_count: count(*number),
    };
    ReplayPlan {
        counts: plan.counts.iter().map(one).collect(),
        event_count: count(plan.events()),
        first_time: plan.span.map(|(first, _)| timestamp(first)),
        last_time: plan.span.map(|(_, last)| timestamp(last)),
        missing_count: count(plan.missing),
        redacted_count: count(plan.redacted),
    }
}

fn to_wire(replay: &Replay) -> WireReplay {
    let mode = match replay.mode {
        Mode::Redrive => ReplayMode::Redrive,
        Mode::Rebuild => ReplayMode::Rebuild,
    };
    let state = match replay.state {
        State::Running => ReplayState::Running,
        State::Stopping => ReplayState::Stopping,
        State::Stopped => ReplayState::Stopped,
        State::Done => ReplayState::Done,
    };
    WireReplay {
        replay_id: replay.id.to_string(),
        mode: mode.into(),
        state: state.into(),
        account_ids: replay.filter.accounts.iter().map(ToString::to_string).collect(),
        event_types: replay.filter.types.clone(),
        start_time: replay.filter.start.map(timestamp),
        end_time: replay.filter.end.map(timestamp),
        planned_count: replay.planned,
        published_count: replay.published,
        skipped_count: replay.skipped,
        waiting_count: replay.waiting,
        renewed_count: replay.renewed,
        kept_count: replay.kept,
        last_webhook_event_id: replay.place.map(|(event, _)| event.to_string()).unwrap_or_default(),
        principal_id: replay.principal.to_string(),
        staff_id: replay.staff.map(|staff| staff.to_string()).unwrap_or_default(),
        create_time: Some(timestamp(replay.created)),
        update_time: Some(timestamp(replay.updated)),
        finish_time: replay.finished.map(timestamp),
    }
}
