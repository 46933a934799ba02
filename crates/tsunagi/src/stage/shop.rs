//! A tenant as its people see it: the shop's staff on one side, its customers' LINE accounts on the other.

use contracts::access_proto::v1::Right;
use contracts::events::v1::AssertionKey;
use contracts::identity::v1::principal_service_client::PrincipalServiceClient;
use contracts::identity::v1::staff_service_client::StaffServiceClient;
use contracts::identity::v1::tenant_service_client::TenantServiceClient;
use contracts::identity::v1::{
    CreatePrincipalRequest, CreateStaffMemberRequest, CreateTenantRequest, OnFirstMessage, RegisterAssertionKeyRequest,
    StaffMember,
};
use contracts::messaging::v1::conversation_service_client::ConversationServiceClient;
use contracts::messaging::v1::message_content::Kind as Content;
use contracts::messaging::v1::message_service_client::MessageServiceClient;
use contracts::messaging::v1::{
    Conversation, GetMessageRequest, ListConversationsRequest, ListMessagesRequest, Message, MessageContent,
    MessageState, SendMessageRequest, TextContent,
};
use kernel::{AccountId, ProviderId, StaffId, TenantId};
use line_simulator::{AccountCard, AccountSpec, PersonId, PersonSpec, UserId};
use tonic::Status;

use super::caller::{Caller, Connection, StaffKey};
use super::{SHOWN_WITHIN, Stage, account, until};

/// Somebody with a LINE account.
#[derive(Clone, Debug)]
pub struct Person {
    /// The person, for the simulator.
    pub id: PersonId,
    /// Their user ID under the shop's provider.
    pub user_id: UserId,
    /// The name they show on LINE.
    pub display_name: String,
}

/// A tenant with one connected official account and one staff member.
#[derive(Clone, Debug)]
pub struct Shop {
    /// The tenant.
    pub tenant: TenantId,
    /// The provider of its official accounts.
    pub provider: ProviderId,
    /// The official account.
    pub account: AccountId,
    /// The account on LINE's side.
    pub card: AccountCard,
    /// The last part of the webhook address.
    pub webhook_key: String,
    /// A program of the shop, without a staff member behind it.
    pub program: Caller,
    /// The same program with the staff member behind it.
    pub staff: Caller,
    /// The staff member.
    pub staff_id: StaffId,
    /// The key the program signs staff assertions with.
    pub staff_key: StaffKey,
}

impl Shop {
    /// Opens a shop: creates the tenant, its program, its staff member `staff_name`, an official account on LINE's side
    /// and with us, and connects it. Whoever writes first is asked nothing: what the shop's people say is all that is said.
    pub async fn open(stage: &Stage, name: &str, staff_name: &str) -> anyhow::Result<Self> {
        let provider = stage.line.add_provider(name).await?;
        let card =
            stage.line.add_account(&provider, AccountSpec { name: name.to_owned(), ..AccountSpec::default() }).await?;
        Self::open_with(stage, name, staff_name, card).await
    }

    /// Opens a shop for an account that stands on LINE's side already.
    pub async fn open_with(stage: &Stage, name: &str, staff_name: &str, card: AccountCard) -> anyhow::Result<Self> {
        let identity = stage.identity.as_str();
        let operator = &stage.operator;
        let tenant = TenantServiceClient::new(operator.connect(identity)?)
            .create_tenant(CreateTenantRequest { display_name: name.to_owned(), ..Default::default() })
            .await?
            .into_inner()
            .tenant
            .unwrap_or_default()
            .tenant_id
            .parse()?;

        let operator = operator.for_tenant(tenant);
        let mut principals = PrincipalServiceClient::new(operator.connect(identity)?);
        let made = principals
            .create_principal(CreatePrincipalRequest {
                display_name: "booking".to_owned(),
                rights: EVERY_TENANT_RIGHT.iter().map(|&right| right.into()).collect(),
                ..Default::default()
            })
            .await?
            .into_inner();
        let staff_key = StaffKey::new("booking-1")?;
        principals
            .register_assertion_key(RegisterAssertionKeyRequest {
                principal_id: made.principal.unwrap_or_default().principal_id,
                key: Some(AssertionKey { key_id: staff_key.id().to_owned(), public_key: staff_key.public_key() }),
            })
            .await?;
        let staff_id = StaffServiceClient::new(operator.connect(identity)?)
            .create_staff_member(CreateStaffMemberRequest {
                staff_member: Some(StaffMember {
                    display_name: staff_name.to_owned(),
                    rights: EVERY_TENANT_RIGHT.iter().map(|&right| right.into()).collect(),
                    administrator: true,
                    active: true,
                    ..Default::default()
                }),
                ..Default::default()
            })
            .await?
            .into_inner()
            .staff_member
            .unwrap_or_default()
            .staff_id
            .parse()?;
        let program = operator.with_token(made.token).for_tenant(tenant);
        let staff = program.as_staff(&staff_key, staff_id);
        let provider = account::create_provider(stage, &operator, name).await?;
        let (account, webhook_key) = account::connect(stage, &operator, &provider, &card).await?;
        let shop = Self { tenant, provider, account, card, webhook_key, program, staff, staff_id, staff_key };
        shop.on_first_message(stage, OnFirstMessage::Ignore).await?;
        // Messaging hears of the program and of its staff by events.
        let mut conversations = shop.conversations(stage)?;
        until(SHOWN_WITHIN, async || conversations.list_conversations(ListConversationsRequest::default()).await)
            .await?;
        Ok(shop)
    }

