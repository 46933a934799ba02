//! The official account and its chats.

use std::time::Duration;

use chrono::NaiveDate;
use line_types::{
    api::{BotInfo, FollowerCount, LinkToken, LoadingStart, MarkAsRead},
    id::UserId,
    rate::Endpoint,
};

use crate::{client::LineClient, failure::Failure, token::ChannelAccessToken};

impl LineClient {
    /// The official account: `GET /v2/bot/info`.
    pub async fn bot_info(&self, token: &ChannelAccessToken, deadline: Duration) -> Result<BotInfo, Failure> {
        let url = self.endpoints().api(&["v2", "bot", "info"]);
        self.call(Endpoint::BotInfo, self.get(url, token), deadline).await?.json()
    }

    /// How many followers LINE counts at the end of a day of Japan's calendar: `GET /v2/bot/insight/followers`. 60 calls an hour.
    pub async fn follower_count(
        &self,
        token: &ChannelAccessToken,
        day: NaiveDate,
        deadline: Duration,
    ) -> Result<FollowerCount, Failure> {
        let url = self.endpoints().api(&["v2", "bot", "insight", "followers"]);
        let request = self.get(url, token).query(&[("date", day.format("%Y%m%d").to_string())]);
        self.call(Endpoint::Insight, request, deadline).await?.json()
    }

    /// A token to start LINE's account-link dialog with, for this user alone: `POST /v2/bot/user/{userId}/linkToken`.
    pub async fn issue_link_token(
        &self,
        token: &ChannelAccessToken,
        user: &UserId,
        deadline: Duration,
    ) -> Result<LinkToken, Failure> {
        let url = self.endpoints().api(&["v2", "bot", "user", user.as_str(), "linkToken"]);
        self.call(Endpoint::LinkToken, self.post(url, token), deadline).await?.json()
    }

    /// Shows the loading animation: `POST /v2/bot/chat/loading/start`. Succeeds also when nothing is shown.
    pub async fn start_loading(
        &self,
        token: &ChannelAccessToken,
        user: &UserId,
        seconds: Option<u32>,
        deadline: Duration,
    ) -> Result<(), Failure> {
        let url = self.endpoints().api(&["v2", "bot", "chat", "loading", "start"]);
        let body = LoadingStart { chat_id: user.as_str().to_owned(), loading_seconds: seconds };
        self.call(Endpoint::LoadingAnimation, self.post(url, token).json(&body), deadline)
            .await?
            .succeeded()
            .map(|_| ())
    }

    /// Marks a message and all before it as read: `POST /v2/bot/chat/markAsRead`.
    pub async fn mark_as_read(
        &self,
        token: &ChannelAccessToken,
        mark_as_read_token: &str,
        deadline: Duration,
    ) -> Result<(), Failure> {
        let url = self.endpoints().api(&["v2", "bot", "chat", "markAsRead"]);
        let body = MarkAsRead { mark_as_read_token: mark_as_read_token.to_owned() };
        self.call(Endpoint::MarkAsRead, self.post(url, token).json(&body), deadline).await?.succeeded().map(|_| ())
    }
}
