//! The replica of what identity-linking owns: tenants, accounts, LINE users, friendships.

use bus::Trouble;
use bus::replica::Replica;
use chassis::postgres::TenantTx;
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::ReplicaKind;

use crate::postgres::replica;
use crate::wake::{Wake, Wakes};

/// What is kept of identity-linking's aggregates; principals and staff have a replica of their own.
pub(crate) const KINDS: &[ReplicaKind] =
    &[ReplicaKind::Tenant, ReplicaKind::Account, ReplicaKind::LineUser, ReplicaKind::Friendship];

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
            Body::Principal(_)
            | Body::Organization(_)
            | Body::Staff(_)
            | Body::Customer(_)
            | Body::Activity(_)
            | Body::Link(_)
            | Body::Inquiry(_)
            | Body::AnswerRequested(_) => {}
        }
        if matches!(aggregate, Body::Tenant(_) | Body::Account(_)) {
            // A connected account or a lifted suspension may set a queue in motion.
            self.wakes.after(tx, Wake::Look);
        }
        Ok(())
    }
}
