//! Which of an account's events are asked for.

use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::request::fields::Fields;
use contracts::access_proto::v1::Right;
use contracts::ingest::v1::{CountWebhookEventsRequest, ListWebhookEventsRequest};
use kernel::AccountId;
use line_types::id::UserId;
use tonic::Status;
use uuid::Uuid;
use webhook_ingest_core::{EVENT_TYPE_FORM, first_id, is_event_type};

use crate::vault::Vault;

/// Types asked for at once, at most.
const MOST_TYPES: usize = 20;

/// What a request asks for, as it was sent.
pub(super) struct Asked<'a> {
    pub(super) account_id: &'a str,
    pub(super) event_types: &'a [String],
    pub(super) line_user_id: &'a str,
    pub(super) start_time: Option<&'a prost_types::Timestamp>,
    pub(super) end_time: Option<&'a prost_types::Timestamp>,
}

impl<'a> From<&'a ListWebhookEventsRequest> for Asked<'a> {
    fn from(asked: &'a ListWebhookEventsRequest) -> Self {
        let ListWebhookEventsRequest { account_id, event_types, line_user_id, start_time, end_time, .. } = asked;
        Self { account_id, event_types, line_user_id, start_time: start_time.as_ref(), end_time: end_time.as_ref() }
    }
}

impl<'a> From<&'a CountWebhookEventsRequest> for Asked<'a> {
    fn from(asked: &'a CountWebhookEventsRequest) -> Self {
        let CountWebhookEventsRequest { account_id, event_types, line_user_id, start_time, end_time } = asked;
        Self { account_id, event_types, line_user_id, start_time: start_time.as_ref(), end_time: end_time.as_ref() }
    }
}

/// An account's events of certain types, of one LINE user, of a time.
pub(super) struct Filter {
    pub(super) account: Uuid,
    /// None: of every type.
    pub(super) types: Option<Vec<String>>,
    /// What the LINE user may be known by; none: of everybody.
    pub(super) users: Option<Vec<Uuid>>,
    /// The first ID and the first one behind the last.
    pub(super) span: (Uuid, Uuid),
}

impl Filter {
    /// Reads what is asked for. Notes what is wrong among `fields`.
    pub(super) fn read<'a>(
        asked: impl Into<Asked<'a>>,
        caller: &Caller,
        vault: &Vault,
        fields: &mut Fields,
    ) -> Option<Self> {
        let asked = asked.into();
        let account: Option<AccountId> = fields.id("account_id", asked.account_id);
        if asked.event_types.len() > MOST_TYPES {
            fields.wrong("event_types", "must be at most 20");
        }
        if !asked.event_types.iter().all(|text| is_event_type(text)) {
            fields.wrong("event_types", EVENT_TYPE_FORM);
        }
        let user = match asked.line_user_id {
            "" => Some(None),
            text => fields.take("line_user_id", UserId::parse(text).map_err(|_| "is not a LINE user ID")).map(Some),
        };
        let start = fields.optional_time("start_time", asked.start_time)?;
        let end = fields.optional_time("end_time", asked.end_time)?;
        if start.zip(end).is_some_and(|(start, end)| end <= start) {
            fields.wrong("end_time", "must be after start_time");
        }
        Some(Self {
            account: account?.uuid(),
            types: Some(asked.event_types.to_vec()).filter(|types| !types.is_empty()),
            users: user?.map(|user| vault.line_users(caller.tenant(), &user)),
            span: (start.map_or(Uuid::nil(), first_id), end.map_or(Uuid::max(), first_id)),
        })
    }

    /// Whether every event of the span is one that is asked for.
    pub(super) fn is_open(&self) -> bool {
        self.types.is_none() && self.users.is_none()
    }
}

/// Who asks for one LINE user's events must be one who may know LINE's user IDs (D-8).
///
/// # Errors
/// `PERMISSION_DENIED` with `RIGHT_MISSING`.
pub(super) fn may_name(caller: &Caller, line_user_id: &str) -> Result<(), Status> {
    if line_user_id.is_empty() || caller.has(Right::LineUserIdRead) {
        Ok(())
    } else {
        Err(refuse::denied("RIGHT_MISSING"))
    }
}
