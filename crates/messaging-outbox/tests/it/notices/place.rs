//! A tenant with a staff account and staff who can be reached.

use contracts::access_proto::v1::Right;
use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{self as events, AccountPurpose, AccountState, StaffNoticeKind};
use contracts::messaging::v1 as wire;
use contracts::timestamp;
use kernel::{AccountId, Clock as _, StaffId, SystemClock};
use line_simulator::{AccountCard, AccountSpec, Act, BooksQuery, PersonId, PersonSpec};
use serde_json::Value;
use testkit::eventually;
use uuid::Uuid;

use crate::house::House;
use crate::receiver::Receiver;
use crate::world::{SOON, Tenant, World};

/// The tenant's staff account and one branch.
pub(crate) struct Office {
    pub(crate) account: AccountId,
    pub(crate) card: AccountCard,
    pub(crate) branch: Uuid,
    /// Whose staff the account is for.
    pub(crate) purpose: AccountPurpose,
}

/// A staff member.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) id: StaffId,
    pub(crate) person: PersonId,
    /// LINE's ID on the staff account; empty: not on LINE.
    pub(crate) line_user: String,
}

impl Office {
    /// A staff account that is connected, beside the tenant's own.
    pub(crate) async fn open(world: &World, tenant: &Tenant) -> Self {
        Self::open_for(world, tenant, AccountPurpose::Staff).await
    }

    /// The same for the tenant's own staff, or for that of the tenants that are given shares.
    pub(crate) async fn open_for(world: &World, tenant: &Tenant, purpose: AccountPurpose) -> Self {
        let account = AccountId::from(Uuid::new_v4());
        let receiver = Receiver { publisher: world.publisher.clone(), tenant: tenant.id, account };
        let url = receiver.listen().await;
        let provider = world.control.add_provider("staff").await.unwrap();
        let spec = AccountSpec { webhook_url: Some(url), verified: true, ..AccountSpec::default() };
        let card = world.control.add_account(&provider, spec).await.unwrap();
        let office = Self { account, card, branch: Uuid::new_v4(), purpose };
        office.stand(world, tenant, 1, AccountState::Connected).await;
        eventually(SOON, || async {
            let known = world.number("SELECT count(*) FROM messaging.account_replica WHERE purpose = 2").await;
            if known >= 1 { Ok(()) } else { Err(known) }
        })
        .await
        .unwrap();
        office
    }

    /// Says how the staff account stands.
    pub(crate) async fn stand(&self, world: &World, tenant: &Tenant, version: i64, state: AccountState) {
        world.say(tenant, Body::Account(self.told(world, version, state))).await;
    }

    /// How the staff account stands, as others are told.
    pub(crate) fn told(&self, world: &World, version: i64, state: AccountState) -> events::AccountReplica {
        let ciphertext = chassis::seal::seal(&world.seal_key.public(), self.card.access_token.as_bytes()).unwrap();
        let material = events::SealedSecret {
            recipient: "messaging".to_owned(),
            key_id: world.seal_key.public().id(),
            ciphertext,
            expire_time: None,
        };
        events::AccountReplica {
            account_id: self.account.to_string(),
            version,
            provider_id: Uuid::new_v5(&self.account.uuid(), b"provider").to_string(),
            channel_id: self.card.channel_id.as_str().to_owned(),
            state: state.into(),
            purpose: self.purpose.into(),
            credential: Some(events::ChannelCredential {
                kind: events::ChannelCredentialKind::LongLivedToken.into(),
                material: Some(material),
                key_id: String::new(),
            }),
            ..Default::default()
        }
    }

    /// The same account as a tenant knows it that is given a share in it, with a branch of its own.
    pub(crate) async fn shared(&self, world: &World, home: &Tenant, guest: &Tenant, limit: i32) -> Self {
        let office =
            Self { account: self.account, card: self.card.clone(), branch: Uuid::new_v4(), purpose: self.purpose };
        office.share(world, home, guest, (1, true), limit).await;
        office
    }

    /// Says how a tenant's share in the account stands: its version, and whether it is used.
    pub(crate) async fn share(
        &self,
        world: &World,
        home: &Tenant,
        guest: &Tenant,
        (version, used): (i64, bool),
        monthly_push_limit: i32,
    ) {
        let share = events::StaffAccountShareReplica {
            account_id: self.account.to_string(),
            version,
            home_tenant_id: home.id.to_string(),
            used,
            monthly_push_limit,
            tenant_display_name: name_of(guest),
        };
        world.say(guest, Body::StaffAccountShare(share)).await;
        let known =
            format!("SELECT count(*) FROM messaging.staff_account_share WHERE version >= {version} AND tenant_id = ");
        until(world, &known, guest.id.uuid()).await;
    }

    /// A member of `branch` who is bound on LINE.
    pub(crate) async fn member(&self, world: &World, tenant: &Tenant, branch: Uuid, active: bool) -> Member {
        let person = world.control.add_person(&PersonSpec::default()).await.unwrap();
        world.control.act(&self.card.channel_id, &person, Act::AddFriend { quiet: true }).await.unwrap();
        let line_user = world.control.user_id(&self.card.channel_id, &person).await.unwrap().as_str().to_owned();
        let member = Member { id: StaffId::from(Uuid::new_v4()), person, line_user };
        member.say(world, tenant, branch, active).await;
        member.contact(world, tenant, 1, self.account, &member.line_user, "").await;
        member
    }

