//! Notices to staff: raised in the transaction that has something to tell, once each, and delivered by the channels the tenant chose
//! (F-70): as a message in the send queue on the staff account (`line`), by e-mail (`email`), by the tenant's webhook (`webhook`).

mod email;
mod line;
mod mail;
mod overdue;
mod reply;
mod request;
pub(crate) mod signature;
mod telling;
mod webhook;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use chassis::Host;
use chassis::egress::Egress;
use chassis::postgres::TenantTx;
use kernel::{AccountId, StaffId, Timestamp};
use messaging_outbox_core::answer::is_over;
use messaging_outbox_core::notice::NoticeKind;
use messaging_outbox_core::notice::attempt::Reason;
use messaging_outbox_core::notice::channel::{self, DeliveryState, NoticeChannel, Reach, Rule};
use messaging_outbox_core::notice::text::Words;
use messaging_outbox_core::quota::QuotaMonth;
use uuid::Uuid;

use crate::postgres::notice::delivery::{self, Begun};
use crate::postgres::notice::{self as rows, job, rule, webhook as endpoint};
use crate::postgres::staff::{self, Contact, OnLine};
use crate::postgres::staff_account_share::{self, Share};
use crate::sender::Tools;
use crate::wake::{Wake, Wakes};

pub(crate) use line::{follow, withdraw};
pub(crate) use mail::Mailer;
pub use mail::{MailConfig, MailError, MailTls};
pub(crate) use reply::tell as tell_of_replies;
pub(crate) use request::{Requests, spec};

/// Starts telling notices under `host`: by e-mail where there is a mail server, by webhook through `egress`; and ending those whose
/// time is over. By LINE they go with everything else.
pub(crate) fn spawn(host: &Host, tools: &Arc<Tools>, mailer: Option<Mailer>, egress: Egress) {
    email::spawn(host, Arc::clone(tools), mailer);
    webhook::spawn(host, Arc::clone(tools), egress);
    overdue::spawn(host, &tools.database);
}

/// What notices go by, in this process.
#[derive(Clone)]
pub(crate) struct Channels {
    pub(crate) wakes: Wakes,
    /// There is a mail server; without one an address reaches nobody.
    pub(crate) mail_server: bool,
}

/// Something a staff member is to be told.
#[derive(Clone)]
pub(crate) struct Notice {
    /// Follows from the matter and the member ([`messaging_outbox_core::notice::id_for`]): the same is told once.
    pub(crate) id: Uuid,
    pub(crate) staff: StaffId,
    pub(crate) kind: NoticeKind,
    /// At most 100 characters of one line; what is more is cut.
    pub(crate) title: String,
    /// At most 2,300 characters; what is more is cut.
    pub(crate) body: String,
    /// After this it is not worth telling any more.
    pub(crate) expire: Timestamp,
}

impl std::fmt::Debug for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notice").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Raises notices in the caller's transaction: those that are new are on their way by every channel that reaches their staff once it
/// commits. An ID that was raised before changes nothing. Tells how many were new.
pub(crate) async fn raise(tx: &mut TenantTx, channels: &Channels, notices: &[Notice]) -> anyhow::Result<usize> {
    let notices: Vec<Notice> = notices.iter().map(within_limits).collect();
    let new: HashSet<Uuid> = rows::insert(tx, &notices).await?.into_iter().collect();
    let mut seen = HashSet::new();
    let new: Vec<&Notice> =
        notices.iter().filter(|notice| new.contains(&notice.id) && seen.insert(notice.id)).collect();
    if new.is_empty() {
        return Ok(0);
    }
    let told = Told::read(tx, channels, new.iter().map(|notice| notice.staff)).await?;
    let short = told.short(tx, &new).await?;
    let mut begun = Vec::new();
    for notice in &new {
        let (reach, over) = (told.reach(notice.staff), is_over(Some(notice.expire), told.now));
        let is_short = short.contains(&notice.id);
        let reach = Reach { line: reach.line && !is_short, ..reach };
        begun.extend(channel::plan(told.rule(notice.kind), reach, over).into_iter().map(|(channel, state)| {
            let reason = (is_short && channel == NoticeChannel::Line).then_some(Reason::ShareUsedUp);
            Begun { notice: notice.id, channel, state, reason, expire: notice.expire, message: None }
        }));
    }
    line::queue(tx, &channels.wakes, &new, &told, &mut begun).await?;
    delivery::insert(tx, &begun).await?;
    for channel in [NoticeChannel::Email, NoticeChannel::Webhook] {
        let jobs: Vec<Uuid> = pending(&begun, channel).map(|one| one.notice).collect();
        if !jobs.is_empty() {
            job::expect(tx, channel, &jobs).await?;
            channels.wakes.after(tx, Wake::Notice);
        }
    }
    tx.after_commit(move || count(&begun));
    Ok(new.len())
}

