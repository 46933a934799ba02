//! What LINE users are told in the chat: asked of messaging-outbox, which alone sends.

use chassis::postgres::TenantTx;
use chrono::TimeDelta;
use contracts::events::v1::AnswerRequested;
use contracts::events::v1::identity_event::Body;
use contracts::timestamp;
use identity_linking_core::link::Answer;
use kernel::{AccountId, Timestamp};
use line_types::id::UserId;
use uuid::Uuid;

use crate::change::{self, ChangeError, Subject};

/// How long an answer to something a LINE user did may wait: whoever did it looks at the chat.
const WORTH: TimeDelta = TimeDelta::minutes(20);
/// How long something may wait that a LINE user is told unasked.
const UNASKED_WORTH: TimeDelta = TimeDelta::hours(24);

/// To whom something is said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct To<'a> {
    pub(crate) account: AccountId,
    pub(crate) user: &'a UserId,
}

/// Answers a webhook event of `occur_time`. The same event has the same answer's ID.
pub(crate) async fn to_event(
    tx: &mut TenantTx,
    now: Timestamp,
    to: To<'_>,
    (event_id, occur_time): (&str, Timestamp),
    answer: &Answer,
) -> Result<(), ChangeError> {
    let id = Uuid::new_v5(&to.account.uuid(), format!("answer/{event_id}").as_bytes());
    ask(tx, now, to, (id, event_id, occur_time + WORTH), answer).await
}

/// Tells a LINE user something unasked.
pub(crate) async fn unasked(
    tx: &mut TenantTx,
    now: Timestamp,
    to: To<'_>,
    id: Uuid,
    answer: &Answer,
) -> Result<(), ChangeError> {
    ask(tx, now, to, (id, "", now + UNASKED_WORTH), answer).await
}

async fn ask(
    tx: &mut TenantTx,
    now: Timestamp,
    to: To<'_>,
    (id, event_id, expire_time): (Uuid, &str, Timestamp),
    answer: &Answer,
) -> Result<(), ChangeError> {
    let body = Body::AnswerRequested(AnswerRequested {
        answer_id: id.to_string(),
        account_id: to.account.to_string(),
        line_user_id: to.user.as_str().to_owned(),
        webhook_event_id: event_id.to_owned(),
        line_objects: vec![answer.line_object().to_string()],
        expire_time: Some(timestamp(expire_time)),
    });
    change::announce(tx, Subject { kind: "answer", id, version: 1 }, now, body).await
}
