//! Sending: <https://developers.line.biz/en/docs/messaging-api/sending-messages/>. Acceptance is not delivery.

use std::time::Duration;

use line_types::{
    api::{
        ErrorBody, MulticastRequest, PushRequest, RETRY_KEY_HEADER, ReplyRequest, SentMessage, SentMessages,
        ValidateRequest,
    },
    id::RetryKey,
    rate::Endpoint,
};

use crate::{answer::Answer, client::LineClient, failure::Failure, token::ChannelAccessToken};

/// LINE took the messages. Whether anybody sees them LINE does not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    /// LINE's id of this request.
    pub request_id: Option<String>,
    /// On a repetition: LINE's id of the request it took first.
    pub accepted_request_id: Option<String>,
    /// One entry per message, in order. Replies and pushes only; empty also if the answer broke off.
    pub sent: Vec<SentMessage>,
    /// Whether an earlier request with the same retry key was taken, and this one only says so (409).
    pub already_accepted: bool,
}

impl LineClient {
    /// Answers an event: `POST /v2/bot/message/reply`. Free. LINE takes no retry key here.
    pub async fn reply(
        &self,
        token: &ChannelAccessToken,
        request: &ReplyRequest,
        deadline: Duration,
    ) -> Result<Accepted, Failure> {
        let url = self.endpoints().api(&["v2", "bot", "message", "reply"]);
        accepted(self.call(Endpoint::Reply, self.post(url, token).json(request), deadline).await?)
    }

    /// Sends to one user, group or room: `POST /v2/bot/message/push`.
    ///
    /// The retry key belongs to this request body: with it, and only within 24 hours, the same body may be sent again.
    pub async fn push(
        &self,
        token: &ChannelAccessToken,
        request: &PushRequest,
        retry_key: &RetryKey,
        deadline: Duration,
    ) -> Result<Accepted, Failure> {
        let url = self.endpoints().api(&["v2", "bot", "message", "push"]);
        let request = self.post(url, token).header(RETRY_KEY_HEADER, retry_key.as_str()).json(request);
        accepted(self.call(Endpoint::Push, request, deadline).await?)
    }

    /// Sends to up to 500 users: `POST /v2/bot/message/multicast`. On a failure nobody receives it.
    pub async fn multicast(
        &self,
        token: &ChannelAccessToken,
        request: &MulticastRequest,
        retry_key: &RetryKey,
        deadline: Duration,
    ) -> Result<Accepted, Failure> {
        let url = self.endpoints().api(&["v2", "bot", "message", "multicast"]);
        let request = self.post(url, token).header(RETRY_KEY_HEADER, retry_key.as_str()).json(request);
        accepted(self.call(Endpoint::Multicast, request, deadline).await?)
    }

    /// Asks LINE whether it would take these message objects, and sends nothing:
    /// `POST /v2/bot/message/validate/{reply,push,multicast,narrowcast,broadcast}`.
    ///
    /// `method` is the endpoint the messages are for; one that does not send is asked about as a push.
    pub async fn validate(
        &self,
        token: &ChannelAccessToken,
        method: Endpoint,
        request: &ValidateRequest,
        deadline: Duration,
    ) -> Result<(), Failure> {
        let (name, endpoint) = match method {
            Endpoint::Reply => ("reply", Endpoint::ValidateReply),
            Endpoint::Multicast => ("multicast", Endpoint::ValidateMulticast),
            Endpoint::Narrowcast => ("narrowcast", Endpoint::ValidateNarrowcast),
            Endpoint::Broadcast => ("broadcast", Endpoint::ValidateBroadcast),
            _ => ("push", Endpoint::ValidatePush),
        };
        let url = self.endpoints().api(&["v2", "bot", "message", "validate", name]);
        self.call(endpoint, self.post(url, token).json(request), deadline).await?.succeeded().map(|_| ())
    }
}

/// A send's answer: 2xx is accepted, and so is 409 where a retry key was sent, whatever became of the body.
fn accepted(answer: Answer) -> Result<Accepted, Failure> {
    let body = answer.body.as_deref().unwrap_or_default();
    let repeated = answer.status == 409 && answer.endpoint.takes_retry_key();
    let sent = if repeated {
        serde_json::from_slice::<ErrorBody>(body).unwrap_or_default().sent_messages
    } else {
        answer.succeeded()?;
        serde_json::from_slice::<SentMessages>(body).unwrap_or_default().sent_messages
    };
    Ok(Accepted {
        sent,
        already_accepted: repeated,
        request_id: answer.request_id,
        accepted_request_id: answer.accepted_request_id,
    })
}
