//! The steps of the story. Each does something on LINE's or the staff's side, waits for what must follow, and says what it
//! saw; anything else is an error.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use contracts::events::v1::FriendshipState;
use contracts::identity::v1::customer_service_client::CustomerServiceClient;
use contracts::identity::v1::friend_service_client::FriendServiceClient;
use contracts::identity::v1::{GetFriendRequest, ListCustomersRequest};
use contracts::messaging::v1::{
    GetConversationRequest, GetQuotaRequest, ListMessagesRequest, MessageState, SendMethod,
    quota_service_client::QuotaServiceClient,
};
use line_simulator::{Act, BooksQuery, Duplicate, Trouble};
use tonic::Code;

use crate::stage::{Person, Shop, Stage, until};

pub(super) const WITHIN: Duration = Duration::from_secs(20);

pub(super) async fn friend_add_creates_no_customer(
    stage: &Stage,
    shop: &Shop,
    person: &Person,
) -> anyhow::Result<String> {
    stage.line.add_friend(&shop.card.channel_id, &person.id).await?;
    friendship_becomes(stage, shop, person, FriendshipState::Friend).await?;
    let customers = customers(stage, shop).await?;
    ensure!(customers == 0, "{customers} customers were created");
    Ok("the friendship is FRIEND, and there are 0 customers".to_owned())
}

pub(super) async fn old_friend_just_writes(stage: &Stage, shop: &Shop) -> anyhow::Result<String> {
    let taro = shop.person(stage, "たろう").await?;
    let quietly = Act::AddFriend { quiet: true };
    stage.line.act(&shop.card.channel_id, &taro.id, quietly).await?;
    stage.line.write_text(&shop.card.channel_id, &taro.id, "明日の予約、時間を変えられますか").await?;
    let (conversation, _) = shop.sees(stage, "明日の予約、時間を変えられますか").await?;
    ensure!(conversation.unread_count == 1, "unread is {}", conversation.unread_count);
    friendship_becomes(stage, shop, &taro, FriendshipState::Seen).await?;
    let customers = customers(stage, shop).await?;
    ensure!(customers == 0, "{customers} customers were created");
    Ok("staff see the message, 1 unread; the friendship is SEEN, and there are 0 customers".to_owned())
}

pub(super) async fn staff_answers_by_reply_token(
    stage: &Stage,
    shop: &Shop,
    person: &Person,
) -> anyhow::Result<String> {
    stage.line.write_text(&shop.card.channel_id, &person.id, "営業時間を教えてください").await?;
    let (conversation, _) = shop.sees(stage, "営業時間を教えてください").await?;
    let queued = shop.answers(stage, &conversation.conversation_id, "10時から19時までです").await?;
    let sent = shop.reaches(stage, &queued.message_id, MessageState::Accepted).await?;
    ensure!(sent.send_method() == SendMethod::Reply, "it went by {:?}", sent.send_method());
    let by = sent.sender.unwrap_or_default().staff_display_name;
    ensure!(!by.is_empty(), "nobody is named as the sender");
    Ok(format!("accepted by LINE as a reply, sent by {by}"))
}

