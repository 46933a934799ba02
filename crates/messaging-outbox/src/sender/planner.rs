//! From claimed messages to frozen requests, one tenant at a time.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chassis::failpoint;
use chassis::postgres::TenantTx;
use chrono::TimeDelta;
use kernel::{AccountId, ConversationId, MessageId, TenantId, Timestamp};
use messaging_outbox_core::answer;
use messaging_outbox_core::chat::{Chat, ConversationKind};
use messaging_outbox_core::pack::{self, Packable};
use messaging_outbox_core::route::{self, Route, SendMethod};
use messaging_outbox_core::send_gate::SendGate;
use serde_json::Value;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::request::{Part, Request, Token};
use super::settlement::{Settlement, Unsent};
use super::{Sender, Tools};
use crate::inbound;
use crate::postgres::account::{self, Account, AccountKey};
use crate::postgres::reminder;
use crate::postgres::reply_token::{self, Held};
use crate::postgres::send_queue::{self, Body, Claimed, Frozen, Want};

/// How long messages of an account that may not send now are left alone.
const HALTED_FOR: Duration = Duration::from_secs(5);

/// What a lane gets.
#[derive(Debug, Default)]
pub(super) struct Planned {
    pub(super) requests: Vec<Request>,
    /// Messages claimed, with those that were settled at once.
    pub(super) rows: usize,
    pub(super) account: Option<Arc<Account>>,
    /// Rows may be in hand that nobody has: the lane must change hands.
    pub(super) broken: bool,
}

/// Plans what one tenant's lanes claimed. When the database fails half-way the lanes are broken.
pub(super) async fn plan(
    sender: &Sender,
    tenant: TenantId,
    claimed: Vec<Claimed>,
    wants: &[Want],
) -> HashMap<AccountKey, Planned> {
    match try_plan(sender, tenant, claimed, wants).await {
        Ok(planned) => planned,
        Err(error) => {
            tracing::warn!(%tenant, error = format!("{error:#}"), "claimed messages cannot be planned now");
            wants.iter().map(|want| (want.key, Planned { broken: true, ..Planned::default() })).collect()
        }
    }
}

async fn try_plan(
    sender: &Sender,
    tenant: TenantId,
    mut claimed: Vec<Claimed>,
    wants: &[Want],
) -> anyhow::Result<HashMap<AccountKey, Planned>> {
    let mut planned: HashMap<AccountKey, Planned> = HashMap::new();
    let mut tx = sender.tools.database.tenant_planning_anew(tenant).await?;
    let ids: Vec<Uuid> = wants.iter().map(|want| want.key.account.uuid()).collect();
    let mut accounts = account::read_all(&mut tx, &ids).await?;
    let is_own = |id: &Uuid| accounts.iter().any(|account| account.id.uuid() == *id);
    let others: Vec<Uuid> = ids.iter().copied().filter(|id| !is_own(id)).collect();
    if !others.is_empty() {
        accounts.extend(account::read_shared(&mut tx, &others).await?);
    }
    let mut accounts: HashMap<AccountId, Account> = accounts.into_iter().map(|account| (account.id, account)).collect();
    let taken = claimed.len();
    for want in wants {
        let account = accounts.remove(&want.key.account).map(Arc::new);
        planned.insert(want.key, Planned { account, ..Planned::default() });
        claimed.extend(missing_parts(&mut tx, want, &claimed).await?);
    }
    let gathered = claimed.len() > taken;
    if claimed.is_empty() {
        tx.rollback().await?;
        return Ok(planned);
    }
    claimed.sort_by_key(|row| (row.key, row.class, row.message));
    let ids: Vec<Uuid> = claimed.iter().map(|row| row.message.uuid()).collect();
    let bodies = send_queue::bodies(&mut tx, &ids).await?.into_iter().map(|body| (body.message, body)).collect();
    let mut plan = Plan {
        now: sender.tools.clock.now(),
        turned: sender.tools.turn.ahead(),
        epochs: wants.iter().map(|want| (want.key, want.epoch)).collect(),
        bodies,
        fresh: fresh_tokens(&mut tx, &sender.tools, &claimed).await?,
        kept: kept_tokens(&mut tx, &sender.tools, &claimed).await?,
        fallen: fallen(&mut tx, &claimed).await?,
        frozen: Vec::new(),
        used: Vec::new(),
        settled: Vec::new(),
    };
    for ((key, ..), rows) in conversations(claimed) {
        let Some(lane) = planned.get_mut(&key) else { continue };
        lane.rows += rows.len();
        let may_send = lane.account.as_ref().is_some_and(|account| account.may_send());
        if may_send {
            lane.requests.extend(plan.conversation(key, rows));
        } else {
            for row in &rows {
                plan.halt(key, row);
            }
        }
    }
    if plan.frozen.is_empty() && !gathered {
        tx.rollback().await?;
    } else {
        reply_token::mark_used(&mut tx, &plan.used).await?;
        let all_ours = send_queue::freeze(&mut tx, &plan.frozen).await?;
        tx.commit().await?;
        if !all_ours {
            anyhow::bail!("a lane was lost while it was planned");
        }
        failpoint::reached("messaging.after_freeze");
    }
    for settlement in plan.settled {
        sender.settlements.send(settlement, Vec::new()).await;
    }
    Ok(planned)
}

