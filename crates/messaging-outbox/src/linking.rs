//! What identity-linking has put into conversations: answers to what a LINE user did (`answer`), and inquiries (`inquiry`). One
//! transaction each, with its inbox row.

mod answer;
mod inquiry;

use std::sync::Arc;

use bus::consumer::key;
use bus::stream::Stream;
use bus::subject::{Family, Filter};
use bus::{ConsumerSpec, Handled, Handler, Incoming, Trouble};
use chassis::failpoint;
use chassis::postgres::TenantTx;
use contracts::events::v1::IdentityEvent;
use contracts::events::v1::identity_event::Body;
use kernel::{AccountId, Clock};
use line_types::id::UserId;
use messaging_outbox_core::chat::{Chat, ConversationKind};

use crate::wake::Wakes;
use answer::Answer;
use inquiry::Submission;

/// Handles `identity.v1` events that put something into conversations.
pub(crate) struct Linking {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) wakes: Wakes,
}

/// How they are consumed: what goes into one conversation, one after another.
pub(crate) fn spec() -> ConsumerSpec<IdentityEvent> {
    let heard = ["answer_requested", "inquiry"];
    ConsumerSpec {
        subjects: heard.map(|happened| Filter::Happened(Family::Identity, happened)).into(),
        ..ConsumerSpec::new("linking", Stream::Identity, order)
    }
}

fn order(event: &Incoming<IdentityEvent>) -> u64 {
    match &event.body.body {
        Some(Body::AnswerRequested(answer)) => key(&format!("{}{}", answer.account_id, answer.line_user_id)),
        Some(Body::Inquiry(inquiry)) => key(&format!("{}{}", inquiry.account_id, inquiry.line_user_id)),
        _ => key(&event.header.id),
    }
}

impl Handler for Linking {
    type Body = IdentityEvent;

    async fn handle(&self, tx: &mut TenantTx, event: &Incoming<IdentityEvent>) -> Result<Handled, Trouble> {
        let read = match &event.body.body {
            Some(Body::AnswerRequested(answer)) => Answer::of(answer).map(Said::Answer),
            Some(Body::Inquiry(inquiry)) => Submission::of(inquiry).map(Said::Inquiry),
            _ => return Ok(Handled::Done),
        };
        match read {
            Ok(Said::Answer(answer)) => self.answer(tx, &answer).await?,
            Ok(Said::Inquiry(inquiry)) => self.keep(tx, &inquiry).await?,
            Err(reason) => return Ok(Handled::Never(reason)),
        }
        failpoint::reached("messaging.after_linking");
        Ok(Handled::Done)
    }
}

enum Said {
    Answer(Answer),
    Inquiry(Submission),
}

/// The account, and its chat with a LINE user.
fn place(account_id: &str, line_user_id: &str) -> Result<(AccountId, Chat), &'static str> {
    let account = account_id.parse().map_err(|_| "no account ID")?;
    let user = UserId::parse(line_user_id).map_err(|_| "no LINE user ID")?;
    Ok((account, Chat::new(ConversationKind::User, user.as_str())))
}
