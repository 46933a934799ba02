//! A link that is taken over in a run (L-03): somebody links, somebody else types the same, and the one linked until then says yes.

use anyhow::{Context as _, ensure};
use contracts::identity::v1::takeover_service_client::TakeoverServiceClient;
use contracts::identity::v1::{LinkEndCause, ListLinksRequest, ListTakeoverRequestsRequest, TakeoverState};
use tsunagi::stage::{Shop, Stage, until};

use super::linking::{BACK_WITHIN, Linker, Scene, Way, confirm, sent_to, tap};
use super::links::{friend, links, nothing_waits};

/// Which people of a run they are.
const NUMBERS: (usize, usize) = (6, 7);
/// What the one linked until then is asked with.
const YES: (&str, &str) = ("tsunagi:takeover:", ":yes");

/// A link that went from one LINE user to another.
#[derive(Debug)]
pub(super) struct Handover {
    pub(super) holder: Linker,
    pub(super) asking: Linker,
}

/// Lets somebody link, and somebody else take that over; ends when everything is said.
pub(super) async fn hand_over(scene: Scene<'_>) -> anyhow::Result<Handover> {
    let Scene { stage, shop, course, .. } = scene;
    let mut holder = Linker::new(scene, NUMBERS.0, Way::Links).await?;
    let dialog = holder.form(scene).await.context("whose link is taken over")?;
    confirm(stage, &holder.person, &dialog).await?;
    until(BACK_WITHIN, async || {
        let request = ListLinksRequest { customer_id: holder.customer.clone(), ..ListLinksRequest::default() };
        ensure!(links(stage, shop, request).await?.len() == 1, "whose link is to be taken over has none");
        Ok(())
    })
    .await?;
    let mut asking = holder.double(scene, NUMBERS.1).await?;
    let dialog = asking.form(scene).await.context("who takes a link over")?;
    confirm(stage, &asking.person, &dialog).await?;
    let request = until(BACK_WITHIN, async || {
        let open = requests(stage, shop, &holder.customer).await?;
        open.into_iter().next().context("no request to take the link over").map(|(id, _)| id)
    })
    .await?;
    course.at_least(holder.timing.confirms).await;
    tap(stage, shop, &holder.person, &format!("{}{request}{}", YES.0, YES.1)).await?;
    Ok(Handover { holder, asking })
}

/// Whether the link went over once, and nobody was asked twice.
pub(super) async fn settled(stage: &Stage, shop: &Shop, Handover { holder, asking }: &Handover) -> anyhow::Result<()> {
    let (before, now) = (friend(stage, shop, &holder.person).await?, friend(stage, shop, &asking.person).await?);
    let of_customer = ListLinksRequest { customer_id: holder.customer.clone(), ..ListLinksRequest::default() };
    let mut links = links(stage, shop, of_customer).await?;
    links.sort_by_key(|link| link.end_time.is_none());
    let history: Vec<_> = links.iter().map(|link| (link.friend_id.as_str(), link.end_cause())).collect();
    let wanted = [(before.as_str(), LinkEndCause::Takeover), (now.as_str(), LinkEndCause::Unspecified)];
    ensure!(history == wanted, "links that are not one that ended and one that took over: {history:?}");
    let requests = requests(stage, shop, &holder.customer).await?;
    let states: Vec<_> = requests.iter().map(|(_, state)| *state).collect();
    ensure!(states == [TakeoverState::Confirmed], "requests to take the link over: {states:?}");
    nothing_waits(stage, shop, before).await?;
    nothing_waits(stage, shop, now).await?;
    let sent = sent_to(stage, shop, &holder.person).await?;
    let actions = sent.iter().flat_map(|sent| &sent.messages);
    let asked = actions.filter(|message| message.to_string().contains(YES.0)).count();
    ensure!(asked <= 1, "asked {asked} times whether the link may be taken over");
    Ok(())
}

async fn requests(stage: &Stage, shop: &Shop, customer: &str) -> anyhow::Result<Vec<(String, TakeoverState)>> {
    let mut takeovers = TakeoverServiceClient::new(shop.staff.connect(&stage.identity)?);
    let request = ListTakeoverRequestsRequest { customer_id: customer.to_owned(), ..Default::default() };
    let found = takeovers.list_takeover_requests(request).await?.into_inner().takeover_requests;
    Ok(found.into_iter().map(|request| (request.takeover_request_id.clone(), request.state())).collect())
}