pub(super) async fn late_answer_goes_by_push(
    stage: &Stage,
    shop: &Shop,
    person: &Person,
    wait: Duration,
) -> anyhow::Result<String> {
    stage.line.write_text(&shop.card.channel_id, &person.id, "駐車場はありますか").await?;
    let (conversation, _) = shop.sees(stage, "駐車場はありますか").await?;
    stage.turn(chrono::TimeDelta::from_std(wait)?).await?;
    // The services read LINE's turned clock; once theirs has passed the token's time, no reply is likely any more.
    let mut conversations = shop.conversations(stage)?;
    let request = GetConversationRequest { conversation_id: conversation.conversation_id.clone() };
    until(WITHIN, async || {
        let now = conversations.get_conversation(request.clone()).await.map_err(|status| status.to_string())?;
        match now.into_inner().conversation.unwrap_or_default().reply_until_time {
            None => Ok(()),
            Some(_) => Err("a reply still seems possible".to_owned()),
        }
    })
    .await?;
    let queued = shop.answers(stage, &conversation.conversation_id, "建物の裏に3台分あります").await?;
    let sent = shop.reaches(stage, &queued.message_id, MessageState::Accepted).await?;
    ensure!(sent.send_method() == SendMethod::Push, "it went by {:?}", sent.send_method());
    let quota = QuotaServiceClient::new(shop.staff.connect(&stage.messaging)?)
        .get_quota(GetQuotaRequest { account_id: shop.account.to_string() })
        .await?
        .into_inner();
    ensure!(quota.sent_by_push == 1, "{} pushes are counted", quota.sent_by_push);
    Ok(format!("accepted by LINE as a push; this month {} by push, {} free", quota.sent_by_push, quota.sent_by_reply))
}

pub(super) async fn repeated_webhook_changes_nothing(
    stage: &Stage,
    shop: &Shop,
    person: &Person,
) -> anyhow::Result<String> {
    let account = &shop.card.channel_id;
    stage.line.set_delivery(account, &Trouble { duplicate: 1.0, ..Trouble::default() }).await?;
    let done = stage.line.write_text(account, &person.id, "ありがとうございます").await?;
    let (conversation, _) = shop.sees(stage, "ありがとうございます").await?;
    let event = done.webhook_event_id.context("writing caused no webhook")?;
    let attempts = until(WITHIN, async || {
        let books = stage.line.webhooks(&BooksQuery { account: Some(account.clone()), ..Default::default() }).await;
        let books = books.map_err(|problem| problem.to_string())?;
        let webhook = books.into_iter().find(|webhook| webhook.webhook_event_id == event);
        match webhook.map(|webhook| webhook.attempts.iter().filter(|attempt| attempt.status == Some(200)).count()) {
            Some(answered) if answered >= 2 => Ok(answered),
            answered => Err(format!("{answered:?} deliveries were answered with 200")),
        }
    })
    .await?;
    stage.line.set_delivery(account, &Trouble::default()).await?;
    let request = ListMessagesRequest { conversation_id: conversation.conversation_id, ..Default::default() };
    let messages = shop.conversations(stage)?.list_messages(request).await?.into_inner().messages;
    let shown = messages.iter().filter(|message| crate::stage::says(message, "ありがとうございます")).count();
    ensure!(shown == 1, "the message is shown {shown} times");
    Ok(format!("{attempts} deliveries answered with 200, the message is there once"))
}

