//! The webhook address of a channel: <https://developers.line.biz/en/reference/messaging-api/#set-webhook-endpoint-url>.

use std::time::Duration;

use line_types::{
    api::{WebhookEndpoint, WebhookEndpointAddress, WebhookTest},
    rate::Endpoint,
};
use url::Url;

use crate::{client::LineClient, failure::Failure, token::ChannelAccessToken};

impl LineClient {
    /// The address set, and whether webhooks are on: `GET /v2/bot/channel/webhook/endpoint`. None if none is set (404).
    pub async fn webhook_endpoint(
        &self,
        token: &ChannelAccessToken,
        deadline: Duration,
    ) -> Result<Option<WebhookEndpoint>, Failure> {
        let url = self.endpoints().api(&["v2", "bot", "channel", "webhook", "endpoint"]);
        let answer = self.call(Endpoint::GetWebhookEndpoint, self.get(url, token), deadline).await?;
        if answer.status == 404 { Ok(None) } else { answer.json().map(Some) }
    }

    /// Sets the address, https and at most 500 characters: `PUT /v2/bot/channel/webhook/endpoint`. Takes effect within a
    /// minute.
    pub async fn set_webhook_endpoint(
        &self,
        token: &ChannelAccessToken,
        endpoint: &Url,
        deadline: Duration,
    ) -> Result<(), Failure> {
        let url = self.endpoints().api(&["v2", "bot", "channel", "webhook", "endpoint"]);
        let body = WebhookEndpointAddress { endpoint: Some(endpoint.to_string()) };
        let request = self.http().put(url).bearer_auth(token.expose()).json(&body);
        self.call(Endpoint::SetWebhookEndpoint, request, deadline).await?.succeeded().map(|_| ())
    }

    /// Lets LINE send an empty webhook to an address, or to the one set: `POST /v2/bot/channel/webhook/test`. 60 an hour.
    pub async fn test_webhook_endpoint(
        &self,
        token: &ChannelAccessToken,
        endpoint: Option<&Url>,
        deadline: Duration,
    ) -> Result<WebhookTest, Failure> {
        let url = self.endpoints().api(&["v2", "bot", "channel", "webhook", "test"]);
        let body = WebhookEndpointAddress { endpoint: endpoint.map(ToString::to_string) };
        self.call(Endpoint::TestWebhookEndpoint, self.post(url, token).json(&body), deadline).await?.json()
    }
}