    /// Opens one more official account of the shop on LINE's side and with us, connects it, and returns it as LINE sees it.
    pub async fn add_account(&self, stage: &Stage) -> anyhow::Result<AccountCard> {
        let card = stage.line.add_account(&self.card.provider, AccountSpec::default()).await?;
        account::connect(stage, &self.program, &self.provider, &card).await?;
        Ok(card)
    }

    /// Somebody with a LINE account who is not the shop's friend yet.
    pub async fn person(&self, stage: &Stage, display_name: &str) -> anyhow::Result<Person> {
        let spec = PersonSpec { display_name: display_name.to_owned(), ..PersonSpec::default() };
        let id = stage.line.add_person(&spec).await?;
        let user_id = stage.line.user_id(&self.card.channel_id, &id).await?;
        Ok(Person { id, user_id, display_name: display_name.to_owned() })
    }

    /// The staff's conversations.
    pub fn conversations(&self, stage: &Stage) -> anyhow::Result<ConversationServiceClient<Connection>> {
        Ok(ConversationServiceClient::new(self.staff.connect(&stage.messaging)?))
    }

    /// The staff's messages.
    pub fn messages(&self, stage: &Stage) -> anyhow::Result<MessageServiceClient<Connection>> {
        Ok(MessageServiceClient::new(self.staff.connect(&stage.messaging)?))
    }

    /// Waits until staff see a conversation whose latest inbound messages include `text`, and returns both.
    pub async fn sees(&self, stage: &Stage, text: &str) -> anyhow::Result<(Conversation, Message)> {
        let mut conversations = self.conversations(stage)?;
        let found = until(SHOWN_WITHIN, async || {
            let listed = conversations.list_conversations(ListConversationsRequest::default()).await?.into_inner();
            for conversation in listed.conversations {
                let request =
                    ListMessagesRequest { conversation_id: conversation.conversation_id.clone(), ..Default::default() };
                let messages = conversations.list_messages(request).await?.into_inner().messages;
                if let Some(message) = messages.into_iter().find(|message| says(message, text)) {
                    return Ok((conversation, message));
                }
            }
            Err(Status::not_found("no conversation shows the message"))
        })
        .await?;
        Ok(found)
    }

    /// Queues a text as the staff member.
    pub async fn answers(&self, stage: &Stage, conversation: &str, text: &str) -> anyhow::Result<Message> {
        let request = SendMessageRequest {
            conversation_id: conversation.to_owned(),
            content: Some(MessageContent {
                kind: Some(Content::Text(TextContent { text: text.to_owned(), ..Default::default() })),
            }),
            request_id: uuid::Uuid::new_v4().to_string(),
            ..Default::default()
        };
        Ok(self.messages(stage)?.send_message(request).await?.into_inner().message.unwrap_or_default())
    }

    /// Waits until a message has reached `state`.
    pub async fn reaches(&self, stage: &Stage, message: &str, state: MessageState) -> anyhow::Result<Message> {
        let mut messages = self.messages(stage)?;
        let request = GetMessageRequest { message_id: message.to_owned() };
        let reached = until(SHOWN_WITHIN, async || {
            let message = messages.get_message(request.clone()).await?.into_inner().message.unwrap_or_default();
            if message.state() == state { Ok(message) } else { Err(Status::aborted(message.state().as_str_name())) }
        })
        .await?;
        Ok(reached)
    }
}

/// Everything a tenant's own program or staff member may do.
const EVERY_TENANT_RIGHT: [Right; 23] = [
    Right::PrincipalsManage,
    Right::StaffRead,
    Right::StaffManage,
    Right::AccountsRead,
    Right::AccountsManage,
    Right::CustomersRead,
    Right::CustomersWrite,
    Right::ActivitiesWrite,
    Right::FriendsRead,
    Right::LineUserIdRead,
    Right::ConversationsRead,
    Right::MessagesSend,
    Right::MessagesSettle,
    Right::OperationsRead,
    Right::OperationsManage,
    Right::LinksSubmit,
    Right::LinksManage,
    Right::TimersRead,
    Right::TimersWrite,
    Right::SchedulesRead,
    Right::SchedulesManage,
    Right::NoticesRead,
    Right::NoticesManage,
];

pub(crate) fn says(message: &Message, wanted: &str) -> bool {
    matches!(&message.content, Some(MessageContent { kind: Some(Content::Text(said)) }) if said.text == wanted)
}