/// The rest of requests in doubt of which a claim got a part only: they go again whole.
async fn missing_parts(tx: &mut TenantTx, want: &Want, claimed: &[Claimed]) -> Result<Vec<Claimed>, sqlx::Error> {
    let packs: Vec<Uuid> =
        claimed.iter().filter(|row| row.key == want.key && row.in_doubt).filter_map(|row| row.pack).collect();
    if packs.is_empty() { Ok(Vec::new()) } else { send_queue::gather(tx, want, &packs).await }
}

/// Reminders among them of reservations that were cancelled or moved. Whoever heard of that took back what waited; one that was in hand
/// then, and came back to the queue, is not sent either. What may have left already goes on, so that its outcome is known.
async fn fallen(tx: &mut TenantTx, claimed: &[Claimed]) -> Result<HashSet<MessageId>, sqlx::Error> {
    let reminders = claimed.iter().filter(|row| row.class == route::REMINDER && !row.in_doubt);
    let reminders: Vec<Uuid> = reminders.map(|row| row.message.uuid()).collect();
    if reminders.is_empty() { Ok(HashSet::new()) } else { reminder::fallen(tx, &reminders).await }
}

/// The claimed messages, conversation by conversation and class by class, in their order.
fn conversations(claimed: Vec<Claimed>) -> BTreeMap<(AccountKey, i16, ConversationId), Vec<Claimed>> {
    let mut groups: BTreeMap<_, Vec<Claimed>> = BTreeMap::new();
    for row in claimed {
        groups.entry((row.key, row.class, row.conversation)).or_default().push(row);
    }
    groups
}

/// Unused tokens of the conversations that may need one, the one that ends first foremost.
async fn fresh_tokens(
    tx: &mut TenantTx,
    tools: &Tools,
    claimed: &[Claimed],
) -> anyhow::Result<HashMap<ConversationId, VecDeque<Token>>> {
    let conversations: Vec<Uuid> = claimed
        .iter()
        .filter(|row| row.class == route::CONVERSATION && !row.in_doubt)
        .map(|row| row.conversation.uuid())
        .collect();
    let mut tokens: HashMap<ConversationId, VecDeque<Token>> = HashMap::new();
    if !conversations.is_empty() {
        for (conversation, held) in reply_token::usable(tx, &conversations, tools.clock.now()).await? {
            if let Some(token) = open(tx, tools, held).await {
                tokens.entry(conversation).or_default().push_back(token);
            }
        }
    }
    Ok(tokens)
}

/// The tokens that requests in doubt were frozen with.
async fn kept_tokens(tx: &mut TenantTx, tools: &Tools, claimed: &[Claimed]) -> anyhow::Result<HashMap<Uuid, Token>> {
    let ids: Vec<Uuid> = claimed.iter().filter(|row| row.in_doubt).filter_map(|row| row.reply_token).collect();
    let mut tokens = HashMap::new();
    if !ids.is_empty() {
        for held in reply_token::read(tx, &ids).await? {
            if let Some(token) = open(tx, tools, held).await {
                tokens.insert(token.id, token);
            }
        }
    }
    Ok(tokens)
}

