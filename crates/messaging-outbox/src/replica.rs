//! The replica of what identity-linking owns: tenants, accounts, LINE users, friendships, customers, links.

use bus::Trouble;
use bus::replica::Replica;
use chassis::postgres::TenantTx;
use contracts::events::v1::LinkReplica;
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::ReplicaKind;

use crate::change;
use crate::postgres::link::{self, LinkIds};
use crate::postgres::replica;
use crate::wake::{Wake, Wakes};

/// What is kept of identity-linking's aggregates; principals and staff have a replica of their own.
pub(crate) const KINDS: &[ReplicaKind] = &[
    ReplicaKind::Tenant,
    ReplicaKind::Account,
    ReplicaKind::LineUser,
    ReplicaKind::Friendship,
    ReplicaKind::Customer,
    ReplicaKind::Link,
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
            Body::Tenant(tenant) => replica::put_tenant(tx, tenant).await?,
            Body::Account(account) => {
                let id = account.account_id.parse().map_err(|_| Trouble::failed(NoId("account")))?;
                let provider = account.provider_id.parse().map_err(|_| Trouble::failed(NoId("provider")))?;
                replica::put_account(tx, id, provider, account).await?;
            }
            Body::LineUser(user) => {
                let provider = user.provider_id.parse().map_err(|_| Trouble::failed(NoId("provider")))?;
                replica::put_line_user(tx, provider, user).await?;
            }
            Body::Friendship(friendship) => {
                let account = friendship.account_id.parse().map_err(|_| Trouble::failed(NoId("account")))?;
                replica::put_friendship(tx, account, friendship).await?;
            }
            Body::Customer(customer) => {
                let id = customer.customer_id.parse().map_err(|_| Trouble::failed(NoId("customer")))?;
                link::put_customer(tx, id, customer).await?;
            }
            Body::Link(link) => self.put_link(tx, link).await?,
            Body::Principal(_)
            | Body::Organization(_)
            | Body::Staff(_)
            | Body::Activity(_)
            | Body::Inquiry(_)
            | Body::AnswerRequested(_)
            | Body::StaffContact(_)
            | Body::StaffNoticeRequested(_) => {}
        }
        if matches!(aggregate, Body::Tenant(_) | Body::Account(_)) {
            // A connected account or a lifted suspension may set a queue in motion.
            self.wakes.after(tx, Wake::Look);
        }
        Ok(())
    }
}

impl Kept {
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
        }
        Ok(())
    }
}
