//! LINE's API for the other services: this is the only service that holds channel access tokens.

use std::time::Duration;

use chassis::audit::{self, Actor};
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::page::Page;
use chrono::NaiveDate;
use contracts::messaging::v1 as wire;
use contracts::messaging::v1::line_gateway_service_server::LineGatewayService;
use kernel::AccountId;
use line_client::{ChannelAccessToken, Failure, FailureKind, LineClient};
use line_types::api::{CountStatus, FollowerCount};
use line_types::id::UserId;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use url::Url;

use super::{Desk, field};
use crate::access_token::TokenTrouble;
use crate::postgres::account::{self, Account};

/// How long LINE may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long LINE may take to try a webhook address.
const TEST_DEADLINE: Duration = Duration::from_secs(15);
/// How long a caller should wait before asking again.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// LINE's page of followers.
const FOLLOWERS: u32 = 1_000;
/// The longest webhook address (<https://developers.line.biz/en/reference/messaging-api/#set-webhook-endpoint-url>).
const LONGEST_ADDRESS: usize = 500;

const SET_WEBHOOK_ENDPOINT: &str = "account.set_webhook_endpoint";
const ISSUE_LINK_TOKEN: &str = "account.issue_link_token";

#[tonic::async_trait]
impl LineGatewayService for Desk {
    async fn issue_link_token(
        &self,
        request: Request<wire::IssueLinkTokenRequest>,
    ) -> Result<Response<wire::IssueLinkTokenResponse>, Status> {
        let user = user(&request.get_ref().line_user_id)?;
        let caller = Caller::of(&request);
        let found = self.ask_on_record(&caller, &request.get_ref().account_id, ISSUE_LINK_TOKEN, |line, token| {
            let user = user.clone();
            async move { line.issue_link_token(&token, &user, DEADLINE).await }
        });
        Ok(Response::new(wire::IssueLinkTokenResponse { link_token: found.await?.link_token }))
    }

    async fn get_profile(
        &self,
        request: Request<wire::GetProfileRequest>,
    ) -> Result<Response<wire::GetProfileResponse>, Status> {
        let user = user(&request.get_ref().line_user_id)?;
        let caller = Caller::of(&request);
        let found = self.ask(&caller, &request.get_ref().account_id, |line, token| {
            let user = user.clone();
            async move {
                match line.profile(&token, &user, DEADLINE).await {
                    Ok(profile) => Ok(Some(profile)),
                    Err(failure) if failure.status == Some(404) => Ok(None),
                    Err(failure) => Err(failure),
                }
            }
        });
        Ok(Response::new(match found.await? {
            None => wire::GetProfileResponse::default(),
            Some(profile) => wire::GetProfileResponse {
                found: true,
                display_name: profile.display_name,
                picture_url: profile.picture_url.unwrap_or_default(),
                language: profile.language.unwrap_or_default(),
            },
        }))
    }

    async fn get_bot_info(
        &self,
        request: Request<wire::GetBotInfoRequest>,
    ) -> Result<Response<wire::GetBotInfoResponse>, Status> {
        let caller = Caller::of(&request);
        let found = self.ask(&caller, &request.get_ref().account_id, |line, token| async move {
            line.bot_info(&token, DEADLINE).await
        });
        let bot = found.await?;
        Ok(Response::new(wire::GetBotInfoResponse {
            bot_user_id: bot.user_id.as_str().to_owned(),
            basic_id: bot.basic_id,
            display_name: bot.display_name,
            chat_mode: bot.chat_mode.as_str().to_owned(),
            mark_as_read_mode: bot.mark_as_read_mode.as_str().to_owned(),
        }))
    }

    async fn get_webhook_endpoint(
        &self,
        request: Request<wire::GetWebhookEndpointRequest>,
    ) -> Result<Response<wire::GetWebhookEndpointResponse>, Status> {
        let caller = Caller::of(&request);
        let found = self.ask(&caller, &request.get_ref().account_id, |line, token| async move {
            line.webhook_endpoint(&token, DEADLINE).await
        });
        Ok(Response::new(match found.await? {
            None => wire::GetWebhookEndpointResponse::default(),
            Some(found) => {
                wire::GetWebhookEndpointResponse { set: true, endpoint: found.endpoint, active: found.active }
            }
        }))
    }

