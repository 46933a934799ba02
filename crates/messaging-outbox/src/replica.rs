//! The replica of what identity-linking owns: tenants, organizations, accounts, LINE users, friendships, customers, reservations, links,
//! how staff can be reached, shares in staff accounts of the operator's.

use bus::Trouble;
use bus::replica::Replica;
use chassis::postgres::TenantTx;
use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{
    AccountReplica, ActivityReplica, LinkReplica, StaffAccountShareReplica, StaffContactReplica,
};
use contracts::identity::v1::ReplicaKind;
use kernel::{AccountId, StaffId, TenantId};
use uuid::Uuid;

use crate::postgres::link::{self, LinkIds};
use crate::postgres::placing::{self, Matter};
use crate::postgres::replica::{self as rows, AccountIds};
use crate::postgres::{
    account, activity, organization, reminder, reminder_wait, staff, staff_account_share, staff_bar,
};
use crate::wake::{Wake, Wakes};
use crate::{change, notice, reminding, trouble};

/// What is kept of identity-linking's aggregates; principals and staff have a replica of their own.
pub(crate) const KINDS: &[ReplicaKind] = &[
    ReplicaKind::Tenant,
    ReplicaKind::Organization,
    ReplicaKind::Account,
    ReplicaKind::LineUser,
    ReplicaKind::Friendship,
    ReplicaKind::Customer,
    ReplicaKind::Activity,
    ReplicaKind::Link,
    ReplicaKind::StaffContact,
    ReplicaKind::StaffAccountShare,
    ReplicaKind::LinkPolicy,
];

/// Keeps them.
pub(crate) struct Kept {
    pub(crate) wakes: Wakes,
}

