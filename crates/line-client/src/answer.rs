//! LINE's answer to a call, read to a bounded size.

use bytes::{Bytes, BytesMut};
use line_types::{
    api::{ACCEPTED_REQUEST_ID_HEADER, REQUEST_ID_HEADER},
    rate::Endpoint,
};
use reqwest::Response;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// Largest answer read. A page of 1,000 friends has about 40 KB; the largest, 1,000 rich menus with all their areas, some MB.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// Longest request id kept. LINE's are UUIDs or 16 hexadecimal digits.
const MAX_REQUEST_ID: usize = 128;

/// An answer. Its body is none if it was larger than the bound or broke off.
pub(crate) struct Answer {
    pub(crate) endpoint: Endpoint,
    pub(crate) status: u16,
    pub(crate) request_id: Option<String>,
    pub(crate) accepted_request_id: Option<String>,
    pub(crate) body: Option<Bytes>,
}

impl Answer {
    pub(crate) async fn read(endpoint: Endpoint, mut response: Response) -> Self {
        Self {
            endpoint,
            status: response.status().as_u16(),
            request_id: id_header(&response, REQUEST_ID_HEADER),
            accepted_request_id: id_header(&response, ACCEPTED_REQUEST_ID_HEADER),
            body: read_bounded(&mut response).await,
        }
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body of a success; a success that cannot be read is of unknown outcome.
    pub(crate) fn json<T: DeserializeOwned>(self) -> Result<T, Failure> {
        let body = self.succeeded()?.body.as_deref().and_then(|body| serde_json::from_slice(body).ok());
        body.ok_or(Failure::unreadable(self.status, self.request_id))
    }

    /// The answer itself if it is a success.
    pub(crate) fn succeeded(&self) -> Result<&Self, Failure> {
        if self.is_success() {
            return Ok(self);
        }
        let body = self.body.as_deref().unwrap_or_default();
        Err(Failure::answered(self.endpoint, self.status, self.request_id.clone(), body))
    }
}

pub(crate) fn id_header(response: &Response, name: &str) -> Option<String> {
    let value = response.headers().get(name)?.to_str().ok()?;
    (!value.is_empty() && value.len() <= MAX_REQUEST_ID).then(|| value.to_owned())
}

async fn read_bounded(response: &mut Response) -> Option<Bytes> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body.freeze())
}
