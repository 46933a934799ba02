//! `LinkService`.

use chassis::audit::Actor;
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::page::Part;
use chassis::postgres::TenantTx;
use chrono::TimeDelta;
use contracts::identity::v1::link_service_server::LinkService;
use contracts::identity::v1::{
    AttemptFigure, ConfirmLinkRequest, ConfirmLinkResponse, EndLinkRequest, EndLinkResponse, GetLinkFiguresRequest,
    GetLinkFiguresResponse, Link as WireLink, LinkEndCause as WireEndCause, LinkOrigin as WireOrigin, ListLinksRequest,
    ListLinksResponse,
};
use contracts::timestamp;
use identity_linking_core::link::{LinkEndCause, LinkOrigin, Note, note};
use kernel::{AccountId, LinkId, Sight};
use tonic::{Request, Response, Status};

use super::etag;
use super::fields::Fields;
use super::refusal::Refusal;
use super::visibility;
use crate::linking::ledger;
use crate::postgres::link::{self, ShownLink, StoredLink, Whose};
use crate::postgres::{Position, account, candidate, friend, link_figure};
use crate::registry::Registry;
use crate::replica;

/// Attempts are counted over this long where nothing else is asked for, and at most over [`LONGEST_WINDOW`].
const WINDOW: TimeDelta = TimeDelta::days(30);
const LONGEST_WINDOW: TimeDelta = TimeDelta::days(400);

/// Links between customers and LINE users.
pub(crate) struct Links(pub(crate) Registry);

#[tonic::async_trait]
impl LinkService for Links {
    async fn list_links(&self, request: Request<ListLinksRequest>) -> Result<Response<ListLinksResponse>, Status> {
        Ok(Response::new(list(&self.0, request).await?))
    }

    async fn confirm_link(
        &self,
        request: Request<ConfirmLinkRequest>,
    ) -> Result<Response<ConfirmLinkResponse>, Status> {
        Ok(Response::new(confirm(&self.0, request).await?))
    }

    async fn end_link(&self, request: Request<EndLinkRequest>) -> Result<Response<EndLinkResponse>, Status> {
        Ok(Response::new(end(&self.0, request).await?))
    }

    async fn get_link_figures(
        &self,
        request: Request<GetLinkFiguresRequest>,
    ) -> Result<Response<GetLinkFiguresResponse>, Status> {
        Ok(Response::new(figures(&self.0, request).await?))
    }
}

fn origin(origin: LinkOrigin) -> WireOrigin {
    WireOrigin::from_str_name(&format!("LINK_ORIGIN_{}", origin.as_str())).unwrap_or_default()
}

fn end_cause(cause: LinkEndCause) -> WireEndCause {
    WireEndCause::from_str_name(&format!("LINK_END_CAUSE_{}", cause.as_str())).unwrap_or_default()
}

fn tell(shown: &ShownLink) -> WireLink {
    let StoredLink { stored, attempt, .. } = &shown.link;
    let value = &stored.value;
    WireLink {
        link_id: stored.id.to_string(),
        customer_id: value.customer.to_string(),
        friend_id: value.friend.to_string(),
        provider_id: value.provider.to_string(),
        line_display_name: shown.display_name.clone().unwrap_or_default(),
        assurance: replica::assurance(value.assurance).into(),
        origin: origin(value.origin).into(),
        link_attempt_id: attempt.map(|id| id.to_string()).unwrap_or_default(),
        create_time: Some(timestamp(stored.create_time)),
        end_time: value.end.map(|end| timestamp(end.time)),
        end_cause: value.end.map_or(0, |end| end_cause(end.cause).into()),
        note: replica::text(value.note.as_ref()),
        etag: etag::of(stored.version),
    }
}

async fn list(registry: &Registry, request: Request<ListLinksRequest>) -> Result<ListLinksResponse, Refusal> {
    let caller = Caller::of(&request);
    let mut fields = Fields::new();
    let asked = fields.page::<Position>(caller.tenant(), request.get_ref());
    let request = request.get_ref();
    let whose = match (request.customer_id.is_empty(), request.friend_id.is_empty()) {
        (false, true) => fields.id("customer_id", &request.customer_id).map(Whose::Customer),
        (true, false) => fields.id("friend_id", &request.friend_id).map(Whose::Friend),
        _ => {
            fields.wrong("customer_id", "or friend_id is required, and not both");
            None
        }
    };
    let (asked, whose) = fields.all(|| Some((asked?, whose?)))?;
    let mut tx = registry.tenant_of(&caller).await?;
    let sight = caller.sight();
    match whose {
        Whose::Customer(id) => drop(visibility::customer(&mut tx, &sight, id).await?),
        Whose::Friend(id) => visibility::line_user(&mut tx, &sight, id).await?,
    }
    let place = |last: &ShownLink| (last.link.stored.create_time, last.link.stored.id.uuid());
    let mut part = Part::of(&asked, &sight);
    while let Some(look) = part.look() {
        let rows = link::list(&mut tx, whose, look.after, look.rows).await?;
        let looked = rows.iter().map(place).collect();
        // Whoever sees a customer sees all its links.
        let seen = match whose {
            Whose::Customer(_) => rows,
            Whose::Friend(id) => visibility::links(&mut tx, &sight, id, rows).await?,
        };
        part.add(looked, seen);
    }
    let (rows, next_page_token) = part.cut(place);
    Ok(ListLinksResponse { links: rows.iter().map(tell).collect(), next_page_token })
}

