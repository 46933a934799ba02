//! `RebuildService`: friendships are made anew beside those that are kept, and take their place. One portion in one short
//! transaction a call; whoever calls goes on until it is done.

use std::collections::HashSet;

use bus::inbox;
use chassis::auth::Caller;
use chassis::failpoint;
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::rebuild_service_server::RebuildService;
use contracts::identity::v1::{
    CheckRebuildRequest, CheckRebuildResponse, FinishRebuildRequest, FinishRebuildResponse, PrepareRebuildRequest,
    PrepareRebuildResponse,
};
use identity_linking_core::friendship::Friendship;
use line_types::id::WebhookEventId;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::fields::Fields;
use super::refusal::Refusal;
use crate::change::{self, ChangeError, Subject};
use crate::consumer::CONSUMER;
use crate::postgres::friendship::{self, StoredFriendship, ToldFriendship};
use crate::postgres::rebuild::{self, RebuildState};
use crate::registry::Registry;
use crate::replica;
use chassis::postgres::TenantTx;

/// Events that are asked for at once, at most.
const CHECKED: usize = 1_000;
/// Friendships of one portion: their rows are locked for as long as it takes.
const PORTION: i64 = 200;

/// Makes friendships anew.
pub(crate) struct Rebuilds(pub(crate) Registry);

#[tonic::async_trait]
impl RebuildService for Rebuilds {
    async fn prepare_rebuild(
        &self,
        request: Request<PrepareRebuildRequest>,
    ) -> Result<Response<PrepareRebuildResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let mut fields = Fields::new();
        let replay: Option<Uuid> = fields.id("replay_id", &request.replay_id);
        let replay = fields.all(|| replay)?;
        let mut tx = self.0.tenant_of(&caller).await.map_err(Refusal::from)?;
        let rebuild = rebuild::enter(&mut tx, replay).await.map_err(Refusal::from)?;
        let mut done = rebuild.replay != replay || rebuild.state != RebuildState::Preparing;
        if !done {
            done = rebuild::begin(&mut tx, PORTION).await.map_err(Refusal::from)? < PORTION;
            if done {
                rebuild::set(&mut tx, RebuildState::Prepared).await.map_err(Refusal::from)?;
            }
        }
        failpoint::reached("identity.before_rebuild");
        tx.commit().await.map_err(Refusal::from)?;
        failpoint::reached("identity.after_rebuild");
        Ok(Response::new(PrepareRebuildResponse { done }))
    }

    async fn check_rebuild(
        &self,
        request: Request<CheckRebuildRequest>,
    ) -> Result<Response<CheckRebuildResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let asked: Vec<&str> = request.webhook_event_ids.iter().map(String::as_str).collect();
        let mut fields = Fields::new();
        let replay: Option<Uuid> = fields.id("replay_id", &request.replay_id);
        let sound = match asked.len() <= CHECKED {
            false => Err("must be at most 1000"),
            true if asked.iter().all(|id| WebhookEventId::parse(id).is_ok()) => Ok(()),
            true => Err("must be ULIDs"),
        };
        let sound = fields.take("webhook_event_ids", sound);
        let replay = fields.all(|| sound.and(replay))?;
        let mut tx = self.0.tenant_of(&caller).await.map_err(Refusal::from)?;
        let taken = inbox::taken_in(&mut tx, CONSUMER, &asked, Some(replay)).await.map_err(Refusal::from)?;
        let waiting = inbox::kept_aside(&mut tx, CONSUMER, &asked, replay).await.map_err(Refusal::from)?;
        let missing = asked.iter().filter(|id| !taken.contains(*id)).map(|id| (*id).to_owned()).collect();
        Ok(Response::new(CheckRebuildResponse {
            missing_webhook_event_ids: missing,
            waiting_count: i32::try_from(waiting).unwrap_or(i32::MAX),
        }))
    }

    async fn finish_rebuild(
        &self,
        request: Request<FinishRebuildRequest>,
    ) -> Result<Response<FinishRebuildResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let mut fields = Fields::new();
        let replay: Option<Uuid> = fields.id("replay_id", &request.replay_id);
        let replay = fields.all(|| replay)?;
        let mut tx = self.0.tenant_of(&caller).await.map_err(Refusal::from)?;
        let found = rebuild::lock(&mut tx).await.map_err(Refusal::from)?.filter(|found| found.replay == replay);
        // Nothing was begun, or a later one has begun since.
        let Some(found) = found else {
            return Ok(Response::new(FinishRebuildResponse { done: true, ..FinishRebuildResponse::default() }));
        };
        let replaces = match found.state {
            RebuildState::Abandoned => false,
            // What has begun to take its place comes to its end.
            RebuildState::Replacing | RebuildState::Replaced => true,
            RebuildState::Preparing | RebuildState::Prepared => !request.abandoned,
        };
        let portion = rebuild::next(&mut tx, PORTION).await.map_err(Refusal::from)?;
        let state = match (replaces, portion.is_empty()) {
            (false, _) => RebuildState::Abandoned,
            (true, false) => RebuildState::Replacing,
            (true, true) => RebuildState::Replaced,
        };
        let gone =
            if replaces { gone(&mut tx, replay, &portion).await.map_err(Refusal::from)? } else { HashSet::new() };
        let (mut renewed, mut kept) = (0, 0);
        for one in &portion {
            let renewal = one.friendship.renewal();
            if replaces && renewal.is_told() {
                let is_gone = renewal.doubted().is_some_and(|turn| gone.contains(turn.event_id.as_str()));
                self.replace(&mut tx, one, renewal.replace(is_gone)).await.map_err(Refusal::from)?;
                renewed += 1;
            } else if replaces {
                kept += 1;
            }
            rebuild::clear(&mut tx, one.account, one.friend).await.map_err(Refusal::from)?;
        }
        rebuild::settle(&mut tx, state, renewed, kept).await.map_err(Refusal::from)?;
        failpoint::reached("identity.before_rebuild");
        tx.commit().await.map_err(Refusal::from)?;
        failpoint::reached("identity.after_rebuild");
        Ok(Response::new(FinishRebuildResponse {
            done: portion.is_empty(),
            replaced: replaces,
            renewed_count: found.renewed + renewed,
            kept_count: found.kept + kept,
        }))
    }
}

