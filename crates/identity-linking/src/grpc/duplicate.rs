//! `DuplicateService`.

use chassis::audit::Actor;
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::page::Part;
use contracts::identity::v1::duplicate_service_server::DuplicateService;
use contracts::identity::v1::{
    DismissDuplicateSuspicionRequest, DismissDuplicateSuspicionResponse, DuplicateSign as WireSign,
    DuplicateSuspicion as WireSuspicion, ListDuplicateSuspicionsRequest, ListDuplicateSuspicionsResponse,
};
use contracts::timestamp;
use identity_linking_core::link::note;
use identity_linking_core::matching::DuplicateSign;
use kernel::{CustomerId, DuplicateSuspicionId};
use serde_json::json;
use tonic::{Request, Response, Status};

use super::fields::Fields;
use super::refusal::Refusal;
use super::visibility;
use crate::change::{self, Subject};
use crate::linking::ledger;
use crate::postgres::duplicate::{self, StoredSuspicion};
use crate::postgres::{Position, candidate};
use crate::registry::Registry;
use crate::replica;

/// Customers that may be one person twice.
pub(crate) struct Duplicates(pub(crate) Registry);

#[tonic::async_trait]
impl DuplicateService for Duplicates {
    async fn list_duplicate_suspicions(
        &self,
        request: Request<ListDuplicateSuspicionsRequest>,
    ) -> Result<Response<ListDuplicateSuspicionsResponse>, Status> {
        Ok(Response::new(list(&self.0, request).await?))
    }

    async fn dismiss_duplicate_suspicion(
        &self,
        request: Request<DismissDuplicateSuspicionRequest>,
    ) -> Result<Response<DismissDuplicateSuspicionResponse>, Status> {
        Ok(Response::new(dismiss(&self.0, request).await?))
    }
}

fn sign(sign: DuplicateSign) -> WireSign {
    WireSign::from_str_name(&format!("DUPLICATE_SIGN_{}", sign.as_str())).unwrap_or_default()
}

fn tell(suspicion: &StoredSuspicion) -> WireSuspicion {
    WireSuspicion {
        duplicate_suspicion_id: suspicion.id.to_string(),
        customer_id: suspicion.pair.0.to_string(),
        other_customer_id: suspicion.pair.1.to_string(),
        signs: suspicion.signs.iter().map(|one| sign(*one).into()).collect(),
        link_attempt_id: suspicion.attempt.to_string(),
        create_time: Some(timestamp(suspicion.create_time)),
        dismiss_time: suspicion.dismiss_time.map(timestamp),
        note: replica::text(suspicion.note.as_ref()),
    }
}

async fn list(
    registry: &Registry,
    request: Request<ListDuplicateSuspicionsRequest>,
) -> Result<ListDuplicateSuspicionsResponse, Refusal> {
    let caller = Caller::of(&request);
    let mut fields = Fields::new();
    let asked = fields.page::<Position>(caller.tenant(), request.get_ref());
    let request = request.get_ref();
    let only: Option<Option<CustomerId>> = fields.optional_id("customer_id", &request.customer_id);
    let (asked, only) = fields.all(|| Some((asked?, only?)))?;
    let mut tx = registry.tenant_of(&caller).await?;
    let sight = caller.sight();
    if let Some(id) = only {
        visibility::customer(&mut tx, &sight, id).await?;
    }
    let place = |last: &StoredSuspicion| (last.create_time, last.id.uuid());
    let mut part = Part::of(&asked, &sight);
    while let Some(look) = part.look() {
        let rows = duplicate::list(&mut tx, only, request.include_dismissed, look.after, look.rows).await?;
        let looked = rows.iter().map(place).collect();
        part.add(looked, visibility::pairs(&mut tx, &sight, rows, |row| row.pair).await?);
    }
    let (rows, next_page_token) = part.cut(place);
    Ok(ListDuplicateSuspicionsResponse { duplicate_suspicions: rows.iter().map(tell).collect(), next_page_token })
}

async fn dismiss(
    registry: &Registry,
    request: Request<DismissDuplicateSuspicionRequest>,
) -> Result<DismissDuplicateSuspicionResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let mut fields = Fields::new();
    let id: Option<DuplicateSuspicionId> = fields.id("duplicate_suspicion_id", &request.duplicate_suspicion_id);
    let said = fields.take("note", note(&request.note));
    let (id, said) = fields.all(|| Some((id?, said?)))?;
    let mut tx = registry.tenant_of(&caller).await?;
    let absent = || refuse::not_found("DUPLICATE_SUSPICION");
    let (one, other) = duplicate::find(&mut tx, id).await?.ok_or_else(absent)?.pair;
    candidate::lock(&mut tx, &[one, other]).await?;
    visibility::both(&mut tx, &caller.sight(), (one, other), "DUPLICATE_SUSPICION").await?;
    let mut found = duplicate::lock(&mut tx, id).await?.ok_or_else(absent)?;
    if found.dismiss_time.is_none() {
        found.dismiss_time = Some(registry.now());
        found.note = Some(said);
        duplicate::dismiss(&mut tx, &found).await?;
        // Whoever staff know to be two people is nobody's to absorb.
        for customer in [one, other] {
            ledger::touch(&mut tx, &Actor::of(&caller), registry.now(), customer).await?;
        }
        let subject = Subject { kind: "duplicate_suspicion", id: id.uuid(), version: 1 };
        change::note(&mut tx, &Actor::of(&caller), "duplicate_suspicion.dismiss", subject, json!({})).await?;
        tx.commit().await?;
    }
    Ok(DismissDuplicateSuspicionResponse { duplicate_suspicion: Some(tell(&found)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_and_the_wire_know_the_same_signs() {
        assert!(DuplicateSign::ALL.iter().all(|one| sign(*one) != WireSign::Unspecified));
    }
}