    async fn set_webhook_endpoint(
        &self,
        request: Request<wire::SetWebhookEndpointRequest>,
    ) -> Result<Response<wire::SetWebhookEndpointResponse>, Status> {
        let caller = Caller::of(&request);
        let endpoint = address(&request.get_ref().endpoint)?;
        self.ask_on_record(&caller, &request.get_ref().account_id, SET_WEBHOOK_ENDPOINT, |line, token| {
            let endpoint = endpoint.clone();
            async move { line.set_webhook_endpoint(&token, &endpoint, DEADLINE).await }
        })
        .await?;
        Ok(Response::new(wire::SetWebhookEndpointResponse {}))
    }

    async fn test_webhook_endpoint(
        &self,
        request: Request<wire::TestWebhookEndpointRequest>,
    ) -> Result<Response<wire::TestWebhookEndpointResponse>, Status> {
        let caller = Caller::of(&request);
        let found = self.ask(&caller, &request.get_ref().account_id, |line, token| async move {
            line.test_webhook_endpoint(&token, None, TEST_DEADLINE).await
        });
        let test = found.await?;
        Ok(Response::new(wire::TestWebhookEndpointResponse {
            success: test.success,
            status_code: i32::from(test.status_code),
            reason: test.reason.as_str().to_owned(),
            detail: test.detail,
        }))
    }

    async fn list_followers(
        &self,
        request: Request<wire::ListFollowersRequest>,
    ) -> Result<Response<wire::ListFollowersResponse>, Status> {
        let caller = Caller::of(&request);
        // The place is LINE's own token.
        let asked = Page::<String>::asked(caller.tenant(), request.get_ref())?;
        let found = self.ask(&caller, &request.get_ref().account_id, |line, token| {
            let start = asked.after.clone();
            async move { line.follower_ids(&token, FOLLOWERS, start.as_deref(), DEADLINE).await }
        });
        let page = found.await?;
        Ok(Response::new(wire::ListFollowersResponse {
            line_user_ids: page.user_ids.iter().map(|id| id.as_str().to_owned()).collect(),
            next_page_token: page.next.map(|next| asked.token(&next)).unwrap_or_default(),
        }))
    }

    async fn get_follower_count(
        &self,
        request: Request<wire::GetFollowerCountRequest>,
    ) -> Result<Response<wire::GetFollowerCountResponse>, Status> {
        let day = day(&request.get_ref().date)?;
        let caller = Caller::of(&request);
        let found = self.ask(&caller, &request.get_ref().account_id, |line, token| async move {
            line.follower_count(&token, day, DEADLINE).await
        });
        Ok(Response::new(tell_count(&found.await?)))
    }
}

impl Desk {
    /// Asks LINE for an account of the caller's tenant; with a new access token when LINE refuses the one at hand.
    async fn ask<T, F>(
        &self,
        caller: &Caller,
        account: &str,
        call: impl Fn(LineClient, ChannelAccessToken) -> F + Send + Sync,
    ) -> Result<T, Status>
    where
        T: Send,
        F: Future<Output = Result<T, Failure>> + Send,
    {
        let account = self.account(caller, account).await?;
        self.ask_for(&account, call).await
    }

    async fn ask_for<T, F>(
        &self,
        account: &Account,
        call: impl Fn(LineClient, ChannelAccessToken) -> F + Send + Sync,
    ) -> Result<T, Status>
    where
        T: Send,
        F: Future<Output = Result<T, Failure>> + Send,
    {
        let (tokens, line) = (&self.tools.tokens, &self.tools.line);
        let token = tokens.get(account).await.map_err(no_token)?;
        match call(line.clone(), token.clone()).await {
            Err(failure) if failure.kind == FailureKind::Unauthorized => {
                let token = tokens.renew(account, &token).await.map_err(no_token)?;
                call(line.clone(), token).await.map_err(|failure| refused(&failure))
            }
            answer => answer.map_err(|failure| refused(&failure)),
        }
    }

    /// The same for what changes something at LINE: that it is asked is on record before, and what came of it after. Where the
    /// second is missing, nobody knows.
    async fn ask_on_record<T, F>(
        &self,
        caller: &Caller,
        account: &str,
        action: &'static str,
        call: impl Fn(LineClient, ChannelAccessToken) -> F + Send + Sync,
    ) -> Result<T, Status>
    where
        T: Send,
        F: Future<Output = Result<T, Failure>> + Send,
    {
        let account = self.account(caller, account).await?;
        self.record(caller, account.id, action, "asked").await?;
        let answer = self.ask_for(&account, call).await;
        let outcome = match &answer {
            Ok(_) => "accepted",
            Err(status) if status.code() == Code::FailedPrecondition => "refused",
            Err(_) => "unknown",
        };
        self.record(caller, account.id, action, outcome).await?;
        answer
    }

