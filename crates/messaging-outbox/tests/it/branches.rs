//! A tenant with branches: staff who work for some of them, accounts and customers that belong to one.

use chassis::seal;
use chrono::TimeDelta;
use contracts::access_proto::v1::Right;
use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{
    AccountReplica, AccountState, Assurance, ChannelCredential, ChannelCredentialKind, CustomerReplica, LinkReplica,
    OrganizationReplica, SealedSecret, StaffReplica,
};
use contracts::messaging::v1 as wire;
use contracts::timestamp;
use kernel::{Clock as _, StaffId, SystemClock};
use testkit::eventually;
use uuid::Uuid;

use crate::house::House;
use crate::world::{SOON, Tenant, World};

impl World {
    /// A branch of that name.
    pub(crate) async fn branch(&self, tenant: &Tenant, name: &str) -> Uuid {
        let id = Uuid::new_v4();
        let organization =
            OrganizationReplica { organization_id: id.to_string(), version: 1, display_name: name.to_owned() };
        self.say(tenant, Body::Organization(organization)).await;
        id
    }

    /// Somebody who works for these branches and is no administrator, once the service knows.
    pub(crate) async fn member(&self, house: &House, tenant: &Tenant, branches: &[Uuid]) -> StaffId {
        let id = StaffId::from(Uuid::new_v4());
        self.works_for(tenant, id, 1, branches).await;
        eventually(SOON, || async {
            let request = tenant.as_member(id, wire::ListConversationsRequest::default());
            house.conversations(tenant).list_conversations(request).await.map(drop).map_err(|status| status.code())
        })
        .await
        .unwrap();
        id
    }

    /// Says for which branches somebody works.
    pub(crate) async fn works_for(&self, tenant: &Tenant, member: StaffId, version: i64, branches: &[Uuid]) {
        let staff = StaffReplica {
            staff_id: member.to_string(),
            version,
            display_name: "Tanaka".to_owned(),
            organization_ids: branches.iter().map(Uuid::to_string).collect(),
            rights: (1..=27).filter_map(|right| Right::try_from(right).ok()).map(i32::from).collect(),
            administrator: false,
            active: true,
        };
        self.say(tenant, Body::Staff(staff)).await;
    }

    /// Says whose the tenant's account is, and whose its new friends are.
    pub(crate) async fn account_of(&self, tenant: &Tenant, version: i64, owner: Option<Uuid>, default: Option<Uuid>) {
        let ciphertext = seal::seal(&self.seal_key.public(), tenant.card.access_token.as_bytes()).unwrap();
        let id = |of: Option<Uuid>| of.as_ref().map(Uuid::to_string).unwrap_or_default();
        let account = AccountReplica {
            account_id: tenant.account.to_string(),
            version,
            provider_id: tenant.provider.to_string(),
            channel_id: tenant.card.channel_id.as_str().to_owned(),
            state: AccountState::Connected.into(),
            credential: Some(ChannelCredential {
                kind: ChannelCredentialKind::LongLivedToken.into(),
                material: Some(SealedSecret {
                    recipient: "messaging".to_owned(),
                    key_id: self.seal_key.public().id(),
                    ciphertext,
                    expire_time: None,
                }),
                key_id: String::new(),
            }),
            owner_organization_id: id(owner),
            default_organization_id: id(default),
            ..Default::default()
        };
        self.say(tenant, Body::Account(account)).await;
    }
}

/// A customer of a branch, or of none.
pub(crate) fn customer_of(id: Uuid, version: i64, branch: Option<Uuid>) -> Body {
    Body::Customer(CustomerReplica {
        customer_id: id.to_string(),
        version,
        family_name: "山田".to_owned(),
        organization_id: branch.map(|id| id.to_string()).unwrap_or_default(),
        ..Default::default()
    })
}

/// A link of a customer and a LINE user, ended or not.
pub(crate) fn link_of(tenant: &Tenant, id: Uuid, version: i64, customer: Uuid, line_user: &str, ended: bool) -> Body {
    let at = |seconds| Some(timestamp(SystemClock.now() + TimeDelta::seconds(seconds)));
    Body::Link(LinkReplica {
        link_id: id.to_string(),
        version,
        customer_id: customer.to_string(),
        provider_id: tenant.provider.to_string(),
        line_user_id: line_user.to_owned(),
        assurance: Assurance::Name.into(),
        create_time: at(-60),
        end_time: if ended { at(-1) } else { None },
    })
}

/// A LINE user, and a message of it, as LINE tells it.
pub(crate) fn written_by(number: u32) -> (String, String) {
    let (user, number) = (format!("U{number:032x}"), number + 1);
    let event = serde_json::json!({"type": "message", "mode": "active",
        "timestamp": 1_700_000_000_000i64 + i64::from(number), "source": {"type": "user", "userId": user},
        "webhookEventId": format!("01FZ74A0TDDPYRVKN{number:09}"), "deliveryContext": {"isRedelivery": false},
        "message": {"id": format!("{number}"), "type": "text", "text": format!("line {number}")}});
    (user, event.to_string())
}

impl House {
    /// The conversations somebody of the staff sees, by a filter.
    pub(crate) async fn seen_by(
        &self,
        tenant: &Tenant,
        member: StaffId,
        request: &wire::ListConversationsRequest,
    ) -> Vec<wire::Conversation> {
        let mut request = request.clone();
        let mut all = Vec::new();
        loop {
            let asked = tenant.as_member(member, request.clone());
            let page = self.conversations(tenant).list_conversations(asked).await.unwrap().into_inner();
            all.extend(page.conversations);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                return all;
            }
        }
    }

    /// Waits until so many conversations are seen by somebody.
    pub(crate) async fn until_seen_by(&self, tenant: &Tenant, member: StaffId, count: usize) {
        eventually(SOON, || async {
            let seen = self.seen_by(tenant, member, &wire::ListConversationsRequest::default()).await.len();
            if seen == count { Ok(()) } else { Err(seen) }
        })
        .await
        .unwrap();
    }
}
