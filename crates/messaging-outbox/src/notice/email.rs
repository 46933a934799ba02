//! Notices by e-mail: handed to the operator's mail server. Its 250 is the end; an attempt of which nobody knows whether it was taken
//! is repeated once, with the same Message-ID.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use chassis::Host;
use chassis::failpoint;
use chassis::work_queue::{Crew, Job};
use futures::StreamExt as _;
use messaging_outbox_core::notice::attempt::{MOST_UNSURE_EMAILS, Outcome, may_try_email};
use messaging_outbox_core::notice::channel::NoticeChannel;

use super::mail::{Letter, Mailer};
use super::telling;
use crate::postgres::notice::job::{self, EMAILS, Task};
use crate::postgres::staff;
use crate::sender::Tools;

/// How e-mails are sent. One takes a minute and a half at most.
const CREW: Crew = Crew {
    queue: EMAILS,
    at_once: NonZeroUsize::new(8).unwrap(),
    lease: Duration::from_mins(3),
    look_every: Duration::from_secs(1),
};

/// Starts sending under `host`. Without a mailer what was to be sent has no channel.
pub(crate) fn spawn(host: &Host, tools: Arc<Tools>, mailer: Option<Mailer>) {
    let (database, mailer) = (tools.database.clone(), mailer.map(Arc::new));
    let wakes = telling::wakes(&tools).boxed();
    CREW.spawn(host, "messaging.notice_email", &database, wakes, move |job| {
        let (tools, mailer) = (Arc::clone(&tools), mailer.clone());
        async move {
            if let Err(error) = tell(&tools, mailer.as_deref(), &job).await {
                // The job's lease runs out, and it is tried again.
                tracing::warn!(notice.id = %job.subject, error = %error, "a notice's e-mail cannot be settled now");
            }
        }
    });
}

async fn tell(tools: &Tools, mailer: Option<&Mailer>, job: &Job) -> Result<(), sqlx::Error> {
    let Some(task) = telling::begin(tools, NoticeChannel::Email, job).await? else { return Ok(()) };
    let (outcome, unsure) = match letter(tools, mailer, job, &task).await? {
        Err(outcome) => (outcome, task.unsure),
        Ok(_) if !may_try_email(task.unsure) => (Outcome::Unknown, task.unsure),
        Ok((mailer, letter)) => match mailer.offer(&letter).await {
            Err(outcome) => (outcome, task.unsure),
            Ok(offered) => {
                // From here on, whoever dies leaves open whether it was taken.
                let mut tx = tools.database.tenant(job.tenant).await?;
                let ours = job::mark_unsure(&mut tx, NoticeChannel::Email, job).await?;
                tx.commit().await?;
                if !ours {
                    return Ok(());
                }
                failpoint::reached("messaging.before_notice_email");
                let outcome = offered.hand_over(&letter).await;
                failpoint::reached("messaging.after_notice_email");
                (outcome, task.unsure + 1)
            }
        },
    };
    telling::end(tools, NoticeChannel::Email, job, &task, outcome, Some((unsure, MOST_UNSURE_EMAILS))).await
}

/// The letter, and who sends it; or what comes of a notice without one.
async fn letter<'a>(
    tools: &Tools,
    mailer: Option<&'a Mailer>,
    job: &Job,
    task: &Task,
) -> Result<Result<(&'a Mailer, Letter), Outcome>, sqlx::Error> {
    let Some(mailer) = mailer else { return Ok(Err(Outcome::NoChannel)) };
    let notice = &task.raised.notice;
    let mut tx = tools.database.tenant(job.tenant).await?;
    let contact = staff::contacts(&mut tx, &[notice.staff.uuid()]).await?.pop();
    tx.rollback().await?;
    let reachable = contact.filter(|contact| contact.active && !contact.email.is_empty());
    let Some(contact) = reachable else { return Ok(Err(Outcome::NoChannel)) };
    let letter = mailer.letter(notice.id, &contact.email, &notice.title, &notice.body, task.raised.create_time);
    Ok(letter.map(|letter| (mailer, letter)).ok_or(Outcome::Refused))
}
