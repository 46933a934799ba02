//! One of everything, belonging to the first tenant.

use std::time::Duration;

use contracts::identity::v1::customer_service_client::CustomerServiceClient;
use contracts::identity::v1::friend_service_client::FriendServiceClient;
use contracts::identity::v1::principal_service_client::PrincipalServiceClient;
use contracts::identity::v1::staff_service_client::StaffServiceClient;
use contracts::identity::v1::{
    Activity, ActivityKind, ActivityState, CreateCustomerRequest, CreateOrganizationRequest,
    CreateStaffInvitationRequest, Customer, GetFriendRequest, GetOfficialAccountRequest, ListPrincipalsRequest,
    Organization, PersonName, RecordActivityRequest, account_service_client::AccountServiceClient,
};
use contracts::ingest::v1::replay_service_client::ReplayServiceClient;
use contracts::ingest::v1::{ReplayMode, StartReplayRequest};
use contracts::messaging::v1::ListMessagesRequest;
use contracts::scheduler::v1::timer_service_client::TimerServiceClient;
use contracts::scheduler::v1::{CreateTimersRequest, NewTimer};
use kernel::{Clock as _, SystemClock};
use line_simulator::{Act, Media, Writing};
use tsunagi::stage::{Shop, Stage, until};

use super::archive::Archive;
use super::linking::Linking;
use super::{forwarding, planning, quarantine, sharing};
use crate::dead_letter;

/// The first tenant's IDs.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    pub(super) account: String,
    pub(super) provider: String,
    pub(super) organization: String,
    pub(super) staff: String,
    pub(super) staff_invitation: String,
    pub(super) principal: String,
    pub(super) friend: String,
    pub(super) customer: String,
    pub(super) activity: String,
    pub(super) conversation: String,
    pub(super) message: String,
    pub(super) picture: String,
    pub(super) webhook_event: String,
    pub(super) quarantined_body: String,
    pub(super) replay: String,
    pub(super) line_user: String,
    /// Of the same ID in each of the four services.
    pub(super) dead_letter: String,
    /// Its key.
    pub(super) timer: String,
    pub(super) rule: String,
    pub(super) forwarding_target: String,
    /// The account of the operator's that it has a share in.
    pub(super) shared_account: String,
    pub(super) archive: Archive,
    pub(super) linking: Linking,
}

