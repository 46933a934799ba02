//! What became of requests, as it is to be written.

use std::time::Duration;

use kernel::{MessageId, TenantId};
use line_client::{Accepted as LineAccepted, Failure as LineFailure};
use messaging_outbox_core::attempt::FailureKind;
use messaging_outbox_core::quota::QuotaVerdict;
use messaging_outbox_core::route::{self, SendMethod};
use messaging_outbox_core::send_gate::SendBarrier;
use messaging_outbox_core::state::MessageState;
use uuid::Uuid;

use super::request::Request;
use crate::postgres::account::AccountKey;
use crate::postgres::send_queue::Claimed;
use crate::postgres::settle::{Accepted, Failure, GivenUp, PutBack};

/// Why a message is given up.
#[derive(Clone, Debug)]
pub(super) struct Unsent {
    pub(super) state: MessageState,
    /// None: it was taken back, and nothing failed.
    pub(super) failure: Option<Failure>,
}

impl Unsent {
    /// LINE's last word, and what it means.
    pub(super) fn told(state: MessageState, kind: FailureKind, last: Option<&LineFailure>) -> Self {
        let mut failure = Failure::of(kind);
        if let Some(last) = last {
            failure.line_message = last.message.clone().unwrap_or_default();
            failure.line_details = last
                .details
                .iter()
                .map(|d| {
                    format!(
                        "{}: {}",
                        d.property.as_deref().unwrap_or_default(),
                        d.message.as_deref().unwrap_or_default()
                    )
                })
                .collect();
            failure.line_request = last.request_id.clone().unwrap_or_default();
            failure.http_status = last.status.map_or(0, i32::from);
        }
        Self { state, failure: Some(failure) }
    }

    /// What it reminds of does not stand any more.
    pub(super) fn taken_back() -> Self {
        Self { state: MessageState::Cancelled, failure: None }
    }

    /// Something came between queueing and sending.
    pub(super) fn barred(barrier: SendBarrier) -> Self {
        Self { state: MessageState::Refused, failure: Some(Failure::barred(barrier)) }
    }

    /// Its time is over, or only a reply was allowed and no token was left.
    pub(super) fn expired() -> Self {
        Self::told(MessageState::Refused, FailureKind::Expired, None)
    }

    /// The content is gone.
    pub(super) fn erased() -> Self {
        let mut unsent = Self::told(MessageState::Refused, FailureKind::Refused, None);
        if let Some(failure) = &mut unsent.failure {
            failure.line_details = vec!["CONTENT_ERASED".to_owned()];
        }
        unsent
    }
}

/// What became of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Settlement {
    pub(super) tenant: Option<TenantId>,
    pub(super) accepted: Vec<Accepted>,
    pub(super) given_up: Vec<GivenUp>,
    pub(super) put_back: Vec<PutBack>,
}

impl Settlement {
    /// The messages of the class whose conversations change with them.
    pub(super) fn urgent(&self) -> Vec<Uuid> {
        let accepted = self.accepted.iter().map(|one| (one.class, one.message));
        let given_up = self.given_up.iter().map(|one| (one.class, one.message));
        let put_back = self.put_back.iter().map(|one| (one.class, one.message));
        let all = accepted.chain(given_up).chain(put_back);
        all.filter(|(class, _)| *class == route::CONVERSATION).map(|(_, message)| message.uuid()).collect()
    }

    /// LINE accepted it.
    pub(super) fn accepted(key: AccountKey, epoch: i64, request: &Request, answer: &LineAccepted) -> Self {
        let line_request = answer.accepted_request_id.clone().or_else(|| answer.request_id.clone());
        let accepted = request.parts.iter().enumerate().map(|(place, part)| {
            let sent = answer.sent.get(place);
            Accepted {
                account: key.account,
                class: request.class,
                message: part.message,
                epoch,
                method: request.method,
                leads: place == 0,
                line_message: sent.map(|sent| sent.id.as_str().to_owned()),
                quote_token: sent.and_then(|sent| sent.quote_token.clone()),
                line_request: line_request.clone(),
            }
        });
        Self { tenant: Some(key.tenant), accepted: accepted.collect(), ..Self::default() }
    }

