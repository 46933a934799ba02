//! A simulator with one provider, one account, its webhook receiver, and an HTTP client that speaks as the account.

use std::time::Duration;

use line_simulator::{
    AccountCard, AccountSpec, BooksQuery, Control, Done, Options, PersonId, PersonSpec, Sent, Simulator, UserId,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::receiver::Receiver;

/// An answer of LINE's side.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) request_id: String,
    pub(crate) accepted_request_id: Option<String>,
    pub(crate) body: Value,
}

pub(crate) struct Stage {
    pub(crate) simulator: Simulator,
    pub(crate) control: Control,
    pub(crate) account: AccountCard,
    pub(crate) receiver: Receiver,
    pub(crate) http: reqwest::Client,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(AccountSpec::default()).await
    }

    pub(crate) async fn with(spec: AccountSpec) -> Self {
        let simulator = Simulator::start(Options { seed: 7, ..Options::default() }).await.unwrap();
        let control = simulator.control();
        let receiver = Receiver::start().await;
        let provider = control.add_provider("Example").await.unwrap();
        let spec = AccountSpec { webhook_url: Some(receiver.url.clone()), ..spec };
        let account = control.add_account(&provider, spec).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { simulator, control, account, receiver, http }
    }

    /// A new person with their user ID; no friend yet.
    pub(crate) async fn person(&self) -> (PersonId, UserId) {
        let person = self.control.add_person(&PersonSpec::default()).await.unwrap();
        let user = self.control.user_id(&self.account.channel_id, &person).await.unwrap();
        (person, user)
    }

    /// A new friend, added without an event.
    pub(crate) async fn friend(&self) -> (PersonId, UserId) {
        let friend = self.control.add_friends(&self.account.channel_id, 1, true).await.unwrap().remove(0);
        (friend.person, friend.user_id)
    }

    /// A friend writes; the webhook has been delivered.
    pub(crate) async fn writes(&self, person: &PersonId, text: &str) -> Done {
        let done = self.control.write_text(&self.account.channel_id, person, text).await.unwrap();
        assert!(self.control.webhooks_settled(Duration::from_secs(10)).await.unwrap());
        done
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.call_with(method, path, body, &[]).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    /// An error is a lost answer.
    pub(crate) async fn call_with(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, reqwest::Error> {
        let url = format!("{}{path}", self.simulator.base_url());
        let mut request = self.http.request(method, url).bearer_auth(&self.account.access_token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let header = |name: &str| answer.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
        let request_id = header("x-line-request-id").expect("x-line-request-id on every response");
        let accepted_request_id = header("x-line-accepted-request-id");
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await?;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok(Answer { status, request_id, accepted_request_id, body })
    }

    pub(crate) async fn push(&self, to: &UserId, text: &str) -> Answer {
        self.post("/v2/bot/message/push", json!({ "to": to, "messages": [text_message(text)] })).await
    }

    pub(crate) async fn push_keyed(&self, to: &UserId, text: &str, key: &str) -> Result<Answer, reqwest::Error> {
        let body = json!({ "to": to, "messages": [text_message(text)] });
        self.call_with(Method::POST, "/v2/bot/message/push", Some(body), &[("X-Line-Retry-Key", key)]).await
    }

    pub(crate) async fn reply(&self, token: &str, text: &str) -> Answer {
        let body = json!({ "replyToken": token, "messages": [text_message(text)] });
        self.post("/v2/bot/message/reply", body).await
    }

    pub(crate) async fn sent(&self) -> Vec<Sent> {
        self.control.sent(&BooksQuery::default()).await.unwrap()
    }
}

pub(crate) fn text_message(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}
