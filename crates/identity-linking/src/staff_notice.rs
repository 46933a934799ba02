//! What staff are to hear of, asked of messaging-outbox, which knows whom and how (F-70). Nobody is asked where no organization is
//! set (F-71).

use chassis::postgres::TenantTx;
use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{StaffNoticeKind as WireKind, StaffNoticeRequested};
use contracts::timestamp;
use identity_linking_core::account::OfficialAccount;
use identity_linking_core::staff::NoticeKind;
use identity_linking_core::visibility::responsible;
use kernel::{AccountId, CustomerId, OrganizationId, Timestamp};
use line_types::id::UserId;
use uuid::Uuid;

use crate::change::{self, ChangeError, Subject};
use crate::postgres::{account, customer};

/// Something that staff are to hear of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matter<'a> {
    pub(crate) kind: NoticeKind,
    /// What it is about.
    pub(crate) subject: Uuid,
    /// Tells this occasion from others about the same: the same occasion has the same notice.
    pub(crate) occasion: &'a str,
    /// The official account it is about.
    pub(crate) account: AccountId,
    /// Whom it is about.
    pub(crate) user: Option<&'a UserId>,
    /// When it happened.
    pub(crate) occur_time: Timestamp,
}

/// Asks that staff hear of something about an account, and of a customer where it is about one.
pub(crate) async fn ask(
    tx: &mut TenantTx,
    now: Timestamp,
    matter: Matter<'_>,
    of: Option<CustomerId>,
) -> Result<(), ChangeError> {
    let account = account::find(tx, matter.account).await?.ok_or(sqlx::Error::RowNotFound)?.stored.value;
    let organization = match of {
        Some(id) => customer::find(tx, id).await?.and_then(|found| found.stored.value.organization),
        None => None,
    };
    ask_of(tx, now, matter, &account, organization).await
}

/// The same of an account that is known, and of the organization of the customer it is about.
pub(crate) async fn ask_of(
    tx: &mut TenantTx,
    now: Timestamp,
    matter: Matter<'_>,
    account: &OfficialAccount,
    customer: Option<OrganizationId>,
) -> Result<(), ChangeError> {
    let Some(organization) = responsible(customer, account.organization_of_friends()) else { return Ok(()) };
    let Matter { kind, subject, occasion, user, occur_time, .. } = matter;
    let id = Uuid::new_v5(&subject, format!("staff_notice/{}/{occasion}", kind.as_str()).as_bytes());
    let body = Body::StaffNoticeRequested(StaffNoticeRequested {
        notice_id: id.to_string(),
        kind: wire_kind(kind).into(),
        organization_id: organization.to_string(),
        account_id: matter.account.to_string(),
        line_user_id: user.map(UserId::as_str).unwrap_or_default().to_owned(),
        subject_id: subject.to_string(),
        occur_time: Some(timestamp(occur_time)),
    });
    metrics::counter!("tsunagi_identity_staff_notices_total", "kind" => kind.as_str()).increment(1);
    change::announce(tx, Subject { kind: "staff_notice", id, version: 1 }, now, body).await
}

fn wire_kind(kind: NoticeKind) -> WireKind {
    WireKind::from_str_name(&format!("STAFF_NOTICE_KIND_{}", kind.as_str())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_and_the_wire_know_the_same_kinds() {
        assert!(NoticeKind::ALL.iter().all(|one| wire_kind(*one) != WireKind::Unspecified));
    }
}
