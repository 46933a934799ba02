//! Staff hear of replies of theirs that did not go, or of which nobody knows whether they did: told to those who hear of the branch
//! responsible for the conversation (F-70, F-71), once for each message, in the transaction that gives it up.

use std::collections::BTreeMap;

use chassis::postgres::TenantTx;
use kernel::{ConversationId, MessageId, OrganizationId, StaffId, Timestamp};
use messaging_outbox_core::notice::recipient::hears;
use messaging_outbox_core::notice::reply::{Fate, words};
use messaging_outbox_core::notice::{NoticeKind, WORTH_TELLING, id_for};

use super::{Channels, Notice, raise};
use crate::postgres::settle::Settled;
use crate::postgres::{conversation, message, staff};

/// Tells of those of `settled` that staff wrote and must hear of, at `now`.
pub(crate) async fn tell(
    tx: &mut TenantTx,
    channels: &Channels,
    settled: &[Settled],
    now: Timestamp,
) -> anyhow::Result<()> {
    let fates: BTreeMap<MessageId, Fate> =
        settled.iter().filter_map(|one| Some((one.message, Fate::of(one.state)?))).collect();
    if fates.is_empty() {
        return Ok(());
    }
    let mut written = message::read(tx, &fates.keys().copied().collect::<Vec<_>>()).await?;
    written.retain(|message| message.staff.is_some());
    let of: Vec<ConversationId> = written.iter().map(|message| message.conversation).collect();
    let conversations = conversation::read(tx, &of, now).await?;
    let conversations: BTreeMap<ConversationId, _> = conversations.into_iter().map(|one| (one.id, one)).collect();
    let mut hearing: BTreeMap<OrganizationId, Vec<StaffId>> = BTreeMap::new();
    let mut notices = Vec::new();
    for reply in &written {
        let Some((conversation, fate)) = conversations.get(&reply.conversation).zip(fates.get(&reply.id)) else {
            continue;
        };
        let Some(organization) = conversation.organization else { continue };
        if let std::collections::btree_map::Entry::Vacant(entry) = hearing.entry(organization) {
            let members = staff::members(tx, organization).await?.into_iter();
            let members = members.filter(|(_, member)| hears(member, Some(organization)));
            entry.insert(members.map(|(staff, _)| staff).collect());
        }
        let (_, account) = staff::names(tx, Some(conversation.account.uuid()), "").await?;
        let said = words(*fate, conversation.chat.kind(), &conversation.display_name, &account);
        notices.extend(hearing.get(&organization).into_iter().flatten().map(|staff| Notice {
            id: id_for(reply.id.uuid(), staff.uuid()),
            staff: *staff,
            kind: NoticeKind::MessageFailed,
            title: said.title.clone(),
            body: said.body.clone(),
            expire: now + WORTH_TELLING,
        }));
    }
    raise(tx, channels, &notices).await?;
    Ok(())
}