async fn open(tx: &mut TenantTx, tools: &Tools, held: Held) -> Option<Token> {
    match tools.envelope.decrypt(tx, &inbound::purpose(held.id), &held.ciphertext).await {
        Ok(text) => {
            let text = Zeroizing::new(std::str::from_utf8(&text).ok()?.to_owned());
            Some(Token { id: held.id, until: held.usable_until, text })
        }
        Err(error) => {
            tracing::error!(error = %error, "a reply token cannot be opened");
            None
        }
    }
}

struct Plan {
    now: Timestamp,
    /// How far the database's clock is turned, in development builds.
    turned: TimeDelta,
    epochs: HashMap<AccountKey, i64>,
    bodies: HashMap<MessageId, Body>,
    fresh: HashMap<ConversationId, VecDeque<Token>>,
    kept: HashMap<Uuid, Token>,
    /// Reminders of what does not stand any more.
    fallen: HashSet<MessageId>,
    frozen: Vec<Frozen>,
    used: Vec<Uuid>,
    settled: Vec<Settlement>,
}

impl Plan {
    /// The requests of one conversation and class.
    fn conversation(&mut self, key: AccountKey, rows: Vec<Claimed>) -> Vec<Request> {
        let mut requests = Vec::new();
        // Not by this machine's clock, which may be another's than the one that said until when it may leave.
        let is_over = |row: &Claimed| !row.in_doubt && answer::is_over(row.expire, row.claim_time + self.turned);
        let (over, rest): (Vec<Claimed>, Vec<Claimed>) = rows.into_iter().partition(is_over);
        if !over.is_empty() {
            self.give_up(key, &over, Unsent::expired());
        }
        let (fallen, rest): (Vec<Claimed>, Vec<Claimed>) =
            rest.into_iter().partition(|row| self.fallen.contains(&row.message));
        if !fallen.is_empty() {
            self.give_up(key, &fallen, Unsent::taken_back());
        }
        let mut rest: VecDeque<Claimed> = rest.into();
        while let Some(first) = rest.front() {
            let (pack, doubt) = (first.pack, first.in_doubt);
            let size = if doubt {
                rest.iter().take_while(|row| row.in_doubt && pack.is_some() && row.pack == pack).count().max(1)
            } else {
                let packable: Vec<Packable> = rest.iter().map(|row| self.packable(row)).collect();
                pack::first_pack(&packable).max(1)
            };
            let rows: Vec<Claimed> = rest.drain(..size).collect();
            requests.extend(if doubt { self.repeat(key, &rows) } else { self.fresh(key, &rows) });
        }
        requests
    }

    fn packable(&self, row: &Claimed) -> Packable {
        let object = self.bodies.get(&row.message).and_then(|body| body.object.as_ref());
        Packable {
            class: row.class,
            silent: row.silent,
            policy: row.policy.code(),
            frozen: row.in_doubt,
            has_quick_reply: object.is_some_and(|object| object.get("quickReply").is_some()),
        }
    }

    /// A request whose outcome is unknown, exactly as it was.
    fn repeat(&mut self, key: AccountKey, rows: &[Claimed]) -> Option<Request> {
        let first = rows.first()?;
        let method = first.method.unwrap_or(SendMethod::Push);
        let token = first.reply_token.and_then(|id| self.kept.get(&id).cloned());
        let mut request = self.request(key, rows, method, first.pack.unwrap_or(first.message.uuid()), token)?;
        request.in_doubt = true;
        request.frozen = true;
        Some(request)
    }

