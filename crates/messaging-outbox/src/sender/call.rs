//! One call to LINE: everything that must be true before it, the call, and what it came to.

use std::sync::Arc;
use std::time::Duration;

use chassis::failpoint;
use line_client::{Accepted, ChannelAccessToken, Failure, FailureKind};
use line_types::api::{PushRequest, ReplyRequest};
use line_types::id::RetryKey;
use messaging_outbox_core::attempt::Outcome;
use messaging_outbox_core::quota::QuotaVerdict;
use messaging_outbox_core::reply_window;
use messaging_outbox_core::route::SendMethod;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::Sender;
use super::quota::Limit;
use super::request::Request;
use crate::access_token::TokenTrouble;
use crate::postgres::account::{Account, AccountKey};
use crate::postgres::send_queue::{self, Frozen};

/// A lane as its holder's calls need it.
#[derive(Clone)]
pub(super) struct Hold {
    pub(super) key: AccountKey,
    pub(super) epoch: i64,
    /// When the lease was last renewed.
    pub(super) renewed: watch::Receiver<Instant>,
}

impl Hold {
    fn may_call(&self, sender: &Sender) -> bool {
        sender.config.times.may_call(self.renewed.borrow().elapsed())
    }
}

/// What a call came to.
#[derive(Debug)]
pub(super) enum Called {
    /// LINE has it.
    Accepted(Accepted),
    /// LINE has it not, or nobody knows.
    Not {
        outcome: Outcome,
        failure: Option<Failure>,
        verdict: Option<QuotaVerdict>,
        /// The access token that was used.
        access: Option<ChannelAccessToken>,
    },
    /// No call was made: the lease is nearly over, or the request could not be frozen.
    Held,
}

impl Called {
    fn without_call(outcome: Outcome) -> Self {
        Self::Not { outcome, failure: None, verdict: None, access: None }
    }
}

/// Makes the call of `request`. `refused`: the access token LINE did not take for it just before.
pub(super) async fn call(
    sender: Arc<Sender>,
    hold: Hold,
    account: Arc<Account>,
    mut request: Request,
    refused: Option<ChannelAccessToken>,
) -> (Request, Called) {
    let span = tracing::info_span!("message.send", message.id = %request.parts[0].message, account = %hold.key.account);
    if let Some(parent) = &request.trace {
        chassis::trace::follow(&span, parent);
    }
    async move {
        let Ok(_permit) = sender.calls.acquire().await else { return (request, Called::Held) };
        if let Err(called) = prepare(&sender, &hold, &mut request).await {
            return (request, called);
        }
        let tokens = &sender.tools.tokens;
        let access = match &refused {
            Some(refused) => tokens.renew(&account, refused).await,
            None => tokens.get(&account).await,
        };
        let access = match access {
            Ok(access) => access,
            Err(TokenTrouble::Unavailable) => return (request, Called::without_call(Outcome::NotSent)),
            Err(TokenTrouble::Missing | TokenTrouble::Unreadable | TokenTrouble::Refused) => {
                request.token_renewed = true;
                return (request, Called::without_call(Outcome::Unauthorized));
            }
        };
        if !hold.may_call(&sender) {
            return (request, Called::Held);
        }
        failpoint::reached("messaging.before_call");
        let started = Instant::now();
        request.calls = request.calls.saturating_add(1);
        let answer = send(&sender, &request, &access).await;
        failpoint::reached("messaging.after_call");
        metrics::histogram!("tsunagi_messaging_call_seconds").record(started.elapsed().as_secs_f64());
        let called = match answer {
            Ok(accepted) => Called::Accepted(accepted),
            Err(failure) => judge(&sender, account.key(), access, failure).await,
        };
        (request, called)
    }
    .instrument(span)
    .await
}

/// What must be committed before the call, and a reply token that is not worth one.
async fn prepare(sender: &Sender, hold: &Hold, request: &mut Request) -> Result<(), Called> {
    if request.method == SendMethod::Reply {
        let usable = |until| reply_window::is_usable(until, sender.tools.clock.now());
        if !request.token.as_ref().is_some_and(|token| usable(token.until)) {
            return Err(Called::without_call(Outcome::InvalidReplyToken));
        }
    }
    if request.frozen {
        return Ok(());
    }
    let frozen: Vec<Frozen> = request
        .parts
        .iter()
        .map(|part| Frozen {
            account: hold.key.account,
            class: request.class,
            message: part.message,
            epoch: hold.epoch,
            method: request.method,
            pack: request.key,
            reply_token: request.token.as_ref().map(|token| token.id),
        })
        .collect();
    let freeze = async {
        let mut tx = sender.tools.database.tenant_planning_anew(hold.key.tenant).await?;
        let ours = send_queue::freeze(&mut tx, &frozen).await?;
        tx.commit().await?;
        Ok::<bool, sqlx::Error>(ours)
    };
    match freeze.await {
        Ok(true) => {
            request.frozen = true;
            Ok(())
        }
        Ok(false) => Err(Called::Held),
        Err(error) => {
            tracing::warn!(error = %error, "a request cannot be frozen now");
            Err(Called::Held)
        }
    }
}

async fn send(sender: &Sender, request: &Request, access: &ChannelAccessToken) -> Result<Accepted, Failure> {
    let deadline: Duration = sender.config.times.call;
    let messages = request.parts.iter().map(|part| part.object.clone()).collect();
    let line = &sender.tools.line;
    match (request.method, &request.token, &request.recipient) {
        (SendMethod::Reply, Some(token), _) => {
            let body =
                ReplyRequest { reply_token: token.text.to_string(), messages, notification_disabled: request.silent };
            line.reply(access, &body, deadline).await
        }
        (_, _, recipient) => {
            let body = PushRequest {
                to: recipient.clone().unwrap_or_default(),
                messages,
                notification_disabled: request.silent,
                custom_aggregation_units: Vec::new(),
            };
            line.push(access, &body, &RetryKey::from(request.key), deadline).await
        }
    }
}

async fn judge(sender: &Sender, key: AccountKey, access: ChannelAccessToken, failure: Failure) -> Called {
    let mut verdict = None;
    let outcome = match failure.kind {
        FailureKind::Retry => Outcome::NotSent,
        FailureKind::Refused => Outcome::Refused,
        FailureKind::ReplyTokenInvalid => Outcome::InvalidReplyToken,
        FailureKind::Unauthorized => Outcome::Unauthorized,
        FailureKind::Unknown => Outcome::Unknown,
        FailureKind::RateLimited => Outcome::RateLimited(None),
        FailureKind::QuotaUsedUp | FailureKind::QuotaReserved | FailureKind::TooMany | FailureKind::MonthlyLimit => {
            match sender.quotas.judge(&sender.tools, key, &access, failure.kind).await {
                Limit::Rate => Outcome::RateLimited(None),
                Limit::Month(told) => {
                    verdict = Some(told);
                    Outcome::MonthlyLimit
                }
            }
        }
    };
    metrics::counter!("tsunagi_messaging_line_failures_total", "kind" => failure.kind.to_string()).increment(1);
    Called::Not { outcome, failure: Some(failure), verdict, access: Some(access) }
}
