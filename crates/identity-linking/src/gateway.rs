//! LINE, asked through messaging-outbox: the only caller of the Messaging API.

use chassis::grpc::{Client, refuse};
use chrono::NaiveDate;
use contracts::messaging::v1::line_gateway_service_client::LineGatewayServiceClient;
use contracts::messaging::v1::{
    GetBotInfoRequest, GetFollowerCountRequest, GetProfileRequest, IssueLinkTokenRequest, SetWebhookEndpointRequest,
};
use identity_linking_core::Line;
use identity_linking_core::account::{Bot, FollowerCount};
use identity_linking_core::link::NoLinkToken;
use kernel::{AccountId, TenantId};
use line_types::id::{BotUserId, UserId};
use std::time::Duration;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::postgres::friend::ShownProfile;

/// How long LINE may take. messaging-outbox may take longer, where it gets a new access token on the way: then nobody answered.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a caller is told to wait when LINE or messaging-outbox is away.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Longest text of a profile that is kept, in characters. LINE's names have at most 20.
const LONGEST_NAME: usize = 200;
/// Longest picture address that is kept, in bytes.
const LONGEST_URL: usize = 2_000;

/// The way to LINE.
pub(crate) struct Gateway(Client);

impl Gateway {
    /// A gateway that calls as this service's own principal.
    pub(crate) fn new(client: Client) -> Self {
        Self(client)
    }

    /// Who the bot behind an account's credential is.
    ///
    /// # Errors
    /// `CREDENTIAL_REFUSED` when LINE does not take the credential, `LINE_UNAVAILABLE` when nobody answers, also while
    /// messaging-outbox has not heard of the account or of its new credential yet.
    pub(crate) async fn bot(&self, tenant: TenantId, account: AccountId) -> Result<Bot, Status> {
        let request = patient(GetBotInfoRequest { account_id: account.to_string() });
        let told = self.client(tenant).get_bot_info(request).await.map_err(|status| refusal(&status))?.into_inner();
        // LINE's own answer in a form this version does not know: nothing the caller could change.
        let user_id = BotUserId::parse(&told.bot_user_id).map_err(|error| refuse::internal(&error))?;
        Ok(Bot {
            user_id,
            basic_id: Line::optional(&told.basic_id).ok().flatten(),
            display_name: Line::optional(&told.display_name).ok().flatten(),
            chat_mode: Line::optional(&told.chat_mode).ok().flatten(),
        })
    }

    /// How many followers LINE counts at the end of a day; none where it has not counted that day, or never will.
    ///
    /// # Errors
    /// Whatever messaging-outbox answers.
    pub(crate) async fn follower_count(
        &self,
        tenant: TenantId,
        account: AccountId,
        day: NaiveDate,
    ) -> Result<Option<FollowerCount>, Status> {
        let request = GetFollowerCountRequest { account_id: account.to_string(), date: day.to_string() };
        let told = self.client(tenant).get_follower_count(patient(request)).await?.into_inner();
        let number = |figure| u64::try_from(figure).ok();
        let figures = told.count.and_then(|told| number(told.followers).zip(number(told.blocks)));
        Ok(figures.map(|(followers, blocks)| FollowerCount { day, followers, blocks }))
    }

    /// Has LINE send webhooks to `endpoint`.
    ///
    /// # Errors
    /// As [`Gateway::bot`].
    pub(crate) async fn set_webhook_endpoint(
        &self,
        tenant: TenantId,
        account: AccountId,
        endpoint: &str,
    ) -> Result<(), Status> {
        let request = SetWebhookEndpointRequest { account_id: account.to_string(), endpoint: endpoint.to_owned() };
        self.client(tenant).set_webhook_endpoint(patient(request)).await.map_err(|status| refusal(&status))?;
        Ok(())
    }

    /// What LINE shows of a user; none for strangers and for who blocked the account.
    ///
    /// # Errors
    /// Whatever messaging-outbox answers.
    pub(crate) async fn profile(
        &self,
        tenant: TenantId,
        account: AccountId,
        user: &UserId,
    ) -> Result<Option<ShownProfile>, Status> {
        let request = GetProfileRequest { account_id: account.to_string(), line_user_id: user.as_str().to_owned() };
        let told = self.client(tenant).get_profile(patient(request)).await?.into_inner();
        let name: String = told.display_name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
        Ok(told.found.then(|| ShownProfile {
            display_name: Some(name).filter(|name| !name.is_empty()),
            picture_url: Some(told.picture_url).filter(|url| !url.is_empty() && url.len() <= LONGEST_URL),
        }))
    }

    /// A token for LINE's account-link dialog: ten minutes, one use, for this LINE user alone
    /// (<https://developers.line.biz/en/reference/messaging-api/#issue-link-token>).
    ///
    /// # Errors
    /// What the rules make of messaging-outbox's answer.
    pub(crate) async fn link_token(
        &self,
        tenant: TenantId,
        account: AccountId,
        user: &UserId,
    ) -> Result<String, NoLinkToken> {
        let request = IssueLinkTokenRequest { account_id: account.to_string(), line_user_id: user.as_str().to_owned() };
        match self.client(tenant).issue_link_token(patient(request)).await {
            Ok(issued) => Ok(issued.into_inner().link_token),
            Err(status) => {
                let reason = status.get_details_error_info().map(|info| info.reason);
                tracing::warn!(code = ?status.code(), reason = reason.as_deref(), %account, "no link token of LINE came");
                Err(NoLinkToken::sort(status.code() == Code::FailedPrecondition, reason.as_deref()))
            }
        }
    }

    fn client(&self, tenant: TenantId) -> LineGatewayServiceClient<Client> {
        LineGatewayServiceClient::new(self.0.for_tenant(tenant))
    }
}

fn patient<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}

/// What messaging-outbox's refusal is to our own caller.
fn refusal(status: &Status) -> Status {
    match status.code() {
        Code::FailedPrecondition => {
            refuse::precondition("CREDENTIAL_REFUSED", "LINE does not take the account's channel credential")
        }
        _ => refuse::unavailable("LINE_UNAVAILABLE", RETRY_AFTER),
    }
}
