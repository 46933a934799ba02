//! Notices by webhook: posted to the tenant's endpoint, signed, at least once.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chassis::Host;
use chassis::egress::{Egress, EgressError};
use chassis::failpoint;
use chassis::work_queue::{Crew, Job};
use futures::StreamExt as _;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use kernel::Timestamp;
use messaging_outbox_core::notice::attempt::{Outcome, of_status};
use messaging_outbox_core::notice::channel::NoticeChannel;
use messaging_outbox_core::notice::former;
use serde_json::json;
use zeroize::Zeroizing;

use super::{signature, telling};
use crate::postgres::notice::job::{Task, WEBHOOKS};
use crate::postgres::notice::webhook::{self, Webhook};
use crate::sender::Tools;

/// How endpoints are called. A call takes ten seconds at most.
const CREW: Crew = Crew {
    queue: WEBHOOKS,
    at_once: NonZeroUsize::new(16).unwrap(),
    lease: Duration::from_mins(1),
    look_every: Duration::from_secs(1),
};
/// The header that says which calls are the same.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Starts calling under `host`.
pub(crate) fn spawn(host: &Host, tools: Arc<Tools>, egress: Egress) {
    let database = tools.database.clone();
    let wakes = telling::wakes(&tools).boxed();
    CREW.spawn(host, "messaging.notice_webhook", &database, wakes, move |job| {
        let (tools, egress) = (Arc::clone(&tools), egress.clone());
        async move {
            if let Err(error) = tell(&tools, &egress, &job).await {
                // The job's lease runs out, and it is tried again.
                tracing::warn!(notice.id = %job.subject, error = format!("{error:#}"), "a notice's call cannot be settled now");
            }
        }
    });
}

async fn tell(tools: &Tools, egress: &Egress, job: &Job) -> anyhow::Result<()> {
    let Some(task) = telling::begin(tools, NoticeChannel::Webhook, job).await? else { return Ok(()) };
    let now = tools.clock.now();
    let outcome = match open(tools, job, now).await? {
        None => Outcome::NoChannel,
        Some((webhook, secrets)) => {
            let outcome = call(egress, &task, &webhook, &secrets, now).await;
            failpoint::reached("messaging.after_notice_webhook");
            if outcome == Outcome::Gone {
                let mut tx = tools.database.tenant(job.tenant).await?;
                webhook::stop(&mut tx, webhook.id).await?;
                tx.commit().await?;
            }
            outcome
        }
    };
    Ok(telling::end(tools, NoticeChannel::Webhook, job, &task, outcome, None).await?)
}

/// The endpoint and the secrets that sign now; none where there is none, or it wants no more.
async fn open(tools: &Tools, job: &Job, now: Timestamp) -> anyhow::Result<Option<(Webhook, Vec<Zeroizing<Vec<u8>>>)>> {
    let mut tx = tools.database.tenant(job.tenant).await?;
    let webhook = webhook::read(&mut tx).await?.filter(|webhook| webhook.stop_time.is_none());
    let Some(webhook) = webhook else { return Ok(None) };
    let former = webhook.former.as_ref().filter(|(_, until)| former::signs(*until, now));
    let purpose = signature::purpose(webhook.id);
    let mut secrets = Vec::with_capacity(2);
    for secret in [Some(&webhook.secret), former.map(|(secret, _)| secret)].into_iter().flatten() {
        secrets.push(tools.envelope.decrypt(&mut tx, &purpose, secret).await?);
    }
    tx.rollback().await?;
    Ok(Some((webhook, secrets)))
}

async fn call(
    egress: &Egress,
    task: &Task,
    webhook: &Webhook,
    secrets: &[Zeroizing<Vec<u8>>],
    now: Timestamp,
) -> Outcome {
    let Ok(target) = egress.target(&webhook.url) else { return Outcome::Refused };
    let body = body(task);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in [
        (IDEMPOTENCY_KEY, task.raised.notice.id.to_string()),
        (HeaderName::from_static(signature::HEADER), signature::sign(secrets, now, &body)),
    ] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    match egress.post(&target, headers, body).await {
        Ok(status) => of_status(status.as_u16()),
        Err(EgressError::Forbidden | EgressError::TooLarge) => Outcome::Refused,
        Err(EgressError::NotReached) => Outcome::NotNow,
        Err(EgressError::NoAnswer) => Outcome::Unknown,
    }
}

/// The same however often it is posted.
fn body(task: &Task) -> Bytes {
    let notice = &task.raised.notice;
    let time = |time: Timestamp| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let body = json!({
        "notice_id": notice.id,
        "kind": notice.kind.name(),
        "staff_id": notice.staff.to_string(),
        "title": notice.title,
        "body": notice.body,
        "create_time": time(task.raised.create_time),
        "expire_time": time(notice.expire),
    });
    body.to_string().into()
}
