//! Whether a run was sound: every message of a friend is there once, every answer reached its end and LINE's books hold it
//! as often as that end says, whoever came or went is known to have, whoever linked is linked, every timer, every slot and every reply that
//! waited for its time came once, customers were reminded of what stands, and staff were told once of what they must hear.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::events::v1::FriendshipState;
use contracts::identity::v1::GetFriendRequest;
use contracts::identity::v1::friend_service_client::FriendServiceClient;
use contracts::messaging::v1::message_content::Kind as Content;
use contracts::messaging::v1::{
    ContentState, GetMessageRequest, ListMessagesRequest, Message, MessageContent, MessageState,
};
use contracts::operations::v1::ListDeadLettersRequest;
use contracts::operations::v1::dead_letter_service_client::DeadLetterServiceClient;
use line_simulator::BooksQuery;
use serde::Serialize;
use sqlx::{Connection as _, PgConnection};
use tsunagi::stage::{Stage, until};

use super::load::{Load, Sent};
use super::notices::{self, Before};
use super::{invariants, links, reminders, scheduled, timer_verdict};
use crate::platform::Platform;

/// How long the platform may take to catch up after the fault is mended.
const SETTLED_WITHIN: Duration = Duration::from_secs(90);
const PAGE: i32 = 200;

/// What a sound run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Messages of friends, each there once.
    pub received: usize,
    /// Files of friends, each there once with its content.
    pub files: usize,
    /// Answers LINE accepted, each in its books once.
    pub accepted: usize,
    /// Answers nobody can know of, each in LINE's books at most once.
    pub uncertain: usize,
    /// People linked to the record that is theirs.
    pub linked: usize,
    /// Replies that were written for a time and that LINE accepted, each in its books once.
    pub kept: usize,
    /// Slots of digests of all runs so far, each said once and told once to everybody for whom something waits.
    pub slots: usize,
    /// Reminders in LINE's books, each of a reservation that stood.
    pub reminded: usize,
    /// Notices to staff, each in LINE's books once.
    pub notices: usize,
    /// Timers, each said once, or recorded, or cancelled.
    pub timers: usize,
}

/// What there was when a run began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    /// Customers who were linked.
    pub(super) linked: i64,
    /// Where books and tables stood.
    pub(super) before: Before,
}

impl Begun {
    /// What there is now.
    pub(super) async fn now(stage: &Stage, load: &Load) -> anyhow::Result<Self> {
        Ok(Self { linked: links::count(stage, &load.shop).await?, before: notices::stand(stage, &load.tables).await? })
    }
}

/// Waits until everything of the run is where it belongs.
pub(super) async fn settled(platform: &Platform, load: &Load, sent: &Sent, begun: Begun) -> anyhow::Result<Counts> {
    let (stage, admin) = (platform.stage(), platform.admin_url());
    // With its causes: of whom something is wrong says nothing without what.
    let looked = async || look(&stage, &admin, load, sent, begun).await.map_err(|problem| format!("{problem:#}"));
    until(SETTLED_WITHIN, looked).await
}

/// Whether everything of the run is where it belongs now.
pub(super) async fn look(
    stage: &Stage,
    admin_url: &str,
    load: &Load,
    sent: &Sent,
    begun: Begun,
) -> anyhow::Result<Counts> {
    let (received, files) = received(stage, load, sent).await?;
    let (account, after) = (Some(load.shop.card.channel_id.clone()), Some(begun.before.entry));
    let query = BooksQuery { account, after, ..Default::default() };
    let books = stage.line.sent(&query).await?;
    let (accepted, uncertain) = answered(stage, load, sent, &books).await?;
    let kept = scheduled::settled(stage, &load.shop, (&sent.kept, sent.turned), &books).await?;
    came_and_went(stage, load, sent).await?;
    no_dead_letters(stage, load).await?;
    let linked = links::settled(stage, &load.shop, &sent.linkers, &sent.handover, begun.linked).await?;
    let mut admin = PgConnection::connect(admin_url).await?;
    let run = (sent.timers.as_slice(), sent.seed, sent.turned);
    let timers = timer_verdict::settled(stage, &load.shop, &mut admin, run).await?;
    let reminded = reminders::settled(stage, &load.shop, (&sent.booked, sent.turned), &books).await?;
    let heard = load.staff.heard(stage, begun.before.entry).await?;
    let notices = notices::settled(&load.tables, &load.staff, begun.before, &sent.came, &heard).await?;
    let slots = load.slots.settled(&load.shop, &load.tables, &load.staff, &sent.slots, &heard).await?;
    invariants::hold(&mut admin).await?;
    Ok(Counts { received, files, accepted, uncertain, linked, kept, slots, reminded, notices, timers })
}

