//! Whether everybody who linked in a run is linked to their own record and to nothing else, and was told so once.

use std::collections::BTreeSet;

use anyhow::ensure;
use contracts::identity::v1::friend_service_client::FriendServiceClient;
use contracts::identity::v1::link_attempt_service_client::LinkAttemptServiceClient;
use contracts::identity::v1::link_service_client::LinkServiceClient;
use contracts::identity::v1::{
    GetFriendRequest, GetLinkFiguresRequest, Link, LinkAttemptState, ListLinkAttemptsRequest, ListLinksRequest,
};
use contracts::messaging::v1::message_content::Kind as Content;
use contracts::messaging::v1::{ListConversationsRequest, ListMessagesRequest, MessageContent};
use tsunagi::stage::{Person, Shop, Stage};

use super::handover::{self, Handover};
use super::linking::{Linker, Way, addresses, said, sent_to};

const PAGE: i32 = 200;
/// What a card, the answer to LINE's word, and the answer to an unlinking begin with.
const RECEIVED: &str = "受け付けました。";
const UNLINKED: &str = "連携は解除されています。";

/// How many customers are linked.
pub(super) async fn count(stage: &Stage, shop: &Shop) -> anyhow::Result<i64> {
    let mut links = LinkServiceClient::new(shop.staff.connect(&stage.identity)?);
    let figures = links.get_link_figures(GetLinkFiguresRequest::default()).await?.into_inner();
    ensure!(
        figures.linked_customers == figures.linked_friends,
        "{} customers are linked to {} friends",
        figures.linked_customers,
        figures.linked_friends
    );
    Ok(figures.linked_customers)
}

/// How many people of a run are linked, each to the record that is theirs; `before` others were linked before the run.
pub(super) async fn settled(
    stage: &Stage,
    shop: &Shop,
    linkers: &[Linker],
    handover: &Handover,
    before: i64,
) -> anyhow::Result<usize> {
    for linker in linkers {
        one(stage, shop, linker).await.map_err(|problem| {
            let Linker { way, person, taps, .. } = linker;
            let when = linker.timing;
            problem.context(format!("{}, who {way:?} after {taps} taps, {when:?}", person.display_name))
        })?;
    }
    handover::settled(stage, shop, handover).await?;
    let linked = linkers.iter().filter(|linker| linker.way == Way::Links).count() + 1;
    let all = count(stage, shop).await?;
    ensure!(
        all == before + i64::try_from(linked)?,
        "{all} customers are linked: {before} before, and {linked} of the run"
    );
    Ok(linked)
}

async fn one(stage: &Stage, shop: &Shop, linker: &Linker) -> anyhow::Result<()> {
    let friend = friend(stage, shop, &linker.person).await?;
    let of_customer = ListLinksRequest { customer_id: linker.customer.clone(), ..ListLinksRequest::default() };
    let of_friend = ListLinksRequest { friend_id: friend.clone(), ..ListLinksRequest::default() };
    let links = links(stage, shop, of_customer).await?;
    ensure!(links == self::links(stage, shop, of_friend).await?, "customer and LINE user know of other links");
    let active = links.iter().filter(|link| link.end_time.is_none()).count();
    let wanted = match linker.way {
        Way::Links => (1, 1),
        Way::Unlinks => (1, 0),
        Way::Forwards => (0, 0),
    };
    ensure!((links.len(), active) == wanted, "{} links, {active} active; {wanted:?} wanted", links.len());
    ensure!(links.iter().all(|link| link.friend_id == friend), "the link is somebody else's");
    if let Some(stranger) = &linker.stranger {
        let friend_id = self::friend(stage, shop, stranger).await?;
        let theirs = self::links(stage, shop, ListLinksRequest { friend_id, ..ListLinksRequest::default() }).await?;
        ensure!(theirs.is_empty(), "whom the dialog was sent to has {} links", theirs.len());
    }
    nothing_waits(stage, shop, friend).await?;
    told(stage, shop, linker).await?;
    shown(stage, shop, linker, active).await
}

