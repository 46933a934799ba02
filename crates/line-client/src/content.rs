//! The bytes of received messages: <https://developers.line.biz/en/reference/messaging-api/#get-content>.

use std::{fmt, time::Duration};

use bytes::Bytes;
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use line_types::{
    api::{Transcoding, TranscodingStatus},
    id::MessageId,
    rate::Endpoint,
};
use reqwest::{Response, header::CONTENT_TYPE};

use crate::{answer::Answer, client::LineClient, failure::Failure, token::ChannelAccessToken};

/// LINE's answer to asking for content.
#[derive(Debug)]
pub enum ContentAnswer {
    /// Here it is.
    Ready(Content),
    /// LINE is still preparing a large video or voice message (202): ask again later.
    NotReady,
    /// Taken back by its sender (410): never to be had again.
    Gone,
}

/// Content on its way.
pub struct Content {
    /// Its media type as LINE says it: untrusted, sniff before showing.
    pub content_type: Option<String>,
    /// Its size in bytes, if LINE says it.
    pub length: Option<u64>,
    response: Response,
    most_bytes: u64,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({:?} bytes)", self.length)
    }
}

/// Why content did not come whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// The connection broke off, or the call's deadline passed.
    #[error("content broke off")]
    BrokenOff,
    /// More bytes than the caller takes.
    #[error("content is larger than {0} bytes")]
    TooLarge(u64),
}

impl Content {
    /// The bytes as they come; ends after the first error.
    pub fn into_stream(self) -> BoxStream<'static, Result<Bytes, ContentError>> {
        let most = self.most_bytes;
        stream::try_unfold((self.response, 0u64), move |(mut response, seen)| async move {
            let Some(chunk) = response.chunk().await.map_err(|_| ContentError::BrokenOff)? else { return Ok(None) };
            let seen = seen.saturating_add(chunk.len() as u64);
            if seen > most { Err(ContentError::TooLarge(most)) } else { Ok(Some((chunk, (response, seen)))) }
        })
        .boxed()
    }
}

impl LineClient {
    /// Content of a picture, video, voice message or file: `GET /v2/bot/message/{id}/content` on LINE's data host.
    ///
    /// The deadline covers the whole stream; `most_bytes` bounds it.
    pub async fn content(
        &self,
        token: &ChannelAccessToken,
        message: &MessageId,
        most_bytes: u64,
        deadline: Duration,
    ) -> Result<ContentAnswer, Failure> {
        self.fetch(Endpoint::Content, &["content"], token, message, most_bytes, deadline).await
    }

    /// A smaller picture of a picture or video: `GET /v2/bot/message/{id}/content/preview`. 400 for everything else.
    pub async fn content_preview(
        &self,
        token: &ChannelAccessToken,
        message: &MessageId,
        most_bytes: u64,
        deadline: Duration,
    ) -> Result<ContentAnswer, Failure> {
        self.fetch(Endpoint::ContentPreview, &["content", "preview"], token, message, most_bytes, deadline).await
    }

    /// How far LINE is with a video or voice message: `GET /v2/bot/message/{id}/content/transcoding`. 400 for all else.
    pub async fn transcoding(
        &self,
        token: &ChannelAccessToken,
        message: &MessageId,
        deadline: Duration,
    ) -> Result<TranscodingStatus, Failure> {
        let url = self.endpoints().data(&["v2", "bot", "message", message.as_str(), "content", "transcoding"]);
        let answer = self.call(Endpoint::ContentTranscoding, self.get(url, token), deadline).await?;
        Ok(answer.json::<Transcoding>()?.status)
    }

    async fn fetch(
        &self,
        endpoint: Endpoint,
        tail: &[&str],
        token: &ChannelAccessToken,
        message: &MessageId,
        most_bytes: u64,
        deadline: Duration,
    ) -> Result<ContentAnswer, Failure> {
        let path = [&["v2", "bot", "message", message.as_str()], tail].concat();
        let request = self.get(self.endpoints().data(&path), token);
        let response = self.open(endpoint, request, deadline).await?;
        match response.status().as_u16() {
            200 => Ok(ContentAnswer::Ready(Content {
                content_type: response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).map(str::to_owned),
                length: response.content_length(),
                response,
                most_bytes,
            })),
            202 => Ok(ContentAnswer::NotReady),
            410 => Ok(ContentAnswer::Gone),
            status => {
                let answer = Answer::read(endpoint, response).await;
                answer.succeeded()?;
                Err(Failure::unreadable(status, answer.request_id))
            }
        }
    }
}