/// The events of kept turns that events told again do not bear out, as far as they were handled when they happened and have gone from the
/// archive since.
async fn gone(tx: &mut TenantTx, replay: Uuid, portion: &[ToldFriendship]) -> Result<HashSet<String>, sqlx::Error> {
    let doubted = |one: &ToldFriendship| one.friendship.renewal().doubted().map(|turn| turn.event_id.clone());
    let events: Vec<String> = portion.iter().filter_map(doubted).collect();
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let handled = inbox::taken_in(tx, CONSUMER, &events, None).await?;
    let told_again = inbox::taken_in(tx, CONSUMER, &events, Some(replay)).await?;
    Ok(handled.difference(&told_again).map(|id| (*id).to_owned()).collect())
}

impl Rebuilds {
    /// Puts `value` in the place of what is kept; the others hear of it where that changes anything.
    async fn replace(&self, tx: &mut TenantTx, told: &ToldFriendship, value: Friendship) -> Result<(), ChangeError> {
        let (account, friend, before) = (told.account, told.friend, &told.friendship);
        let differs = (value.state(), value.since()) != (before.value.state(), before.value.since());
        let version = before.version + i64::from(differs);
        let after = StoredFriendship { version, value, anew: None, silent: before.silent };
        friendship::update(tx, account, friend, &after).await?;
        if differs {
            let id = replica::friendship_id(account, friend);
            let subject = Subject { kind: "friendship", id, version: after.version };
            let body = Body::Friendship(replica::friendship(account, &told.line_user_id, &after));
            change::announce(tx, subject, self.0.now(), body).await?;
        }
        Ok(())
    }
}