pub(super) async fn friend(stage: &Stage, shop: &Shop, person: &Person) -> anyhow::Result<String> {
    let request = GetFriendRequest {
        account_id: shop.account.to_string(),
        line_user_id: person.user_id.as_str().to_owned(),
        ..GetFriendRequest::default()
    };
    let mut friends = FriendServiceClient::new(shop.staff.connect(&stage.identity)?);
    Ok(friends.get_friend(request).await?.into_inner().friend.unwrap_or_default().friend_id)
}

pub(super) async fn links(stage: &Stage, shop: &Shop, request: ListLinksRequest) -> anyhow::Result<Vec<Link>> {
    let mut links = LinkServiceClient::new(shop.staff.connect(&stage.identity)?);
    Ok(links.list_links(ListLinksRequest { page_size: PAGE, ..request }).await?.into_inner().links)
}

/// Every attempt is decided: those LINE said nothing of, by the sweep.
pub(super) async fn nothing_waits(stage: &Stage, shop: &Shop, friend_id: String) -> anyhow::Result<()> {
    let mut attempts = LinkAttemptServiceClient::new(shop.staff.connect(&stage.identity)?);
    let request = ListLinkAttemptsRequest { page_size: PAGE, friend_id, ..ListLinkAttemptsRequest::default() };
    let attempts = attempts.list_link_attempts(request).await?.into_inner().link_attempts;
    let waiting = attempts.iter().filter(|attempt| attempt.state() == LinkAttemptState::Pending).count();
    ensure!(!attempts.is_empty() && waiting == 0, "{waiting} of {} attempts wait", attempts.len());
    Ok(())
}

/// LINE's books hold each card and each answer at most once for what was done.
async fn told(stage: &Stage, shop: &Shop, linker: &Linker) -> anyhow::Result<()> {
    let sent = sent_to(stage, shop, &linker.person).await?;
    let cards: Vec<&str> = sent.iter().flat_map(addresses).collect();
    let distinct: BTreeSet<&str> = cards.iter().copied().collect();
    ensure!(cards.len() == distinct.len() && cards.len() <= linker.taps, "{} taps, {} cards", linker.taps, cards.len());
    let times = |beginning: &str| {
        let messages = sent.iter().flat_map(|sent| &sent.messages);
        messages.filter(|message| said(message).starts_with(beginning)).count()
    };
    let most = match linker.way {
        Way::Links => (1, 0),
        Way::Unlinks => (1, 1),
        Way::Forwards => (0, 0),
    };
    let (received, unlinked) = (times(RECEIVED), times(UNLINKED));
    ensure!(
        received <= most.0 && unlinked <= most.1,
        "told {received} times that it came, {unlinked} times that it ended"
    );
    Ok(())
}

/// Staff see the conversation beside the customer while they are linked, and each inquiry at most once, the confirmed one for sure.
async fn shown(stage: &Stage, shop: &Shop, linker: &Linker, linked: usize) -> anyhow::Result<()> {
    let mut conversations = shop.conversations(stage)?;
    let request =
        ListConversationsRequest { customer_id: linker.customer.clone(), ..ListConversationsRequest::default() };
    let found = conversations.list_conversations(request).await?.into_inner().conversations;
    ensure!(found.len() == linked, "{} conversations beside the customer, {linked} wanted", found.len());
    for conversation in found {
        let request = ListMessagesRequest {
            conversation_id: conversation.conversation_id,
            page_size: PAGE,
            ..ListMessagesRequest::default()
        };
        let messages = conversations.list_messages(request).await?.into_inner().messages;
        let times = |text: &str| {
            let asked = messages.iter().filter(|message| match &message.content {
                Some(MessageContent { kind: Some(Content::Inquiry(inquiry)) }) => inquiry.text == text,
                _ => false,
            });
            asked.count()
        };
        for (place, text) in linker.texts.iter().rev().enumerate() {
            let times = times(text);
            ensure!(times == 1 || (place > 0 && times == 0), "an inquiry is there {times} times");
        }
    }
    Ok(())
}