/// A link that is to be changed, if `sight` takes it in: it, its LINE user and its customer locked, as it stands then.
async fn held(tx: &mut TenantTx, sight: &Sight, id: LinkId, given_etag: &str) -> Result<StoredLink, Refusal> {
    let missing = || refuse::not_found("LINK");
    let found = link::find(tx, id).await?.ok_or_else(missing)?.link.stored.value;
    friend::lock(tx, found.friend).await?.ok_or(sqlx::Error::RowNotFound)?;
    candidate::lock(tx, &[found.customer]).await?;
    let shown = link::find(tx, id).await?.into_iter().collect();
    let seen = visibility::links(tx, sight, found.friend, shown).await?.pop();
    let found = seen.ok_or_else(missing)?.link;
    etag::check(given_etag, found.stored.version)?;
    if !found.stored.value.is_active() {
        return Err(refuse::precondition("LINK_ENDED", "the link has ended").into());
    }
    Ok(found)
}

fn read(link_id: &str, text: &str) -> Result<(LinkId, Note), Status> {
    let mut fields = Fields::new();
    let id = fields.id("link_id", link_id);
    let said = fields.take("note", note(text));
    fields.all(|| Some((id?, said?)))
}

async fn confirm(registry: &Registry, request: Request<ConfirmLinkRequest>) -> Result<ConfirmLinkResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let (id, said) = read(&request.link_id, &request.note)?;
    let mut tx = registry.tenant_of(&caller).await?;
    let found = held(&mut tx, &caller.sight(), id, &request.etag).await?;
    ledger::confirm(&mut tx, &Actor::of(&caller), registry.now(), found, said).await?;
    let shown = link::find(&mut tx, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    tx.commit().await?;
    Ok(ConfirmLinkResponse { link: Some(tell(&shown)) })
}

async fn end(registry: &Registry, request: Request<EndLinkRequest>) -> Result<EndLinkResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let (id, said) = read(&request.link_id, &request.note)?;
    let now = registry.now();
    let mut tx = registry.tenant_of(&caller).await?;
    let found = held(&mut tx, &caller.sight(), id, &request.etag).await?;
    let how = (now, LinkEndCause::Staff, Some(said));
    ledger::end(&mut tx, &Actor::of(&caller), now, found, how).await?;
    let shown = link::find(&mut tx, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    tx.commit().await?;
    Ok(EndLinkResponse { link: Some(tell(&shown)) })
}

async fn figures(
    registry: &Registry,
    request: Request<GetLinkFiguresRequest>,
) -> Result<GetLinkFiguresResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let now = registry.now();
    let mut fields = Fields::new();
    let only: Option<Option<AccountId>> = fields.optional_id("account_id", &request.account_id);
    let start = fields.optional_time("start_time", request.start_time.as_ref());
    let start = start.and_then(|start| {
        let start = start.unwrap_or(now - WINDOW);
        let fits = start >= now - LONGEST_WINDOW && start <= now;
        fields.take("start_time", if fits { Ok(start) } else { Err("is not within the last 400 days") })
    });
    let (only, start) = fields.all(|| Some((only?, start?)))?;
    let mut tx = registry.tenant_of(&caller).await?;
    if let Some(id) = only {
        account::find(&mut tx, id).await?.ok_or_else(|| refuse::not_found("ACCOUNT"))?;
    }
    let counts = link_figure::counts(&mut tx, only).await?;
    let attempts = link_figure::attempts(&mut tx, only, start).await?;
    Ok(GetLinkFiguresResponse {
        customers: counts.customers,
        linked_customers: counts.linked_customers,
        friends: counts.friends,
        linked_friends: counts.linked_friends,
        customer_link_rate: identity_linking_core::link::rate(counts.linked_customers, counts.customers),
        friend_link_rate: identity_linking_core::link::rate(counts.linked_friends, counts.friends),
        attempts: attempts
            .into_iter()
            .map(|(method, outcome, reason, count)| AttemptFigure { method, outcome, reason, count })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_and_the_wire_know_the_same_origins_and_ends() {
        assert!(LinkOrigin::ALL.iter().all(|one| origin(*one) != WireOrigin::Unspecified));
        assert!(LinkEndCause::ALL.iter().all(|one| end_cause(*one) != WireEndCause::Unspecified));
    }
}
