//! Channel access tokens: <https://developers.line.biz/en/docs/basics/channel-access-token/>.

use std::{fmt, time::Duration};

use line_types::{
    api::{TokenKeyIds, TokenResponse, VerifiedToken},
    id::ChannelId,
    rate::Endpoint,
    signature::ChannelSecret,
};
use serde::Serialize;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{assertion::Assertion, client::LineClient, failure::Failure};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const GRANT_TYPE: &str = "client_credentials";

/// A channel access token of any kind. Whoever has it can write to every friend. Wiped on drop, never shown.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct ChannelAccessToken(String);

impl ChannelAccessToken {
    /// Takes a token as issued. LINE's tokens are opaque.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// The token in clear, for the header that must carry it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ChannelAccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelAccessToken(..)")
    }
}

impl From<&TokenResponse> for ChannelAccessToken {
    fn from(issued: &TokenResponse) -> Self {
        Self::new(issued.access_token.as_str())
    }
}

#[derive(Serialize)]
struct BySecret<'a> {
    grant_type: &'static str,
    client_id: &'a str,
    client_secret: &'a str,
}

#[derive(Serialize)]
struct ByAssertion<'a> {
    grant_type: &'static str,
    client_assertion_type: &'static str,
    client_assertion: &'a str,
}

impl<'a> BySecret<'a> {
    fn of(channel: &'a ChannelId, secret: &'a ChannelSecret) -> Self {
        Self { grant_type: GRANT_TYPE, client_id: channel.as_str(), client_secret: secret.expose() }
    }
}

impl<'a> ByAssertion<'a> {
    fn of(assertion: &'a Assertion) -> Self {
        Self { grant_type: GRANT_TYPE, client_assertion_type: ASSERTION_TYPE, client_assertion: assertion.expose() }
    }
}

impl LineClient {
    /// Issues a stateless token: 15 minutes, without number, never revoked. `POST /oauth2/v3/token`.
    pub async fn issue_stateless(
        &self,
        channel: &ChannelId,
        secret: &ChannelSecret,
        deadline: Duration,
    ) -> Result<TokenResponse, Failure> {
        self.issue(Endpoint::IssueStatelessToken, &["oauth2", "v3", "token"], &BySecret::of(channel, secret), deadline)
            .await
    }

    /// Issues a stateless token for an assertion. `POST /oauth2/v3/token`.
    pub async fn issue_stateless_by_assertion(
        &self,
        assertion: &Assertion,
        deadline: Duration,
    ) -> Result<TokenResponse, Failure> {
        self.issue(Endpoint::IssueStatelessToken, &["oauth2", "v3", "token"], &ByAssertion::of(assertion), deadline)
            .await
    }

    /// Issues a v2.1 token for an assertion that names its lifetime; at most 30 are valid at once.
    /// `POST /oauth2/v2.1/token`.
    pub async fn issue_v21(&self, assertion: &Assertion, deadline: Duration) -> Result<TokenResponse, Failure> {
        self.issue(Endpoint::IssueTokenV21, &["oauth2", "v2.1", "token"], &ByAssertion::of(assertion), deadline).await
    }

    /// Issues a short-lived token: 30 days; the 31st revokes the oldest. `POST /v2/oauth/accessToken`.
    pub async fn issue_short_lived(
        &self,
        channel: &ChannelId,
        secret: &ChannelSecret,
        deadline: Duration,
    ) -> Result<TokenResponse, Failure> {
        let path = ["v2", "oauth", "accessToken"];
        self.issue(Endpoint::IssueShortLivedToken, &path, &BySecret::of(channel, secret), deadline).await
    }

    /// Revokes a v2.1 token. `POST /oauth2/v2.1/revoke`.
    pub async fn revoke_v21(
        &self,
        channel: &ChannelId,
        secret: &ChannelSecret,
        token: &ChannelAccessToken,
        deadline: Duration,
    ) -> Result<(), Failure> {
        let form =
            [("client_id", channel.as_str()), ("client_secret", secret.expose()), ("access_token", token.expose())];
        let request = self.http().post(self.endpoints().api(&["oauth2", "v2.1", "revoke"])).form(&form);
        self.call(Endpoint::RevokeToken, request, deadline).await?.succeeded().map(|_| ())
    }

    /// Revokes a short-lived or long-lived token. `POST /v2/oauth/revoke`.
    pub async fn revoke(&self, token: &ChannelAccessToken, deadline: Duration) -> Result<(), Failure> {
        let request = self
            .http()
            .post(self.endpoints().api(&["v2", "oauth", "revoke"]))
            .form(&[("access_token", token.expose())]);
        self.call(Endpoint::RevokeToken, request, deadline).await?.succeeded().map(|_| ())
    }

    /// Verifies a v2.1 token. `GET /oauth2/v2.1/verify`.
    pub async fn verify_v21(&self, token: &ChannelAccessToken, deadline: Duration) -> Result<VerifiedToken, Failure> {
        let url = self.endpoints().api(&["oauth2", "v2.1", "verify"]);
        let request = self.http().get(url).query(&[("access_token", token.expose())]);
        self.call(Endpoint::VerifyToken, request, deadline).await?.json()
    }

    /// Verifies a short-lived or long-lived token. `POST /v2/oauth/verify`.
    pub async fn verify(&self, token: &ChannelAccessToken, deadline: Duration) -> Result<VerifiedToken, Failure> {
        let request = self
            .http()
            .post(self.endpoints().api(&["v2", "oauth", "verify"]))
            .form(&[("access_token", token.expose())]);
        self.call(Endpoint::VerifyToken, request, deadline).await?.json()
    }

    /// The key ids of all valid v2.1 tokens. `GET /oauth2/v2.1/tokens/kid`.
    pub async fn token_key_ids(&self, assertion: &Assertion, deadline: Duration) -> Result<TokenKeyIds, Failure> {
        let url = self.endpoints().api(&["oauth2", "v2.1", "tokens", "kid"]);
        let query = [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion.expose())];
        self.call(Endpoint::TokenKeyIds, self.http().get(url).query(&query), deadline).await?.json()
    }

    async fn issue<F: Serialize + Sync>(
        &self,
        endpoint: Endpoint,
        path: &[&str],
        form: &F,
        deadline: Duration,
    ) -> Result<TokenResponse, Failure> {
        let request = self.http().post(self.endpoints().api(path)).form(form);
        self.call(endpoint, request, deadline).await?.json()
    }
}