impl World {
    /// Makes one of everything. `admin_url` is the database as its administrator sees it.
    #[expect(clippy::too_many_lines, reason = "one of everything, one after the other")]
    pub(super) async fn fill(stage: &Stage, shop: &Shop, admin_url: &str) -> anyhow::Result<Self> {
        let person = shop.person(stage, "はなこ").await?;
        let done = stage.line.write_text(&shop.card.channel_id, &person.id, "こんにちは").await?;
        let (conversation, message) = shop.sees(stage, "こんにちは").await?;
        let picture = Act::Write(Writing::Image(Media::default()));
        stage.line.act(&shop.card.channel_id, &person.id, picture).await?;
        let mut conversations = shop.conversations(stage)?;
        let request =
            ListMessagesRequest { conversation_id: conversation.conversation_id.clone(), ..Default::default() };
        let picture = until(Duration::from_secs(20), async || {
            let messages = conversations.list_messages(request.clone()).await.map_err(|status| status.to_string())?;
            let other = messages.into_inner().messages.into_iter().find(|other| other.message_id != message.message_id);
            other.map(|picture| picture.message_id).ok_or_else(|| "the picture is not there".to_owned())
        })
        .await?;
        let (account, line_user) = (shop.account.to_string(), person.user_id.as_str().to_owned());

        let connect = || shop.staff.connect(&stage.identity);
        let mut friends = FriendServiceClient::new(connect()?);
        let request =
            GetFriendRequest { account_id: account.clone(), line_user_id: line_user.clone(), ..Default::default() };
        let found = until(Duration::from_secs(20), async || friends.get_friend(request.clone()).await).await?;
        let friend = found.into_inner().friend.unwrap_or_default().friend_id;

        let official = AccountServiceClient::new(connect()?)
            .get_official_account(GetOfficialAccountRequest { account_id: account.clone() })
            .await?
            .into_inner();
        let organization = StaffServiceClient::new(connect()?)
            .create_organization(CreateOrganizationRequest {
                organization: Some(Organization { display_name: "渋谷店".to_owned(), ..Default::default() }),
                ..Default::default()
            })
            .await?
            .into_inner()
            .organization
            .unwrap_or_default()
            .organization_id;
        let invite = CreateStaffInvitationRequest { staff_id: shop.staff_id.to_string(), ..Default::default() };
        let invited = StaffServiceClient::new(connect()?).create_staff_invitation(invite).await?.into_inner();
        let mut listed = PrincipalServiceClient::new(connect()?);
        let principals = listed.list_principals(ListPrincipalsRequest::default()).await?.into_inner().principals;
        let mut customers = CustomerServiceClient::new(connect()?);
        let customer = customers
            .create_customer(CreateCustomerRequest {
                customer: Some(Customer {
                    name: Some(PersonName {
                        family: "山田".to_owned(),
                        given: "花子".to_owned(),
                        ..Default::default()
                    }),
                    ..Default::default()
                }),
                ..Default::default()
            })
            .await?
            .into_inner()
            .customer
            .unwrap_or_default()
            .customer_id;
        let activity = customers
            .record_activity(RecordActivityRequest {
                activity: Some(Activity {
                    customer_id: customer.clone(),
                    kind: ActivityKind::Reservation.into(),
                    external_reference: "r-1".to_owned(),
                    state: ActivityState::Active.into(),
                    start_time: Some(contracts::timestamp(SystemClock.now())),
                    ..Default::default()
                }),
                ..Default::default()
            })
            .await?
            .into_inner()
            .activity
            .unwrap_or_default()
            .activity_id;
        Ok(Self {
            account,
            provider: official.account.unwrap_or_default().provider_id,
            organization,
            staff: shop.staff_id.to_string(),
            staff_invitation: invited.staff_invitation.unwrap_or_default().staff_invitation_id,
            principal: principals.into_iter().next().unwrap_or_default().principal_id,
            friend,
            customer,
            activity,
            conversation: conversation.conversation_id,
            message: message.message_id,
            picture,
            archive: Archive::fill(stage, shop, done.webhook_event_id.as_deref().unwrap_or_default()).await?,
            webhook_event: done.webhook_event_id.unwrap_or_default(),
            quarantined_body: quarantine::body(stage, shop).await?,
            replay: replay(stage, shop).await?,
            line_user,
            dead_letter: dead_letter::in_every_service(admin_url, shop.tenant).await?,
            timer: timer(stage, shop).await?,
            rule: planning::rule(stage, shop).await?,
            forwarding_target: forwarding::target(stage, shop).await?,
            shared_account: sharing::share(stage, shop).await?,
            linking: Linking::fill(stage, shop).await?,
        })
    }

    /// Whether any of the first tenant's IDs is in `text`.
    pub(super) fn is_in(&self, text: &str) -> bool {
        [
            &self.account,
            &self.provider,
            &self.organization,
            &self.staff,
            &self.staff_invitation,
            &self.principal,
            &self.friend,
            &self.customer,
            &self.activity,
            &self.conversation,
            &self.message,
            &self.picture,
            &self.webhook_event,
            &self.quarantined_body,
            &self.replay,
            &self.line_user,
            &self.dead_letter,
            &self.timer,
            &self.rule,
            &self.forwarding_target,
            &self.shared_account,
        ]
        .into_iter()
        .map(String::as_str)
        .chain(self.archive.ids())
        .chain(self.linking.ids())
        .any(|id| text.contains(id))
    }
}

/// A replay of nothing.
async fn replay(stage: &Stage, shop: &Shop) -> anyhow::Result<String> {
    let request = StartReplayRequest {
        mode: ReplayMode::Redrive.into(),
        event_types: vec!["none".to_owned()],
        ..StartReplayRequest::default()
    };
    let mut replays = ReplayServiceClient::new(shop.program.connect(&stage.ingest)?);
    let started = until(Duration::from_secs(20), async || replays.start_replay(request.clone()).await).await?;
    Ok(started.into_inner().replay.unwrap_or_default().replay_id)
}

/// The key of a timer that waits.
async fn timer(stage: &Stage, shop: &Shop) -> anyhow::Result<String> {
    let key = uuid::Uuid::new_v4().to_string();
    let due = SystemClock.now() + chrono::TimeDelta::days(300);
    let timer = NewTimer { key: key.clone(), due_time: Some(contracts::timestamp(due)), late_policy: None };
    let request = CreateTimersRequest { owner: "e2e".to_owned(), timers: vec![timer], ..Default::default() };
    let mut timers = TimerServiceClient::new(shop.staff.connect(&stage.scheduler)?);
    until(Duration::from_secs(20), async || timers.create_timers(request.clone()).await).await?;
    Ok(key)
}