    async fn record(
        &self,
        caller: &Caller,
        account: AccountId,
        action: &'static str,
        outcome: &'static str,
    ) -> Result<(), Status> {
        let mut tx = self.database().tenant(caller.tenant()).await.map_err(refuse::database)?;
        let (subject, detail) = (format!("account/{account}"), serde_json::json!({ "outcome": outcome }));
        audit::record(&mut tx, &Actor::of(caller), action, &subject, detail).await.map_err(refuse::database)?;
        tx.commit().await.map_err(refuse::database)
    }

    async fn account(&self, caller: &Caller, id: &str) -> Result<Account, Status> {
        let id: AccountId = field::id("account_id", id)?;
        let mut tx = self.database().tenant(caller.tenant()).await.map_err(refuse::database)?;
        let found = account::read(&mut tx, id).await.map_err(refuse::database)?;
        tx.rollback().await.map_err(refuse::database)?;
        found.ok_or_else(|| refuse::not_found("ACCOUNT"))
    }
}

fn user(text: &str) -> Result<UserId, Status> {
    UserId::parse(text).map_err(|_| refuse::invalid("line_user_id", "is not a LINE user ID"))
}

fn address(text: &str) -> Result<Url, Status> {
    let url = Url::parse(text).ok().filter(|url| url.scheme() == "https" && text.chars().count() <= LONGEST_ADDRESS);
    url.ok_or_else(|| refuse::invalid("endpoint", "is not an https address of at most 500 characters"))
}

fn day(text: &str) -> Result<NaiveDate, Status> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == "2026-11-22".len());
    day.ok_or_else(|| refuse::invalid("date", "is not a day such as 2026-11-22"))
}

/// Figures that are half told are not told.
fn tell_count(told: &FollowerCount) -> wire::GetFollowerCountResponse {
    let number = |figure: Option<u64>| i64::try_from(figure?).ok();
    let status = match told.status {
        CountStatus::Ready => wire::FollowerCountStatus::Ready,
        CountStatus::Unready => wire::FollowerCountStatus::Unready,
        CountStatus::OutOfService => wire::FollowerCountStatus::OutOfService,
        CountStatus::Other(_) => wire::FollowerCountStatus::Unspecified,
    };
    let count = number(told.followers).zip(number(told.blocks)).filter(|_| told.status == CountStatus::Ready);
    let count = count.map(|(followers, blocks)| wire::FollowerCount { followers, blocks });
    wire::GetFollowerCountResponse { status: status.into(), count }
}

fn no_token(trouble: TokenTrouble) -> Status {
    match trouble {
        TokenTrouble::Missing => refuse::precondition("ACCOUNT_NOT_CONNECTED", "the account has no channel credential"),
        TokenTrouble::Unreadable | TokenTrouble::Refused => credential_refused(),
        TokenTrouble::Unavailable => refuse::unavailable("LINE_UNAVAILABLE", RETRY_AFTER),
    }
}

fn refused(failure: &Failure) -> Status {
    match failure.kind {
        FailureKind::Unauthorized => credential_refused(),
        FailureKind::Refused | FailureKind::ReplyTokenInvalid => line_refused(failure),
        _ => refuse::unavailable("LINE_UNAVAILABLE", RETRY_AFTER),
    }
}

/// `CREDENTIAL_REFUSED`: it is the account's fault, whoever was asked about.
fn credential_refused() -> Status {
    refuse::precondition("CREDENTIAL_REFUSED", "LINE does not take the account's channel credential")
}

/// `LINE_REFUSED`, with LINE's words, status and request ID in the metadata.
fn line_refused(failure: &Failure) -> Status {
    let metadata = std::collections::HashMap::from([
        ("line_message".to_owned(), failure.message.clone().unwrap_or_default()),
        ("line_request_id".to_owned(), failure.request_id.clone().unwrap_or_default()),
        ("http_status".to_owned(), failure.status.map(|status| status.to_string()).unwrap_or_default()),
    ]);
    let mut details = ErrorDetails::with_error_info("LINE_REFUSED", refuse::DOMAIN, metadata);
    details.add_precondition_failure_violation("LINE_REFUSED", "", "LINE refused the call");
    Status::with_error_details(Code::FailedPrecondition, "LINE refused the call", details)
}
