//! The client: one connection pool, one request per call.

use std::time::Duration;

use line_types::rate::Endpoint;
use reqwest::{Client, RequestBuilder, redirect::Policy};
use tracing::{Instrument as _, field::Empty, info_span};
use url::Url;

use crate::{
    answer::{Answer, id_header},
    endpoints::Endpoints,
    failure::{Failure, Transport, classify_transport},
    token::ChannelAccessToken,
};

/// Longest wait for a connection. A call's own deadline may end it earlier, but then its outcome counts as unknown.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an idle connection is kept; shorter than what common gateways allow, so that they do not cut it first.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Why no client can be made.
#[derive(Debug, thiserror::Error)]
#[error("line client cannot be built")]
pub struct ClientError(#[from] reqwest::Error);

/// A client of LINE's APIs. Clones share one connection pool.
///
/// Every method takes the token and a deadline for the whole call, answer included. It never repeats a request, follows no
/// redirect and reads bounded answers only.
#[derive(Debug, Clone)]
pub struct LineClient {
    http: Client,
    endpoints: Endpoints,
}

impl LineClient {
    /// Makes a client. A rustls crypto provider must be installed in the process.
    pub fn new(endpoints: Endpoints) -> Result<Self, ClientError> {
        let http = Client::builder()
            .user_agent(concat!("tsunagi/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .tcp_nodelay(true)
            .build()?;
        Ok(Self { http, endpoints })
    }

    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    pub(crate) fn http(&self) -> &Client {
        &self.http
    }

    pub(crate) fn get(&self, url: Url, token: &ChannelAccessToken) -> RequestBuilder {
        self.http.get(url).bearer_auth(token.expose())
    }

    pub(crate) fn post(&self, url: Url, token: &ChannelAccessToken) -> RequestBuilder {
        self.http.post(url).bearer_auth(token.expose())
    }

    /// Makes one request and reads the whole answer.
    pub(crate) async fn call(
        &self,
        endpoint: Endpoint,
        request: RequestBuilder,
        deadline: Duration,
    ) -> Result<Answer, Failure> {
        let response = self.open(endpoint, request, deadline).await?;
        Ok(Answer::read(endpoint, response).await)
    }

    /// Makes one request and reads the head of the answer.
    pub(crate) async fn open(
        &self,
        endpoint: Endpoint,
        request: RequestBuilder,
        deadline: Duration,
    ) -> Result<reqwest::Response, Failure> {
        let span = info_span!("line.call", ?endpoint, status = Empty, request_id = Empty);
        async {
            let span = tracing::Span::current();
            match request.timeout(deadline).send().await {
                Ok(response) => {
                    span.record("status", response.status().as_u16());
                    span.record("request_id", id_header(&response, line_types::api::REQUEST_ID_HEADER));
                    Ok(response)
                }
                Err(error) => Err(Failure::without_answer(classify_transport(place(&error)))),
            }
        }
        .instrument(span)
        .await
    }
}

/// Where a call broke off. The error itself is dropped: it would show the address, and with it identifiers and tokens.
fn place(error: &reqwest::Error) -> Transport {
    if error.is_builder() {
        Transport::Building
    } else if error.is_connect() {
        Transport::Connecting
    } else {
        Transport::Talking
    }
}