/// Those of `staff` whom a notice of `kind` would reach now, by whatever channel.
pub(crate) async fn reached(
    tx: &mut TenantTx,
    channels: &Channels,
    kind: NoticeKind,
    staff: &[StaffId],
) -> Result<BTreeSet<StaffId>, sqlx::Error> {
    let told = Told::read(tx, channels, staff.iter().copied()).await?;
    let reaches = |member: &StaffId| {
        let planned = channel::plan(told.rule(kind), told.reach(*member), false);
        planned.iter().any(|(_, state)| *state == DeliveryState::Pending)
    };
    Ok(staff.iter().copied().filter(reaches).collect())
}

/// What decides by which channels notices go.
struct Told {
    now: Timestamp,
    rules: Vec<(NoticeKind, Rule)>,
    mail_server: bool,
    webhook: bool,
    contacts: BTreeMap<StaffId, Contact>,
    /// The tenant's shares in the accounts where they are bound; none in one of its own.
    shares: BTreeMap<AccountId, Share>,
}

impl Told {
    async fn read(
        tx: &mut TenantTx,
        channels: &Channels,
        staff: impl Iterator<Item = StaffId>,
    ) -> Result<Self, sqlx::Error> {
        let mut staff: Vec<Uuid> = staff.map(StaffId::uuid).collect();
        staff.sort_unstable();
        staff.dedup();
        let contacts = staff::contacts(tx, &staff).await?;
        let mut accounts: Vec<Uuid> =
            contacts.iter().filter_map(|contact| Some(contact.line.as_ref()?.account.uuid())).collect();
        accounts.sort_unstable();
        accounts.dedup();
        let shares = if accounts.is_empty() { Vec::new() } else { staff_account_share::of(tx, &accounts).await? };
        Ok(Self {
            shares: shares.into_iter().map(|share| (share.account, share)).collect(),
            now: rows::now(tx).await?,
            rules: rule::read(tx).await?,
            mail_server: channels.mail_server,
            webhook: endpoint::is_open(tx).await?,
            contacts: contacts.into_iter().map(|contact| (contact.staff, contact)).collect(),
        })
    }

    fn rule(&self, kind: NoticeKind) -> Rule {
        let set = self.rules.iter().find(|(of, _)| *of == kind);
        set.map_or_else(|| Rule::usual(kind), |(_, rule)| *rule)
    }

    fn reach(&self, staff: StaffId) -> Reach {
        let contact = self.contacts.get(&staff);
        // An account of the operator's reaches nobody whose tenant does not use its share.
        let is_served = |line: &OnLine| self.shares.get(&line.account).is_none_or(|share| share.used);
        Reach {
            active: contact.is_some_and(|contact| contact.active),
            line: contact.and_then(|contact| contact.line.as_ref()).is_some_and(is_served),
            email: self.mail_server && contact.is_some_and(|contact| !contact.email.is_empty()),
            webhook: self.webhook,
        }
    }

    /// Takes the pushes of `notices` from what the tenant's shares have left for the month; which of them they have no room for.
    async fn short(&self, tx: &mut TenantTx, notices: &[&Notice]) -> Result<HashSet<Uuid>, sqlx::Error> {
        let month = QuotaMonth::of(self.now);
        let mut short = HashSet::new();
        for (account, share) in &self.shares {
            let is_pushed = |notice: &&Notice| {
                let line = self.contacts.get(&notice.staff).and_then(|contact| contact.line.as_ref());
                let over = is_over(Some(notice.expire), self.now);
                line.is_some_and(|line| line.account == *account)
                    && channel::plan(self.rule(notice.kind), self.reach(notice.staff), over)
                        .contains(&(NoticeChannel::Line, DeliveryState::Pending))
            };
            let pushed: Vec<Uuid> = notices.iter().copied().filter(is_pushed).map(|notice| notice.id).collect();
            if pushed.is_empty() {
                continue;
            }
            let wanted = i32::try_from(pushed.len()).unwrap_or(i32::MAX);
            let given = staff_account_share::take(tx, share, month, wanted).await?;
            short.extend(pushed.into_iter().skip(usize::try_from(given).unwrap_or_default()));
        }
        Ok(short)
    }

    /// What stands above what is pushed by an account: the tenant's name, where staff of others are told by it as well.
    fn heading(&self, account: AccountId) -> &str {
        self.shares.get(&account).map_or("", |share| &share.tenant_name)
    }
}

fn within_limits(notice: &Notice) -> Notice {
    let Words { title, body } = Words::new(&notice.title, &notice.body);
    Notice { title, body, ..notice.clone() }
}

/// Those on their way by `channel`.
fn pending(begun: &[Begun], channel: NoticeChannel) -> impl Iterator<Item = &Begun> {
    begun.iter().filter(move |one| one.channel == channel && one.state == DeliveryState::Pending)
}

/// Counts what is over as soon as it began.
fn count(begun: &[Begun]) {
    for one in begun.iter().filter(|one| one.state != DeliveryState::Pending) {
        count_settled(one.channel, one.state, 1);
    }
}

/// Counts deliveries that ended.
pub(crate) fn count_settled(channel: NoticeChannel, state: DeliveryState, number: u64) {
    metrics::counter!("tsunagi_messaging_notices_total", "channel" => channel.name(), "state" => state.name())
        .increment(number);
}
