//! One running process of the service, as staff and other services call it.

use chassis::Host;
use chassis::grpc::Client;
use contracts::messaging::v1 as wire;
use contracts::messaging::v1::conversation_service_client::ConversationServiceClient;
use contracts::messaging::v1::digest_service_client::DigestServiceClient;
use contracts::messaging::v1::line_gateway_service_client::LineGatewayServiceClient;
use contracts::messaging::v1::message_service_client::MessageServiceClient;
use contracts::messaging::v1::notice_service_client::NoticeServiceClient;
use contracts::messaging::v1::quota_service_client::QuotaServiceClient;
use contracts::messaging::v1::reminder_service_client::ReminderServiceClient;
use contracts::operations::v1::dead_letter_service_client::DeadLetterServiceClient;
use line_simulator::PersonId;
use messaging_outbox::App;
use messaging_outbox_core::state::MessageState;
use testkit::eventually;
use tonic::Status;
use url::Url;

use crate::world::{SOON, Tenant, World, send_request};

/// One running process of the service.
pub(crate) struct House {
    pub(crate) host: Host,
    pub(crate) app: App,
}

impl House {
    fn client(&self, tenant: &Tenant) -> Client {
        let url = Url::parse(&format!("http://{}", self.app.grpc_addr())).unwrap();
        Client::on_loopback(&url, &tenant.token.reveal()).unwrap()
    }

    pub(crate) fn conversations(&self, tenant: &Tenant) -> ConversationServiceClient<Client> {
        ConversationServiceClient::new(self.client(tenant))
    }

    pub(crate) fn messages(&self, tenant: &Tenant) -> MessageServiceClient<Client> {
        MessageServiceClient::new(self.client(tenant))
    }

    pub(crate) fn quota(&self, tenant: &Tenant) -> QuotaServiceClient<Client> {
        QuotaServiceClient::new(self.client(tenant))
    }

    pub(crate) fn digests(&self, tenant: &Tenant) -> DigestServiceClient<Client> {
        DigestServiceClient::new(self.client(tenant))
    }

    pub(crate) fn reminders(&self, tenant: &Tenant) -> ReminderServiceClient<Client> {
        ReminderServiceClient::new(self.client(tenant))
    }

    pub(crate) fn notices(&self, tenant: &Tenant) -> NoticeServiceClient<Client> {
        NoticeServiceClient::new(self.client(tenant))
    }

    pub(crate) fn dead_letters(&self, tenant: &Tenant) -> DeadLetterServiceClient<Client> {
        DeadLetterServiceClient::new(self.client(tenant))
    }

    pub(crate) fn gateway(&self, tenant: &Tenant) -> LineGatewayServiceClient<Client> {
        LineGatewayServiceClient::new(self.client(tenant))
    }

    /// The tenant's conversations.
    pub(crate) async fn list(&self, tenant: &Tenant) -> Vec<wire::Conversation> {
        let request = wire::ListConversationsRequest::default();
        self.conversations(tenant).list_conversations(request).await.unwrap().into_inner().conversations
    }

    /// The messages of a conversation, the latest first.
    pub(crate) async fn messages_of(&self, tenant: &Tenant, conversation: &str) -> Vec<wire::Message> {
        self.list_messages(tenant, conversation).await.unwrap()
    }

    /// The same, where the conversation may go away meanwhile.
    pub(crate) async fn list_messages(
        &self,
        tenant: &Tenant,
        conversation: &str,
    ) -> Result<Vec<wire::Message>, Status> {
        let conversation_id = conversation.to_owned();
        let request = wire::ListMessagesRequest { conversation_id, page_size: 200, ..Default::default() };
        Ok(self.conversations(tenant).list_messages(request).await?.into_inner().messages)
    }

    /// The message, once `is` true of it.
    pub(crate) async fn once(&self, tenant: &Tenant, id: &str, is: impl Fn(&wire::Message) -> bool) -> wire::Message {
        eventually(SOON, || async {
            let message = self.message(tenant, id).await;
            if is(&message) { Ok(message) } else { Err(format!("{message:?}")) }
        })
        .await
        .unwrap()
    }

    /// The tenant's only conversation, once it has `count` messages.
    pub(crate) async fn conversation_with(&self, tenant: &Tenant, count: usize) -> wire::Conversation {
        eventually(SOON, || async {
            let conversations = self.list(tenant).await;
            let Some(first) = conversations.into_iter().next() else { return Err("no conversation".to_owned()) };
            let messages = self.messages_of(tenant, &first.conversation_id).await.len();
            let seen = self.list(tenant).await.swap_remove(0);
            if messages == count { Ok(seen) } else { Err(format!("{messages} messages")) }
        })
        .await
        .unwrap()
    }

    /// A friend who wrote, and the conversation it made.
    pub(crate) async fn conversing(&self, world: &World, tenant: &Tenant) -> (PersonId, wire::Conversation) {
        let person = world.friend(tenant).await;
        world.control.write_text(&tenant.card.channel_id, &person, "hello").await.unwrap();
        (person, self.conversation_with(tenant, 1).await)
    }

    pub(crate) async fn send(
        &self,
        tenant: &Tenant,
        conversation: &str,
        text: &str,
        policy: wire::SendPolicy,
    ) -> String {
        let request = send_request(conversation, text, policy);
        let answer = self.messages(tenant).send_message(tenant.as_staff(request)).await.unwrap();
        answer.into_inner().message.unwrap().message_id
    }

    pub(crate) async fn message(&self, tenant: &Tenant, id: &str) -> wire::Message {
        let request = wire::GetMessageRequest { message_id: id.to_owned() };
        self.messages(tenant).get_message(request).await.unwrap().into_inner().message.unwrap()
    }

    /// The message, once it is in `state`.
    pub(crate) async fn until(&self, tenant: &Tenant, id: &str, state: MessageState) -> wire::Message {
        eventually(SOON, || async {
            let message = self.message(tenant, id).await;
            if message.state == i32::from(state.code()) {
                Ok(message)
            } else {
                Err(format!("{:?} {:?}", message.state, message.failure))
            }
        })
        .await
        .unwrap_or_else(|error| panic!("{}: {error}", state.name()))
    }

    /// Ends as at SIGTERM.
    pub(crate) async fn close(self) {
        self.host.stop();
        self.host.wait().await.unwrap();
    }
}