    /// It is given up.
    pub(super) fn given_up(
        key: AccountKey,
        epoch: i64,
        messages: impl Iterator<Item = (i16, MessageId)>,
        unsent: Unsent,
        attempts: u16,
    ) -> Self {
        let failure = unsent.failure.map(|failure| Failure { attempts: i32::from(attempts), ..failure });
        let state = unsent.state;
        let one =
            |(class, message)| GivenUp { account: key.account, class, message, epoch, state, failure: failure.clone() };
        Self { tenant: Some(key.tenant), given_up: messages.map(one).collect(), ..Self::default() }
    }

    /// One message goes back as it was claimed.
    pub(super) fn put_back(key: AccountKey, epoch: i64, row: &Claimed, wait: Duration) -> Self {
        let back = PutBack {
            account: key.account,
            class: row.class,
            message: row.message,
            epoch,
            wait,
            attempts: row.attempts.saturating_sub(1),
            in_doubt: row.in_doubt,
            frozen: row.in_doubt,
            short: None,
            may_yet_reply: false,
        };
        Self { tenant: Some(key.tenant), put_back: vec![back], ..Self::default() }
    }

    /// A request goes back for a while. `short`: for want of quota.
    pub(super) fn request_put_back(
        key: AccountKey,
        epoch: i64,
        request: &Request,
        wait: Duration,
        short: Option<QuotaVerdict>,
    ) -> Self {
        let last = request.last.as_ref().filter(|last| last.status == Some(429));
        let short = short.and_then(|verdict| Unsent::told(MessageState::WaitingForQuota, verdict.into(), last).failure);
        let may_yet_reply =
            request.method == SendMethod::Push && route::may_yet_reply(request.class, request.policy, request.in_doubt);
        let back = request.parts.iter().map(|part| PutBack {
            account: key.account,
            class: request.class,
            message: part.message,
            epoch,
            wait,
            attempts: part.earlier_attempts.saturating_add(request.calls),
            in_doubt: request.in_doubt,
            frozen: request.in_doubt,
            short: short.clone(),
            may_yet_reply,
        });
        Self { tenant: Some(key.tenant), put_back: back.collect(), ..Self::default() }
    }

    /// The same, each message by itself.
    pub(super) fn each(&self) -> Vec<Self> {
        let of = || Self { tenant: self.tenant, ..Self::default() };
        let accepted = self.accepted.iter().map(|one| Self { accepted: vec![one.clone()], ..of() });
        let given_up = self.given_up.iter().map(|one| Self { given_up: vec![one.clone()], ..of() });
        let put_back = self.put_back.iter().map(|one| Self { put_back: vec![one.clone()], ..of() });
        accepted.chain(given_up).chain(put_back).collect()
    }

    /// In the place of what cannot be written: nobody can find out what became of these messages.
    pub(super) fn uncertain(&self) -> Self {
        let unsent = Unsent::told(MessageState::Uncertain, FailureKind::UnknownOutcome, None);
        let given_up = |(account, class, message, epoch)| GivenUp {
            account,
            class,
            message,
            epoch,
            state: unsent.state,
            failure: unsent.failure.clone(),
        };
        let accepted = self.accepted.iter().map(|one| (one.account, one.class, one.message, one.epoch));
        let given = self.given_up.iter().map(|one| (one.account, one.class, one.message, one.epoch));
        let put_back = self.put_back.iter().map(|one| (one.account, one.class, one.message, one.epoch));
        let given_up = accepted.chain(given).chain(put_back).map(given_up).collect();
        Self { tenant: self.tenant, given_up, ..Self::default() }
    }

    /// The messages it is about.
    pub(super) fn messages(&self) -> impl Iterator<Item = MessageId> {
        let accepted = self.accepted.iter().map(|one| one.message);
        let given_up = self.given_up.iter().map(|one| one.message);
        accepted.chain(given_up).chain(self.put_back.iter().map(|one| one.message))
    }
}