/// An aggregate whose ID is none.
#[derive(Debug, thiserror::Error)]
#[error("the replica has no {0} ID")]
struct NoId(&'static str);

impl Replica for Kept {
    async fn put(&self, tx: &mut TenantTx, aggregate: &Body) -> Result<(), Trouble> {
        match aggregate {
            Body::Tenant(tenant) => {
                rows::put_tenant(tx, tenant).await?;
                staff_bar::job::mark_all(tx).await?;
            }
            Body::Organization(organization) => {
                let id = organization.organization_id.parse().map_err(|_| Trouble::failed(NoId("organization")))?;
                organization::put(tx, id, organization).await?;
            }
            Body::Account(account) => self.put_account(tx, account).await?,
            Body::LineUser(user) => {
                let provider = user.provider_id.parse().map_err(|_| Trouble::failed(NoId("provider")))?;
                rows::put_line_user(tx, provider, user).await?;
            }
            Body::Friendship(friendship) => {
                let account = friendship.account_id.parse().map_err(|_| Trouble::failed(NoId("account")))?;
                rows::put_friendship(tx, account, friendship).await?;
            }
            Body::Customer(customer) => {
                let id = customer.customer_id.parse().map_err(|_| Trouble::failed(NoId("customer")))?;
                let organization = optional(&customer.organization_id, "organization")?;
                if link::put_customer(tx, id, organization, customer).await? {
                    self.place(tx, Matter::Customer(id)).await?;
                }
            }
            Body::Activity(activity) => self.put_activity(tx, activity).await?,
            Body::Link(link) => self.put_link(tx, link).await?,
            Body::StaffContact(contact) => put_contact(tx, contact).await?,
            Body::StaffAccountShare(share) => put_share(tx, share).await?,
            Body::LinkPolicy(policy) => reminder::put_policy(tx, policy).await?,
            Body::Principal(_)
            | Body::Staff(_)
            | Body::Inquiry(_)
            | Body::AnswerRequested(_)
            | Body::StaffNoticeRequested(_) => {}
        }
        if matches!(aggregate, Body::Tenant(_) | Body::Account(_) | Body::StaffAccountShare(_)) {
            // A connected account, a share in one or a lifted suspension may set a queue in motion.
            self.wakes.after(tx, Wake::Look);
        }
        Ok(())
    }
}

/// An ID; none where the text is empty.
fn optional(text: &str, of: &'static str) -> Result<Option<Uuid>, Trouble> {
    let id = (!text.is_empty()).then(|| text.parse().map_err(|_| Trouble::failed(NoId(of))));
    id.transpose()
}

/// Keeps how a staff member can be reached, and takes back what would reach the member otherwise.
async fn put_contact(tx: &mut TenantTx, replica: &StaffContactReplica) -> Result<(), Trouble> {
    let staff: StaffId = replica.staff_id.parse().map_err(|_| Trouble::failed(NoId("staff")))?;
    let account = optional(&replica.account_id, "account")?;
    let before = staff::line_of(tx, staff).await?;
    // On the account where the member was, and where the member is.
    staff_bar::job::mark_of(tx, staff).await?;
    if staff::put_contact(tx, staff, account, replica).await? {
        staff_bar::job::mark_of(tx, staff).await?;
        if staff::line_of(tx, staff).await? != before {
            notice::withdraw(tx, staff).await?;
        }
    }
    Ok(())
}

/// Keeps a tenant's share in a staff account of the operator's.
async fn put_share(tx: &mut TenantTx, replica: &StaffAccountShareReplica) -> Result<(), Trouble> {
    let account: AccountId = replica.account_id.parse().map_err(|_| Trouble::failed(NoId("account")))?;
    let home: TenantId = replica.home_tenant_id.parse().map_err(|_| Trouble::failed(NoId("home tenant")))?;
    staff_account_share::put(tx, account, home, replica).await?;
    // Who is bound there may have been heard of before.
    Ok(staff_bar::job::mark(tx, account).await?)
}

impl Kept {
    /// Has it looked at whose conversations are that `matter` concerns.
    async fn place(&self, tx: &mut TenantTx, matter: Matter) -> Result<(), Trouble> {
        placing::look_at(tx, &[matter]).await?;
        self.wakes.after(tx, Wake::Placing);
        Ok(())
    }

    /// Keeps a reservation, and takes back reminders of what it was; of other activities nobody is reminded.
    async fn put_activity(&self, tx: &mut TenantTx, replica: &ActivityReplica) -> Result<(), Trouble> {
        if replica.kind != "RESERVATION" {
            return Ok(());
        }
        let activity = replica.activity_id.parse().map_err(|_| Trouble::failed(NoId("activity")))?;
        let customer = replica.customer_id.parse().map_err(|_| Trouble::failed(NoId("customer")))?;
        if activity::put(tx, activity, customer, replica).await? {
            reminder_wait::wake_for(tx, activity).await?;
            reminding::withdraw(tx, &self.wakes, activity).await.map_err(trouble::of)?;
        }
        Ok(())
    }

    async fn put_account(&self, tx: &mut TenantTx, replica: &AccountReplica) -> Result<(), Trouble> {
        let id: Uuid = replica.account_id.parse().map_err(|_| Trouble::failed(NoId("account")))?;
        let ids = AccountIds {
            account: id,
            provider: replica.provider_id.parse().map_err(|_| Trouble::failed(NoId("provider")))?,
            owner: optional(&replica.owner_organization_id, "owner organization")?,
            default: optional(&replica.default_organization_id, "default organization")?,
        };
        let before = account::for_staff(tx, &[id]).await?;
        let moved = rows::put_account(tx, ids, replica).await?;
        let after = account::for_staff(tx, &[id]).await?;
        if moved || after != before {
            self.place(tx, Matter::Account(id.into())).await?;
        }
        for account in after {
            staff_bar::job::mark(tx, account).await?;
        }
        Ok(())
    }

    /// Keeps a link, and tells watchers that the LINE user's conversations are another customer's now, or nobody's.
    async fn put_link(&self, tx: &mut TenantTx, replica: &LinkReplica) -> Result<(), Trouble> {
        let id = |text: &str, of| text.parse().map_err(|_| Trouble::failed(NoId(of)));
        let ids = LinkIds {
            link: id(&replica.link_id, "link")?,
            customer: id(&replica.customer_id, "customer")?,
            provider: id(&replica.provider_id, "provider")?,
        };
        if link::put(tx, ids, replica).await? {
            let changed = link::bump_conversations(tx, ids.provider, &replica.line_user_id).await?;
            change::note(tx, &self.wakes, &changed).await?;
            self.place(tx, Matter::Link(ids.link)).await?;
            reminder_wait::wake_of(tx, ids.customer.into()).await?;
        }
        Ok(())
    }
}
