//! Steps in which customers ask to be linked: what matches is linked, what does not is told and links nobody.

use anyhow::{Context as _, ensure};
use contracts::events::v1::InquiryState;
use contracts::identity::v1::duplicate_service_client::DuplicateServiceClient;
use contracts::identity::v1::merge_service_client::MergeServiceClient;
use contracts::identity::v1::{
    Customer, LineTab, LinkAttempt, LinkOutcome, LinkReason, ListDuplicateSuspicionsRequest, ListMergesRequest,
    OnFirstMessage,
};
use contracts::messaging::v1::message_content::Kind as Content;
use contracts::messaging::v1::{Conversation, InquiryContent, ListConversationsRequest, ListMessagesRequest};
use line_simulator::Method;

use super::steps::WITHIN;
use crate::stage::{Person, Shop, Stage, texts, until};

/// 「お問い合わせ」 of the rich menu.
pub(super) const INQUIRY: &str = "tsunagi:inquiry";
/// 「予約を確認する」 of the rich menu.
pub(super) const RESERVATIONS: &str = "tsunagi:reservations";

pub(super) async fn first_message_is_asked_to_link(stage: &Stage, shop: &Shop) -> anyhow::Result<String> {
    shop.on_first_message(stage, OnFirstMessage::AskToLink).await?;
    let person = shop.person(stage, "さくらんぼ").await?;
    stage.line.add_friend(&shop.card.channel_id, &person.id).await?;
    stage.line.write_text(&shop.card.channel_id, &person.id, "はじめまして").await?;
    let card = shop.answers_person(stage, &person, 0).await?;
    shop.opens(stage, &person, &card).await?;
    stage.line.write_text(&shop.card.channel_id, &person.id, "よろしくお願いします").await?;
    shop.sees(stage, "はじめまして").await?;
    shop.sees(stage, "よろしくお願いします").await?;
    // Whatever a tap is answered with comes behind what the second message would have been.
    let tapped = shop.taps(stage, &person, "tsunagi:unlink").await?;
    let asks = tapped.messages.first().is_some_and(|message| message["template"]["type"] == "confirm");
    let sent = shop.sent_to(stage, &person).await?.len();
    ensure!(sent == 2 && asks, "{sent} answers came, of which the second says {:?}", texts(&tapped));
    shop.on_first_message(stage, OnFirstMessage::Ignore).await?;
    Ok("staff see both messages; the first one brought the card, the second nothing".to_owned())
}

pub(super) async fn inquiry_links(
    stage: &Stage,
    shop: &Shop,
    person: &Person,
    customer_id: &str,
) -> anyhow::Result<String> {
    let record = shop.record(stage, customer_id).await?;
    let before = record.line.unwrap_or_default();
    ensure!(!before.linked && before.line_name == "未連携" && before.tab() == LineTab::NotLinked, "before: {before:?}");
    let typed = [("family", "山田"), ("given", "由美"), ("text", "土曜日の午後は空いていますか")];
    let attempt = shop.asks_to_be_linked(stage, person, INQUIRY, &typed).await?;
    is_decided(&attempt, LinkOutcome::Linked, LinkReason::None)?;
    let card = shop.sent_to(stage, person).await?.into_iter().next().context("no card was sent")?;
    ensure!(card.method == Method::Reply, "the card went by {:?}", card.method);
    let line_name = linked_record(stage, shop, customer_id, person).await?.line.unwrap_or_default().line_name;
    let (conversation, inquiry) = inquiry_from(stage, shop, typed[2].1, InquiryState::Confirmed).await?;
    let theirs = conversations_of(stage, shop, customer_id).await?;
    ensure!(theirs == [conversation.conversation_id], "the customer's conversations are {theirs:?}");
    Ok(format!(
        "the card came free, by reply; LINKED with {line_name}, the tab is open; 「{}」 is CONFIRMED",
        inquiry.text
    ))
}

pub(super) async fn two_of_one_name_are_held(stage: &Stage, shop: &Shop, person: &Person) -> anyhow::Result<String> {
    let both = [
        shop.customer(stage, ("鈴木", "太郎"), "09011112222").await?,
        shop.customer(stage, ("鈴木", "太郎"), "08033334444").await?,
    ];
    let typed = [("family", "鈴木"), ("given", "太郎"), ("text", "駐車場はありますか?")];
    let attempt = shop.asks_to_be_linked(stage, person, INQUIRY, &typed).await?;
    is_decided(&attempt, LinkOutcome::Held, LinkReason::AmbiguousName)?;
    for customer in &both {
        ensure!(!shop.record(stage, customer).await?.line.unwrap_or_default().linked, "one of them was linked");
    }
    let (conversation, _) = inquiry_from(stage, shop, typed[2].1, InquiryState::Confirmed).await?;
    ensure!(conversation.customer_id.is_empty(), "the conversation shows a customer");
    told_in_japanese(&attempt)
}