    /// A request that nobody has made yet.
    fn fresh(&mut self, key: AccountKey, rows: &[Claimed]) -> Option<Request> {
        let first = rows.first()?.clone();
        let body = self.bodies.get(&first.message)?;
        let chat = Chat::new(ConversationKind::from_code(body.kind).unwrap_or(ConversationKind::User), &body.chat_key);
        let gate = SendGate {
            tenant_suspended: false,
            account_connected: true,
            friend_blocked: body.friend_blocked,
            standby: body.standby,
            has_recipient: true,
            has_reply_token: true,
        };
        if let Err(barrier) = gate.check() {
            self.give_up(key, rows, Unsent::barred(barrier));
            return None;
        }
        let token_until =
            self.fresh.get(&first.conversation).and_then(|tokens| tokens.front()).map(|token| token.until);
        match route::route(first.policy, token_until, chat.recipient().is_some(), self.now) {
            Route::None => {
                self.give_up(key, rows, Unsent::expired());
                None
            }
            Route::Reply => {
                let token = self.fresh.get_mut(&first.conversation).and_then(VecDeque::pop_front)?;
                self.used.push(token.id);
                self.freeze(key, rows, SendMethod::Reply, Some(token))
            }
            Route::Push if first.policy.is_push_alone(first.class) && rows.len() == 1 => {
                // The claim itself froze it: one message, its own ID as key, and never anything but a push.
                let mut request = self.request(key, rows, SendMethod::Push, first.message.uuid(), None)?;
                request.frozen = true;
                Some(request)
            }
            Route::Push => self.freeze(key, rows, SendMethod::Push, None),
        }
    }

    fn freeze(
        &mut self,
        key: AccountKey,
        rows: &[Claimed],
        method: SendMethod,
        token: Option<Token>,
    ) -> Option<Request> {
        // A single message is its own key. A pack gets a new one each time it is frozen: what was definitely refused under
        // another key may have been another pack.
        let pack = if let [row] = rows { row.message.uuid() } else { Uuid::new_v4() };
        let epoch = self.epochs.get(&key).copied()?;
        let reply_token = token.as_ref().map(|token| token.id);
        let mut request = self.request(key, rows, method, pack, token)?;
        request.frozen = true;
        self.frozen.extend(rows.iter().map(|row| Frozen {
            account: key.account,
            class: row.class,
            message: row.message,
            epoch,
            method,
            pack,
            reply_token,
        }));
        Some(request)
    }

    /// A request of `rows`; none, and the rows given up, where a content is gone.
    fn request(
        &mut self,
        key: AccountKey,
        rows: &[Claimed],
        method: SendMethod,
        retry_key: Uuid,
        token: Option<Token>,
    ) -> Option<Request> {
        let first = rows.first()?;
        let objects: Option<Vec<Value>> =
            rows.iter().map(|row| self.bodies.get(&row.message)?.object.clone()).collect();
        let Some(objects) = objects else {
            self.give_up(key, rows, Unsent::erased());
            return None;
        };
        let body = self.bodies.get(&first.message)?;
        let chat = Chat::new(ConversationKind::from_code(body.kind).unwrap_or(ConversationKind::User), &body.chat_key);
        let parts = rows.iter().zip(objects).map(|(row, object)| Part {
            message: row.message,
            object,
            earlier_attempts: row.attempts.saturating_sub(1),
        });
        Some(Request {
            class: first.class,
            conversation: first.conversation,
            parts: parts.collect(),
            method,
            policy: first.policy,
            silent: first.silent,
            key: retry_key,
            recipient: chat.recipient().map(str::to_owned),
            token,
            calls: 0,
            first_time: rows.iter().map(|row| row.first_time).min().unwrap_or(self.now),
            in_doubt: false,
            token_renewed: false,
            frozen: false,
            not_before: None,
            trace: first.trace.clone(),
            last: None,
        })
    }

    fn give_up(&mut self, key: AccountKey, rows: &[Claimed], unsent: Unsent) {
        let epoch = self.epochs.get(&key).copied().unwrap_or_default();
        let attempts = rows.iter().map(|row| row.attempts.saturating_sub(1)).max().unwrap_or_default();
        self.settled.push(Settlement::given_up(
            key,
            epoch,
            rows.iter().map(|row| (row.class, row.message)),
            unsent,
            attempts,
        ));
    }

    /// Puts a message of an account that may not send now back.
    fn halt(&mut self, key: AccountKey, row: &Claimed) {
        let epoch = self.epochs.get(&key).copied().unwrap_or_default();
        self.settled.push(Settlement::put_back(key, epoch, row, HALTED_FOR));
    }
}
