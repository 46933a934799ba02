//! What became of reminders, listed (F-107).

use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::page::{Page, Part};
use contracts::messaging::v1 as wire;
use contracts::messaging::v1::reminder_service_server::ReminderService;
use contracts::timestamp;
use kernel::ActivityId;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Desk, field};
use crate::postgres::reminder::{self, Listed, Listing};

#[tonic::async_trait]
impl ReminderService for Desk {
    async fn list_reminders(
        &self,
        request: Request<wire::ListRemindersRequest>,
    ) -> Result<Response<wire::ListRemindersResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let page = Page::<Uuid>::asked(caller.tenant(), &request)?;
        let activity: Option<ActivityId> = field::optional_id("activity_id", &request.activity_id)?;
        let made = match wire::ReminderState::try_from(request.state) {
            Ok(wire::ReminderState::Unspecified) => None,
            Ok(wire::ReminderState::Made) => Some(true),
            Ok(wire::ReminderState::NotSent) => Some(false),
            Err(_) => return Err(refuse::invalid("state", "is not a state")),
        };
        let sight = caller.sight();
        let mut part = Part::of(&page, &sight);
        let mut tx = self.database().tenant(caller.tenant()).await.map_err(refuse::database)?;
        while let Some(look) = part.look() {
            let listing = Listing { activity, made, before: look.after, limit: look.rows };
            let mut found = reminder::list(&mut tx, &listing).await.map_err(refuse::database)?;
            let looked = found.iter().map(|one| one.id).collect();
            found.retain(|one| sight.takes_in(one.organization));
            part.add(looked, found);
        }
        tx.rollback().await.map_err(refuse::database)?;
        let (found, next_page_token) = part.cut(|last| last.id);
        Ok(Response::new(wire::ListRemindersResponse {
            next_page_token,
            reminders: found.iter().map(to_wire).collect(),
        }))
    }
}

fn to_wire(of: &Listed) -> wire::Reminder {
    let id = |id: Option<Uuid>| id.as_ref().map(Uuid::to_string).unwrap_or_default();
    let state = if of.message.is_some() { wire::ReminderState::Made } else { wire::ReminderState::NotSent };
    let message_state = of.message.and_then(|(_, state)| state);
    wire::Reminder {
        reminder_id: of.id.to_string(),
        activity_id: of.activity.to_string(),
        rule_id: of.rule.to_string(),
        customer_id: id(of.customer),
        start_time: Some(timestamp(of.start)),
        due_time: Some(timestamp(of.due)),
        reminder_time: Some(timestamp(of.time)),
        state: state.into(),
        reason: of.reason.map_or(0, i32::from),
        message_id: id(of.message.map(|(message, _)| message)),
        message_state: message_state.map_or(0, |state| i32::from(state.code())),
    }
}