    /// What staff were pushed on the staff account, texts in their order: whom, and what.
    pub(crate) async fn pushed(&self, world: &World) -> Vec<(String, String)> {
        let query = BooksQuery { account: Some(self.card.channel_id.clone()), ..Default::default() };
        let sent = world.control.sent(&query).await.unwrap();
        let text = |message: &Value| message["text"].as_str().unwrap_or_default().to_owned();
        let one = |sent: &line_simulator::Sent| {
            let to = sent.fates.iter().map(|(user, _)| user.as_str().to_owned()).collect::<Vec<_>>().join(",");
            sent.messages.iter().map(move |message| (to.clone(), text(message))).collect::<Vec<_>>()
        };
        sent.iter().flat_map(one).collect()
    }
}

impl Member {
    /// Says who the member is.
    pub(crate) async fn say(&self, world: &World, tenant: &Tenant, branch: Uuid, active: bool) {
        self.say_version(world, tenant, branch, active, 1).await;
    }

    /// The same as a later or an earlier version.
    pub(crate) async fn say_version(&self, world: &World, tenant: &Tenant, branch: Uuid, active: bool, version: i64) {
        let staff = events::StaffReplica {
            staff_id: self.id.to_string(),
            version,
            display_name: "Sato".to_owned(),
            organization_ids: vec![branch.to_string()],
            rights: vec![Right::ConversationsRead.into()],
            administrator: false,
            active,
        };
        world.say(tenant, Body::Staff(staff)).await;
        let known = format!("SELECT count(*) FROM messaging.staff_replica WHERE version >= {version} AND staff_id = ");
        until(world, &known, self.id.uuid()).await;
    }

    /// Says how the member can be reached.
    pub(crate) async fn contact(
        &self,
        world: &World,
        tenant: &Tenant,
        version: i64,
        account: AccountId,
        line_user: &str,
        email: &str,
    ) {
        let contact = events::StaffContactReplica {
            staff_id: self.id.to_string(),
            version,
            email_address: email.to_owned(),
            account_id: if line_user.is_empty() { String::new() } else { account.to_string() },
            line_user_id: line_user.to_owned(),
        };
        world.say(tenant, Body::StaffContact(contact)).await;
        let known = format!("SELECT count(*) FROM messaging.staff_contact WHERE version >= {version} AND staff_id = ");
        until(world, &known, self.id.uuid()).await;
    }
}

/// What a tenant with a share is called.
pub(crate) fn name_of(guest: &Tenant) -> String {
    format!("店 {}", &guest.id.to_string()[24..])
}

/// Waits until `sql` and the ID count something.
pub(crate) async fn until(world: &World, sql: &str, id: Uuid) {
    let sql = format!("{sql} '{id}'");
    eventually(SOON, || async {
        let count = world.count(&sql).await;
        if count > 0 { Ok(()) } else { Err(count) }
    })
    .await
    .unwrap();
}

/// Something that staff of `organization` are to hear of.
pub(crate) fn matter(id: Uuid, kind: StaffNoticeKind, organization: Option<Uuid>, tenant: &Tenant) -> Body {
    Body::StaffNoticeRequested(events::StaffNoticeRequested {
        notice_id: id.to_string(),
        kind: kind.into(),
        organization_id: organization.map(|id| id.to_string()).unwrap_or_default(),
        account_id: tenant.account.to_string(),
        line_user_id: String::new(),
        subject_id: Uuid::new_v4().to_string(),
        occur_time: Some(timestamp(SystemClock.now())),
    })
}

/// Says a matter that cannot be handled, and waits until it is given up: what was said before is handled then.
pub(crate) async fn until_heard(world: &World, house: &House, tenant: &Tenant) {
    let letters = || async {
        let request = contracts::operations::v1::ListDeadLettersRequest::default();
        house.dead_letters(tenant).list_dead_letters(request).await.unwrap().into_inner().dead_letters.len()
    };
    let before = letters().await;
    world.say(tenant, matter(Uuid::new_v4(), StaffNoticeKind::Unspecified, None, tenant)).await;
    eventually(SOON, || async {
        let now = letters().await;
        if now > before { Ok(()) } else { Err(now) }
    })
    .await
    .unwrap();
}

/// Where the tenant's notices stand on a channel, once each of `count` stands somewhere for good.
pub(crate) async fn settled(
    house: &House,
    tenant: &Tenant,
    channel: wire::NoticeChannel,
    count: usize,
) -> Vec<(wire::NoticeState, wire::NoticeFailure, i32)> {
    eventually(SOON, || async {
        let notices = house.notices(tenant).list_notices(wire::ListNoticesRequest::default()).await;
        let notices = notices.map_err(|status| status.to_string())?.into_inner().notices;
        let on_channel = notices.iter().flat_map(|notice| &notice.deliveries).filter(|one| one.channel() == channel);
        let over = |one: &&wire::NoticeDelivery| one.state() != wire::NoticeState::Pending;
        let standing: Vec<_> = on_channel.filter(over).map(|one| (one.state(), one.failure(), one.attempts)).collect();
        if standing.len() == count { Ok(standing) } else { Err(format!("{standing:?}")) }
    })
    .await
    .unwrap()
}

/// The branch of the office hears of so many new friends.
pub(super) async fn friends_come(world: &World, tenant: &Tenant, office: &Office, count: usize) {
    for _ in 0..count {
        world.say(tenant, matter(Uuid::new_v4(), StaffNoticeKind::FriendAdded, Some(office.branch), tenant)).await;
    }
}
