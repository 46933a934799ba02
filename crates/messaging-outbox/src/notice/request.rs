//! What identity-linking wants staff to hear of: who hears it, and in which words, is decided here (F-70, F-71).

use std::time::Duration;

use bus::consumer::key;
use bus::stream::Stream;
use bus::subject::{Family, Filter};
use bus::{ConsumerSpec, Handled, Handler, Incoming, Trouble};
use chassis::postgres::TenantTx;
use chassis::{ClockTurn, failpoint};
use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{IdentityEvent, StaffNoticeKind, StaffNoticeRequested};
use kernel::{OrganizationId, Timestamp};
use messaging_outbox_core::notice::recipient::hears;
use messaging_outbox_core::notice::text::{self, Words};
use messaging_outbox_core::notice::{NoticeKind, WORTH_TELLING, id_for, waits_for_name};
use uuid::Uuid;

use super::{Channels, Notice, raise};
use crate::postgres::staff;
use crate::{database_clock, trouble};

/// How long a notice waits for its LINE user's name before it is looked at again.
const NAMELESS_FOR: Duration = Duration::from_secs(1);

/// Handles `staff_notice_requested`.
pub(crate) struct Requests {
    pub(crate) channels: Channels,
    pub(crate) turn: ClockTurn,
}

/// The profile of whom it is about has not been heard of.
#[derive(Debug, thiserror::Error)]
#[error("the LINE user of a notice has no name yet")]
struct Nameless;

/// How they are consumed: each by itself.
pub(crate) fn spec() -> ConsumerSpec<IdentityEvent> {
    ConsumerSpec {
        subjects: vec![Filter::Happened(Family::Identity, "staff_notice_requested")],
        ..ConsumerSpec::new("staff_notices", Stream::Identity, |event: &Incoming<IdentityEvent>| key(&event.header.id))
    }
}

impl Handler for Requests {
    type Body = IdentityEvent;

    async fn handle(&self, tx: &mut TenantTx, event: &Incoming<IdentityEvent>) -> Result<Handled, Trouble> {
        let Some(Body::StaffNoticeRequested(asked)) = &event.body.body else { return Ok(Handled::Done) };
        match Matter::of(asked) {
            Ok(matter) => self.tell(tx, &matter, event.header.time).await?,
            Err(reason) => return Ok(Handled::Never(reason)),
        }
        failpoint::reached("messaging.after_staff_notice");
        Ok(Handled::Done)
    }
}

/// Something that staff are to hear of.
struct Matter {
    id: Uuid,
    kind: NoticeKind,
    /// None: it belongs to no organization.
    organization: Option<OrganizationId>,
    account: Option<Uuid>,
    line_user: String,
    expire: Timestamp,
}

impl Matter {
    fn of(asked: &StaffNoticeRequested) -> Result<Self, &'static str> {
        let optional = |text: &str| if text.is_empty() { Ok(None) } else { Uuid::try_parse(text).map(Some) };
        let kind = match asked.kind() {
            StaffNoticeKind::Unspecified => return Err("no kind of notice"),
            StaffNoticeKind::FriendAdded => NoticeKind::FriendAdded,
            StaffNoticeKind::LinkHeld => NoticeKind::LinkHeld,
            StaffNoticeKind::TakeoverRequested => NoticeKind::TakeoverRequested,
            StaffNoticeKind::ChatModeOn => NoticeKind::ChatModeOn,
        };
        let occur_time = asked.occur_time.as_ref().and_then(contracts::to_timestamp).ok_or("no time")?;
        Ok(Self {
            id: Uuid::try_parse(&asked.notice_id).map_err(|_| "no notice ID")?,
            kind,
            organization: optional(&asked.organization_id).map_err(|_| "no organization ID")?.map(OrganizationId::from),
            account: optional(&asked.account_id).map_err(|_| "no account ID")?,
            line_user: asked.line_user_id.clone(),
            expire: occur_time.checked_add_signed(WORTH_TELLING).ok_or("no time")?,
        })
    }
}

impl Requests {
    /// Tells everybody whom it concerns of a matter that was said at `said`.
    async fn tell(&self, tx: &mut TenantTx, matter: &Matter, said: Timestamp) -> Result<(), Trouble> {
        let Some(organization) = matter.organization else { return Ok(()) };
        let members = staff::members(tx, organization).await?;
        let recipients: Vec<_> =
            members.iter().filter(|(_, member)| hears(member, matter.organization)).map(|(staff, _)| *staff).collect();
        if recipients.is_empty() {
            return Ok(());
        }
        let (who, account) = staff::names(tx, matter.account, &matter.line_user).await?;
        if !matter.line_user.is_empty() && who.is_empty() {
            let now = database_clock::now(tx, &self.turn).await?;
            if waits_for_name(said, now) {
                return Err(Trouble::unavailable(NAMELESS_FOR, Nameless));
            }
        }
        let Some(Words { title, body }) = text::of(matter.kind, &who, &account) else { return Ok(()) };
        let notice = |staff: kernel::StaffId| Notice {
            id: id_for(matter.id, staff.uuid()),
            staff,
            kind: matter.kind,
            title: title.clone(),
            body: body.clone(),
            expire: matter.expire,
        };
        let notices: Vec<Notice> = recipients.into_iter().map(notice).collect();
        raise(tx, &self.channels, &notices).await.map_err(trouble::of)?;
        Ok(())
    }
}
