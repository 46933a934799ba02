//! Notices by LINE: a message of its own class on the staff account, in a conversation that is shown nowhere. It takes the way of
//! every push, with its own ID as retry key, so a crash repeats nothing; where it stands follows from the message's fate.

use std::collections::BTreeMap;

use chassis::postgres::TenantTx;
use kernel::{AccountId, MessageId, StaffId, Timestamp};
use messaging_outbox_core::chat::{Chat, ConversationKind};
use messaging_outbox_core::notice::attempt::{Reason, of_message};
use messaging_outbox_core::notice::channel::{DeliveryState, NoticeChannel};
use messaging_outbox_core::notice::text::Words;
use messaging_outbox_core::queue_time::queue_times;
use messaging_outbox_core::route::{self, SendPolicy};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Notice, Told, count_settled, pending};
use crate::postgres::account::AccountKey;
use crate::postgres::conversation;
use crate::postgres::inbound::{self, Touch};
use crate::postgres::notice::delivery::{self, Begun};
use crate::postgres::send_queue::{self, Entry};
use crate::postgres::settle::{self, Settled, TakenBack};
use crate::wake::{Wake, Wakes};

/// Queues those of `begun` that go by LINE, and notes in each the message that carries it. All of one member's in one conversation,
/// in their order; the conversations' rows in one order, as everywhere.
pub(super) async fn queue(
    tx: &mut TenantTx,
    wakes: &Wakes,
    notices: &[&Notice],
    told: &Told,
    begun: &mut [Begun],
) -> anyhow::Result<()> {
    let by_id: BTreeMap<Uuid, &Notice> = notices.iter().map(|notice| (notice.id, *notice)).collect();
    let mut members: BTreeMap<StaffId, Vec<&Notice>> = BTreeMap::new();
    for notice in pending(begun, NoticeChannel::Line).filter_map(|one| by_id.get(&one.notice).copied()) {
        members.entry(notice.staff).or_default().push(notice);
    }
    let mut chats: BTreeMap<_, (AccountId, Chat, Vec<&Notice>)> = BTreeMap::new();
    for (staff, theirs) in members {
        let Some(line) = told.contacts.get(&staff).and_then(|contact| contact.line.as_ref()) else { continue };
        let chat = Chat::new(ConversationKind::Staff, &line.line_user);
        let place = chats.entry(chat.conversation(line.account)).or_insert((line.account, chat, Vec::new()));
        place.2.extend(theirs);
    }
    if chats.is_empty() {
        return Ok(());
    }
    let touch = |(account, chat, _): &'_ (AccountId, Chat, Vec<&Notice>)| (*account, chat.clone());
    let places: Vec<(AccountId, Chat)> = chats.values().map(touch).collect();
    let touches: Vec<Touch<'_>> = places.iter().map(|(account, chat)| touched(*account, chat, told.now)).collect();
    inbound::touch(tx, &touches).await?;
    let mut entries: Vec<(Entry<'static>, Uuid, Value)> = Vec::new();
    for (id, (account, _, theirs)) in &chats {
        let last = conversation::last_message_time(tx, *id).await?;
        for (time, notice) in queue_times(last, told.now).zip(theirs) {
            let words = Words { title: notice.title.clone(), body: notice.body.clone() };
            let object = json!({ "type": "text", "text": words.under(told.heading(*account)) });
            entries.push((entry(*id, *account, time, notice.expire), notice.id, object));
        }
    }
    let queued: Vec<Entry<'_>> = entries.iter().map(|(entry, _, object)| Entry { object, ..entry.clone() }).collect();
    send_queue::insert(tx, &queued).await?;
    for entry in &queued {
        conversation::wrote(tx, entry.conversation, entry.message, entry.time).await?;
    }
    let messages: BTreeMap<Uuid, MessageId> =
        entries.iter().map(|(entry, notice, _)| (*notice, entry.message)).collect();
    for one in begun.iter_mut().filter(|one| one.channel == NoticeChannel::Line) {
        one.message = messages.get(&one.notice).copied();
    }
    let mut accounts: Vec<AccountId> = queued.iter().map(|entry| entry.account).collect();
    accounts.sort_unstable();
    accounts.dedup();
    for account in accounts {
        let key = AccountKey { tenant: tx.tenant(), account };
        wakes.after(tx, Wake::Queue(key));
    }
    Ok(())
}

fn touched(account: AccountId, chat: &Chat, now: Timestamp) -> Touch<'_> {
    Touch { account, chat, standby: None, occur_time: now, arrival: None, unread: false }
}

/// A push of a notice; its words are put in by the caller.
fn entry(
    conversation: kernel::ConversationId,
    account: AccountId,
    time: Timestamp,
    expire: Timestamp,
) -> Entry<'static> {
    Entry {
        message: MessageId::new(time),
        conversation,
        account,
        class: route::STAFF_NOTICE,
        policy: SendPolicy::PushOnly,
        silent: false,
        time,
        principal: None,
        staff: None,
        quotes: None,
        object: &Value::Null,
        trace: chassis::trace::current(),
        wait: None,
        expire: Some(expire),
    }
}

/// Lets notices follow what became of their messages: `settled` of any class, each with whether its time was over.
pub(crate) async fn follow(tx: &mut TenantTx, settled: &[(Settled, bool)]) -> Result<(), sqlx::Error> {
    let mut fates: BTreeMap<(DeliveryState, Option<Reason>), Vec<Uuid>> = BTreeMap::new();
    for (one, expired) in settled.iter().filter(|(one, _)| one.class == route::STAFF_NOTICE) {
        if let Some(fate) = of_message(one.state, *expired) {
            fates.entry(fate).or_default().push(one.message.uuid());
        }
    }
    for ((state, reason), messages) in fates {
        end(tx, &messages, state, reason).await?;
    }
    Ok(())
}

pub(super) async fn end(
    tx: &mut TenantTx,
    messages: &[Uuid],
    state: DeliveryState,
    reason: Option<Reason>,
) -> Result<(), sqlx::Error> {
    let ended = delivery::settle_messages(tx, messages, state, reason).await?;
    tx.after_commit(move || count_settled(NoticeChannel::Line, state, ended));
    Ok(())
}

/// Takes back what has not left yet for a staff member who is reached otherwise now, or not at all.
pub(crate) async fn withdraw(tx: &mut TenantTx, staff: StaffId) -> Result<(), sqlx::Error> {
    for (account, message) in delivery::on_line(tx, staff).await? {
        if let TakenBack::Cancelled(taken) = settle::take_back(tx, account, route::STAFF_NOTICE, message).await? {
            follow(tx, &[(taken, false)]).await?;
        }
    }
    Ok(())
}