pub(super) async fn wrong_signature_is_refused(stage: &Stage, shop: &Shop) -> anyhow::Result<String> {
    let forged = format!(r#"{{"destination":"{}","events":[]}}"#, shop.card.bot_user_id.as_str());
    let answer = reqwest::Client::new()
        .post(stage.webhook_url(&shop.webhook_key))
        .header("x-line-signature", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
        .body(forged)
        .send()
        .await?;
    ensure!(answer.status().as_u16() == 401, "the answer was {}", answer.status());
    Ok("401".to_owned())
}

pub(super) async fn unsent_message_is_erased(stage: &Stage, shop: &Shop, person: &Person) -> anyhow::Result<String> {
    let account = &shop.card.channel_id;
    let done = stage.line.write_text(account, &person.id, "間違えました").await?;
    let (conversation, message) = shop.sees(stage, "間違えました").await?;
    let message_id = done.message_id.context("writing made no message")?;
    stage.line.act(account, &person.id, Act::Unsend { message_id }).await?;
    let erased = shop.reaches(stage, &message.message_id, MessageState::Unsent).await?;
    ensure!(erased.content.is_none(), "the content is still there");
    let request = ListMessagesRequest { conversation_id: conversation.conversation_id, ..Default::default() };
    let messages = shop.conversations(stage)?.list_messages(request).await?.into_inner().messages;
    ensure!(!messages.iter().any(|message| crate::stage::says(message, "間違えました")), "the text is still listed");
    Ok("the message stands as UNSENT, without its text".to_owned())
}

pub(super) async fn other_tenant_sees_nothing(stage: &Stage, shop: &Shop, other: &Shop) -> anyhow::Result<String> {
    let (conversation, _) = shop.sees(stage, "ありがとうございます").await?;
    let request = GetConversationRequest { conversation_id: conversation.conversation_id };
    match other.conversations(stage)?.get_conversation(request).await {
        Err(status) if status.code() == Code::NotFound => Ok("NOT_FOUND".to_owned()),
        Err(status) => anyhow::bail!("the answer was {status}"),
        Ok(_) => anyhow::bail!("the conversation was shown"),
    }
}

pub(super) async fn block_is_noticed(stage: &Stage, shop: &Shop, person: &Person) -> anyhow::Result<String> {
    let (conversation, _) = shop.sees(stage, "ありがとうございます").await?;
    stage.line.block(&shop.card.channel_id, &person.id).await?;
    friendship_becomes(stage, shop, person, FriendshipState::Blocked).await?;
    let mut conversations = shop.conversations(stage)?;
    let request = GetConversationRequest { conversation_id: conversation.conversation_id };
    let reason = until(WITHIN, async || {
        let now = conversations.get_conversation(request.clone()).await.map_err(|status| status.to_string())?;
        let now = now.into_inner().conversation.unwrap_or_default();
        if now.can_send { Err("staff may still write".to_owned()) } else { Ok(now.cannot_send_reason) }
    })
    .await?;
    ensure!(reason == "FRIEND_BLOCKED", "the reason is {reason}");
    Ok("the friendship is BLOCKED; writing is refused with FRIEND_BLOCKED".to_owned())
}

pub(super) async fn books_are_clean(stage: &Stage) -> anyhow::Result<String> {
    let sent = stage.line.sent(&BooksQuery::default()).await?;
    // Who does the same again is answered the same again: each by the reply token of what was done.
    let answers = |duplicate: &Duplicate| {
        let of = duplicate.request_ids.iter().filter_map(|id| sent.iter().find(|sent| sent.request_id == *id));
        let tokens: BTreeSet<&str> = of.filter_map(|sent| sent.reply_token.as_deref()).collect();
        tokens.len() == duplicate.request_ids.len()
    };
    let duplicates = stage.line.duplicates().await?.into_iter().filter(|duplicate| !answers(duplicate)).count();
    ensure!(duplicates == 0, "{duplicates} messages were shown twice");
    let counts = stage.line.counts().await?;
    Ok(format!(
        "{} webhook events, all {} acknowledged; {} messages delivered, 0 twice",
        counts.webhooks, counts.webhooks_acknowledged, counts.delivered_messages
    ))
}

async fn friendship_becomes(stage: &Stage, shop: &Shop, person: &Person, state: FriendshipState) -> anyhow::Result<()> {
    let mut friends = FriendServiceClient::new(shop.program.connect(&stage.identity)?);
    let request = GetFriendRequest {
        account_id: shop.account.to_string(),
        line_user_id: person.user_id.as_str().to_owned(),
        ..Default::default()
    };
    until(WITHIN, async || {
        let friend = friends.get_friend(request.clone()).await.map_err(|status| status.to_string())?;
        let now = friend.into_inner().friend.unwrap_or_default().state();
        if now == state { Ok(()) } else { Err(format!("the friendship is {}", now.as_str_name())) }
    })
    .await
}

async fn customers(stage: &Stage, shop: &Shop) -> anyhow::Result<usize> {
    let mut customers = CustomerServiceClient::new(shop.program.connect(&stage.identity)?);
    Ok(customers.list_customers(ListCustomersRequest::default()).await?.into_inner().customers.len())
}
