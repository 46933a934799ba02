//! The sender: takes queued messages lane by lane and gives them to LINE.
//!
//! ```text
//! dispatcher ── lanes with work, leases ──▶ one task for each lane held
//! lane ── room ──▶ claimer ── one statement for many lanes ──▶ planner ── frozen requests ──▶ lane ── call ──▶ LINE
//!                                                                              lane ── outcomes ──▶ settler ── batches
//! ```
//!
//! Every claim and every frozen request is committed before its call, and every outcome is written by the settler however
//! long that takes. A process may die at any point: its leases run out, and the next holder of a lane finds the rows in hand
//! with all it needs to repeat or to judge them.

mod backlog;
mod book;
mod call;
mod claimer;
mod dispatcher;
mod lane;
mod planner;
mod quota;
mod request;
mod settlement;
mod settler;
mod unwritable;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use chassis::envelope::Envelope;
use chassis::postgres::Database;
use chassis::{ClockTurn, Host};
use kernel::Clock;
use line_client::LineClient;
use messaging_outbox_core::lane::LaneTimes;
use messaging_outbox_core::quota::QuotaWaits;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::access_token::AccessTokens;
use crate::notice::Channels;
use crate::wake::Wakes;

/// How the sender works.
#[derive(Clone, Copy, Debug)]
pub struct SenderConfig {
    /// Leases, renewals and calls.
    pub times: LaneTimes,
    /// Calls one lane has under way at once.
    pub calls_of_lane: NonZeroUsize,
    /// Calls all lanes of this replica have under way at once.
    pub calls: NonZeroUsize,
    /// Lanes this replica holds at once.
    pub lanes: NonZeroUsize,
    /// How long pushes wait for quota.
    pub quota_waits: QuotaWaits,
}

/// What every part of the sender uses.
pub(crate) struct Tools {
    pub(crate) database: Database,
    pub(crate) line: LineClient,
    pub(crate) tokens: AccessTokens,
    pub(crate) envelope: Arc<Envelope>,
    pub(crate) clock: Arc<dyn Clock>,
    /// How far the database's clock is turned with it, in development builds.
    pub(crate) turn: ClockTurn,
    pub(crate) wakes: Wakes,
    pub(crate) channels: Channels,
}

struct Sender {
    tools: Arc<Tools>,
    config: SenderConfig,
    /// This replica's name in lanes; a new one for every start.
    holder: Uuid,
    claims: claimer::Claims,
    settlements: settler::Settlements,
    book: book::LimiterBook,
    quotas: quota::Quotas,
    calls: tokio::sync::Semaphore,
    /// Every lane has ended, at the end of the process.
    drained: CancellationToken,
}

/// How often what nobody woke the sender for is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Starts the sender under `host`.
pub(crate) fn spawn(host: &Host, tools: Arc<Tools>, config: SenderConfig) {
    let (claims, claim_queue) = claimer::Claims::new();
    let (settlements, settlement_queue) = settler::Settlements::new();
    host.spawn("messaging.settler", settler::run(Arc::clone(&tools), settlement_queue, host.stopping()));
    let sender = Arc::new(Sender {
        tools,
        config,
        holder: Uuid::new_v4(),
        claims,
        settlements,
        book: book::LimiterBook::default(),
        quotas: quota::Quotas::default(),
        calls: tokio::sync::Semaphore::new(config.calls.get()),
        drained: CancellationToken::new(),
    });
    host.spawn("messaging.claimer", claimer::run(Arc::clone(&sender), claim_queue));
    host.spawn("messaging.dispatcher", dispatcher::run(sender, host.stopping()));
}