pub(super) async fn second_try_absorbs(stage: &Stage, shop: &Shop, person: &Person) -> anyhow::Result<String> {
    let kept = shop.customer(stage, ("高橋", "健"), "090-5555-6666").await?;
    let wrong = [("family", "高橋"), ("given", "健"), ("mobile", "090-5555-6667")];
    let first = shop.asks_to_be_linked(stage, person, RESERVATIONS, &wrong).await?;
    is_decided(&first, LinkOutcome::CreatedNew, LinkReason::PhoneMismatch)?;
    let provisional = shop.record(stage, &first.customer_id).await?;
    ensure!(provisional.provisional && first.customer_id != kept, "it is no provisional customer of its own");
    let suspicions = ListDuplicateSuspicionsRequest { customer_id: kept.clone(), ..Default::default() };
    let mut duplicates = DuplicateServiceClient::new(shop.staff.connect(&stage.identity)?);
    let suspected = duplicates.list_duplicate_suspicions(suspicions).await?.into_inner().duplicate_suspicions.len();
    ensure!(suspected == 1, "{suspected} pairs are shown as one person");

    let right = [("family", "高橋"), ("given", "健"), ("mobile", "090-5555-6666")];
    let second = shop.asks_to_be_linked(stage, person, RESERVATIONS, &right).await?;
    is_decided(&second, LinkOutcome::Linked, LinkReason::None)?;
    linked_record(stage, shop, &kept, person).await?;
    let absorbed = shop.record(stage, &first.customer_id).await?;
    ensure!(absorbed.merged_into == kept, "the provisional customer stands on its own");
    let mut merges = MergeServiceClient::new(shop.staff.connect(&stage.identity)?);
    let request = ListMergesRequest { customer_id: kept, ..Default::default() };
    let recorded = merges.list_merges(request).await?.into_inner().merges.len();
    ensure!(recorded == 1, "{recorded} merges are recorded");
    Ok("CREATED_NEW with PHONE_MISMATCH, suspected as one person twice; then LINKED, and the two are one record"
        .to_owned())
}

/// The decision in words, as staff read it.
pub(super) fn told_in_japanese(attempt: &LinkAttempt) -> anyhow::Result<String> {
    let told = attempt.explanation.clone().context("nothing explains it")?.ja;
    ensure!(!told.is_empty(), "nothing explains it in Japanese");
    Ok(told)
}

pub(super) fn is_decided(attempt: &LinkAttempt, outcome: LinkOutcome, reason: LinkReason) -> anyhow::Result<()> {
    let (was, why) = (attempt.outcome(), attempt.reason());
    ensure!(was == outcome && why == reason, "it was {} with {}", was.as_str_name(), why.as_str_name());
    Ok(())
}

/// The customer's record, once it shows `person` by name with LINE mark and open tab.
pub(super) async fn linked_record(
    stage: &Stage,
    shop: &Shop,
    customer_id: &str,
    person: &Person,
) -> anyhow::Result<Customer> {
    // The name comes with the profile, which LINE is asked for when somebody is first seen.
    until(WITHIN, async || {
        let record = shop.record(stage, customer_id).await.map_err(|problem| problem.to_string())?;
        let line = record.line.clone().unwrap_or_default();
        let shown = line.linked && line.line_name == person.display_name && line.tab() == LineTab::Open;
        if shown { Ok(record) } else { Err(format!("linked: {}, tab: {}", line.linked, line.tab().as_str_name())) }
    })
    .await
}

/// The inquiry of this text, once it stands in a conversation in that state.
pub(super) async fn inquiry_from(
    stage: &Stage,
    shop: &Shop,
    text: &str,
    state: InquiryState,
) -> anyhow::Result<(Conversation, InquiryContent)> {
    let mut conversations = shop.conversations(stage)?;
    until(WITHIN, async || {
        let told = |status: tonic::Status| status.to_string();
        let listed = conversations.list_conversations(ListConversationsRequest::default()).await.map_err(told)?;
        for conversation in listed.into_inner().conversations {
            let conversation_id = conversation.conversation_id.clone();
            let request = ListMessagesRequest { conversation_id, ..Default::default() };
            for message in conversations.list_messages(request).await.map_err(told)?.into_inner().messages {
                match message.content.and_then(|content| content.kind) {
                    Some(Content::Inquiry(inquiry)) if inquiry.text == text && inquiry.state() == state => {
                        return Ok((conversation, inquiry));
                    }
                    _ => {}
                }
            }
        }
        Err(format!("no conversation shows the inquiry as {}", state.as_str_name()))
    })
    .await
}

/// The conversations a customer's LINE tab shows, once there are some.
async fn conversations_of(stage: &Stage, shop: &Shop, customer_id: &str) -> anyhow::Result<Vec<String>> {
    let mut conversations = shop.conversations(stage)?;
    let request = ListConversationsRequest { customer_id: customer_id.to_owned(), ..Default::default() };
    until(WITHIN, async || {
        let listed = conversations.list_conversations(request.clone()).await.map_err(|status| status.to_string())?;
        let ids: Vec<String> =
            listed.into_inner().conversations.into_iter().map(|conversation| conversation.conversation_id).collect();
        if ids.is_empty() { Err("the customer has no conversation".to_owned()) } else { Ok(ids) }
    })
    .await
}