async fn received(stage: &Stage, load: &Load, sent: &Sent) -> anyhow::Result<(usize, usize)> {
    let mut conversations = load.shop.conversations(stage)?;
    let (mut shown, mut stored): (BTreeMap<String, usize>, BTreeMap<String, usize>) = Default::default();
    let mut ids: Vec<&String> = sent.written.iter().map(|(_, conversation)| conversation).collect();
    ids.sort();
    ids.dedup();
    for id in ids {
        let request = ListMessagesRequest { conversation_id: id.clone(), page_size: PAGE, ..Default::default() };
        for message in conversations.list_messages(request).await?.into_inner().messages {
            if let Some(text) = text(&message) {
                *shown.entry(text.to_owned()).or_default() += 1;
            }
            if let Some(MessageContent { kind: Some(Content::Media(media)) }) = &message.content
                && media.content_state() == ContentState::Stored
            {
                *stored.entry(media.file_name.clone()).or_default() += 1;
            }
        }
    }
    for (text, _) in &sent.written {
        let times = shown.get(text).copied().unwrap_or_default();
        if times != 1 {
            anyhow::bail!(
                "{text} is there {times} times; LINE delivered it: {:?}",
                deliveries(stage, load, text).await?
            );
        }
    }
    for (name, _) in &sent.files {
        let times = stored.get(name).copied().unwrap_or_default();
        anyhow::ensure!(times == 1, "{name} is there with its content {times} times");
    }
    Ok((sent.written.len(), sent.files.len()))
}

/// How LINE's deliveries of a text ended: the status of each, and LINE's word for it.
async fn deliveries(stage: &Stage, load: &Load, text: &str) -> anyhow::Result<Vec<(Option<u16>, String)>> {
    let query = BooksQuery { account: Some(load.shop.card.channel_id.clone()), ..Default::default() };
    let all = stage.line.webhooks(&query).await?;
    let of = all.into_iter().filter(|webhook| webhook.event["message"]["text"] == text);
    Ok(of.flat_map(|webhook| webhook.attempts).map(|attempt| (attempt.status, attempt.reason)).collect())
}

async fn answered(
    stage: &Stage,
    load: &Load,
    sent: &Sent,
    books: &[line_simulator::Sent],
) -> anyhow::Result<(usize, usize)> {
    let mut delivered: BTreeMap<String, usize> = BTreeMap::new();
    for entry in books {
        for text in entry.messages.iter().filter_map(|message| message["text"].as_str()) {
            *delivered.entry(text.to_owned()).or_default() += 1;
        }
    }
    let mut messages = load.shop.messages(stage)?;
    let (mut accepted, mut uncertain) = (0, 0);
    for (text, id) in &sent.answered {
        let message = messages.get_message(GetMessageRequest { message_id: id.clone() }).await?.into_inner().message;
        let state = message.unwrap_or_default().state();
        let times = delivered.get(text).copied().unwrap_or_default();
        match (state, times) {
            (MessageState::Accepted, 1) => accepted += 1,
            (MessageState::Uncertain, 0 | 1) => uncertain += 1,
            _ => anyhow::bail!("{text} is {} and in LINE's books {times} times", state.as_str_name()),
        }
    }
    Ok((accepted, uncertain))
}

async fn came_and_went(stage: &Stage, load: &Load, sent: &Sent) -> anyhow::Result<()> {
    let mut friends = FriendServiceClient::new(load.shop.staff.connect(&stage.identity)?);
    for (line_user_id, stayed) in &sent.came {
        let request = GetFriendRequest {
            account_id: load.shop.account.to_string(),
            line_user_id: line_user_id.clone(),
            ..Default::default()
        };
        let known = friends.get_friend(request).await?.into_inner().friend.unwrap_or_default().state();
        let wanted = if *stayed { FriendshipState::Friend } else { FriendshipState::Blocked };
        anyhow::ensure!(known == wanted, "somebody who is {wanted:?} is known as {known:?}");
    }
    Ok(())
}

async fn no_dead_letters(stage: &Stage, load: &Load) -> anyhow::Result<()> {
    for service in [&stage.identity, &stage.messaging, &stage.scheduler] {
        let mut letters = DeadLetterServiceClient::new(load.shop.staff.connect(service)?);
        let found = letters.list_dead_letters(ListDeadLettersRequest::default()).await?.into_inner().dead_letters;
        anyhow::ensure!(found.is_empty(), "{} dead letters, the first: {}", found.len(), found[0].reason);
    }
    Ok(())
}

fn text(message: &Message) -> Option<&str> {
    match &message.content {
        Some(MessageContent { kind: Some(Content::Text(text)) }) => Some(&text.text),
        _ => None,
    }
}
