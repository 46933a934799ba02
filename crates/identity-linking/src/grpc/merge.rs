//! `MergeService`.

use chassis::audit::Actor;
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::page::Part;
use contracts::identity::v1::merge_service_server::MergeService;
use contracts::identity::v1::{
    ListMergesRequest, ListMergesResponse, Merge as WireMerge, UndoMergeRequest, UndoMergeResponse,
};
use contracts::timestamp;
use identity_linking_core::link::note;
use kernel::{CustomerId, MergeId};
use tonic::{Request, Response, Status};

use super::fields::Fields;
use super::refusal::Refusal;
use super::visibility;
use crate::linking::merge as linking;
use crate::postgres::Position;
use crate::postgres::merge::{self, StoredMerge};
use crate::registry::Registry;
use crate::replica;

/// Customers that absorbed others.
pub(crate) struct Merges(pub(crate) Registry);

#[tonic::async_trait]
impl MergeService for Merges {
    async fn list_merges(&self, request: Request<ListMergesRequest>) -> Result<Response<ListMergesResponse>, Status> {
        Ok(Response::new(list(&self.0, request).await?))
    }

    async fn undo_merge(&self, request: Request<UndoMergeRequest>) -> Result<Response<UndoMergeResponse>, Status> {
        Ok(Response::new(undo(&self.0, request).await?))
    }
}

fn tell(merge: &StoredMerge) -> WireMerge {
    WireMerge {
        merge_id: merge.id.to_string(),
        survivor_id: merge.survivor.to_string(),
        absorbed_id: merge.absorbed.to_string(),
        link_attempt_id: merge.attempt.to_string(),
        create_time: Some(timestamp(merge.create_time)),
        undo_time: merge.undo_time.map(timestamp),
        note: replica::text(merge.note.as_ref()),
    }
}

async fn list(registry: &Registry, request: Request<ListMergesRequest>) -> Result<ListMergesResponse, Refusal> {
    let caller = Caller::of(&request);
    let mut fields = Fields::new();
    let asked = fields.page::<Position>(caller.tenant(), request.get_ref());
    let only: Option<Option<CustomerId>> = fields.optional_id("customer_id", &request.get_ref().customer_id);
    let (asked, only) = fields.all(|| Some((asked?, only?)))?;
    let mut tx = registry.tenant_of(&caller).await?;
    let sight = caller.sight();
    if let Some(id) = only {
        visibility::customer(&mut tx, &sight, id).await?;
    }
    let place = |last: &StoredMerge| (last.create_time, last.id.uuid());
    let mut part = Part::of(&asked, &sight);
    while let Some(look) = part.look() {
        let rows = merge::list(&mut tx, only, look.after, look.rows).await?;
        let looked = rows.iter().map(place).collect();
        part.add(looked, visibility::pairs(&mut tx, &sight, rows, |row| (row.survivor, row.absorbed)).await?);
    }
    let (rows, next_page_token) = part.cut(place);
    Ok(ListMergesResponse { merges: rows.iter().map(tell).collect(), next_page_token })
}

async fn undo(registry: &Registry, request: Request<UndoMergeRequest>) -> Result<UndoMergeResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let mut fields = Fields::new();
    let id: Option<MergeId> = fields.id("merge_id", &request.merge_id);
    let said = fields.take("note", note(&request.note));
    let (id, said) = fields.all(|| Some((id?, said?)))?;
    let mut tx = registry.tenant_of(&caller).await?;
    let found = merge::find(&mut tx, id).await?.ok_or_else(|| refuse::not_found("MERGE"))?;
    visibility::both(&mut tx, &caller.sight(), (found.survivor, found.absorbed), "MERGE").await?;
    let undone = linking::undo(&mut tx, &Actor::of(&caller), registry.now(), id, said).await?;
    let undone = undone.ok_or_else(|| refuse::not_found("MERGE"))?;
    tx.commit().await?;
    Ok(UndoMergeResponse { merge: Some(tell(&undone)) })
}
