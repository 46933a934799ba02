//! Steps in which links change hands, are kept from the wrong ones, and end.

use anyhow::{Context as _, ensure};
use contracts::events::v1::InquiryState;
use contracts::identity::v1::link_service_client::LinkServiceClient;
use contracts::identity::v1::takeover_service_client::TakeoverServiceClient;
use contracts::identity::v1::{
    ApproveTakeoverRequestRequest, LineTab, Link, LinkEndCause, LinkOutcome, LinkReason, ListLinksRequest,
    TakeoverState,
};

use super::linking::{INQUIRY, RESERVATIONS, inquiry_from, is_decided, linked_record, told_in_japanese};
use super::steps::WITHIN;
use crate::stage::{Person, Shop, Stage, until};

pub(super) async fn second_account_takes_over(
    stage: &Stage,
    shop: &Shop,
    (old, new): (&Person, &Person),
    customer_id: &str,
) -> anyhow::Result<String> {
    let typed = [("family", "山田"), ("given", "由美"), ("mobile", "090-1234-5678")];
    let attempt = shop.asks_to_be_linked(stage, new, RESERVATIONS, &typed).await?;
    is_decided(&attempt, LinkOutcome::Refused, LinkReason::CustomerHasOtherLineUser)?;
    let why = told_in_japanese(&attempt)?;
    linked_record(stage, shop, customer_id, old).await?;

    let mut takeovers = TakeoverServiceClient::new(shop.staff.connect(&stage.identity)?);
    let approval = ApproveTakeoverRequestRequest {
        takeover_request_id: attempt.takeover_request_id,
        note: "ご来店時にご本人を確認".to_owned(),
        etag: String::new(),
    };
    let approved =
        takeovers.approve_takeover_request(approval).await?.into_inner().takeover_request.unwrap_or_default();
    ensure!(approved.state() == TakeoverState::Approved, "the request is {}", approved.state().as_str_name());
    ensure!(!approved.staff_id.is_empty(), "nobody is named as the one who approved");
    linked_record(stage, shop, customer_id, new).await?;
    let former = links_of(stage, shop, customer_id).await?.into_iter().find(|link| link.end_time.is_some());
    let cause = former.context("the old link is not kept")?.end_cause();
    ensure!(cause == LinkEndCause::Takeover, "the old link ended by {}", cause.as_str_name());
    Ok(format!("{why} 承認後: {}さんと連携、以前の連携は履歴に残る", new.display_name))
}

pub(super) async fn forwarded_form_links_nobody(
    stage: &Stage,
    shop: &Shop,
    owner: &Person,
    other: &Person,
) -> anyhow::Result<String> {
    let customer = shop.customer(stage, ("中村", "真理"), "09077778888").await?;
    let typed = [("family", "中村"), ("given", "真理"), ("text", "予約の変更をお願いします")];
    let submitted = shop.submits(stage, owner, INQUIRY, &typed).await?;
    let attempt = shop.confirms(stage, other, &submitted).await?;
    is_decided(&attempt, LinkOutcome::Refused, LinkReason::NotConfirmedByLine)?;
    ensure!(!shop.record(stage, &customer).await?.line.unwrap_or_default().linked, "the customer was linked");
    for person in [owner, other] {
        let links = links_of_friend(stage, shop, person).await?.len();
        ensure!(links == 0, "{} has {links} links", person.display_name);
    }
    inquiry_from(stage, shop, typed[2].1, InquiryState::Refuted).await?;
    told_in_japanese(&attempt)
}

pub(super) async fn unlinked_by_the_line_user(
    stage: &Stage,
    shop: &Shop,
    person: &Person,
    customer_id: &str,
) -> anyhow::Result<String> {
    shop.taps(stage, person, "tsunagi:unlink").await?;
    linked_record(stage, shop, customer_id, person).await?;
    shop.taps(stage, person, "tsunagi:unlink:yes").await?;
    let line = until(WITHIN, async || {
        let record = shop.record(stage, customer_id).await.map_err(|problem| problem.to_string())?;
        let line = record.line.unwrap_or_default();
        if line.linked { Err("the customer is still linked".to_owned()) } else { Ok(line) }
    })
    .await?;
    ensure!(line.tab() == LineTab::NotLinked, "the tab is {}", line.tab().as_str_name());
    let links = links_of(stage, shop, customer_id).await?;
    let last = links.first().context("the link is not kept")?.end_cause();
    ensure!(last == LinkEndCause::LineUser, "the link ended by {}", last.as_str_name());
    Ok(format!("the record shows 「{}」; {} links are kept as history", line.line_name, links.len()))
}

/// A customer's links, latest first.
async fn links_of(stage: &Stage, shop: &Shop, customer_id: &str) -> anyhow::Result<Vec<Link>> {
    let request = ListLinksRequest { customer_id: customer_id.to_owned(), ..Default::default() };
    links(stage, shop, request).await
}

/// A person's links, latest first.
async fn links_of_friend(stage: &Stage, shop: &Shop, person: &Person) -> anyhow::Result<Vec<Link>> {
    let friend_id = shop.friend_id(stage, person).await?;
    links(stage, shop, ListLinksRequest { friend_id, ..Default::default() }).await
}

async fn links(stage: &Stage, shop: &Shop, request: ListLinksRequest) -> anyhow::Result<Vec<Link>> {
    let mut links = LinkServiceClient::new(shop.staff.connect(&stage.identity)?);
    Ok(links.list_links(request).await?.into_inner().links)
}
