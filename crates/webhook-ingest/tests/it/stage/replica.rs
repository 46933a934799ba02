//! A running replica, and how LINE posts to it.

use bytes::Bytes;
use chassis::Host;
use testkit::eventually;
use webhook_ingest::App;

use super::SOON;
use super::account::{SECRET, TestAccount};
use super::body::signature;

/// A running replica of the service; stopped by [`Replica::stop`], cut off when dropped with its runtime.
pub(crate) struct Replica {
    pub(crate) app: App,
    pub(crate) host: Host,
    pub(crate) http: reqwest::Client,
}

impl Replica {
    pub(crate) async fn ready(&self) {
        tokio::time::timeout(SOON, self.host.readiness().ready()).await.unwrap_or_else(|_| {
            panic!("not ready: {:?}", self.host.readiness().closed());
        });
    }

    /// Stops as on SIGTERM and waits for the end.
    pub(crate) async fn stop(self) {
        self.host.stop();
        self.host.wait().await.unwrap();
    }

    /// What the replica's figures say now.
    pub(crate) async fn figures(&self) -> String {
        let figures = self.http.get(format!("http://{}/metrics", self.host.admin_addr())).send().await.unwrap();
        figures.text().await.unwrap()
    }

    /// Waits until the figures have this line.
    pub(crate) async fn eventually_shows(&self, line: &str) {
        eventually(SOON, || async {
            let figures = self.figures().await;
            if figures.lines().any(|one| one == line) { Ok(()) } else { Err(figures) }
        })
        .await
        .unwrap();
    }

    pub(crate) fn url(&self, key: &str) -> String {
        format!("http://{}/line/webhooks/{key}", self.app.http_addr())
    }

    /// Posts a body, signed with the account's newest secret, to its address; tells the status.
    pub(crate) async fn post(&self, account: &TestAccount, body: impl Into<Bytes>) -> u16 {
        let body = body.into();
        let signature = signature(SECRET, &body);
        self.send(&account.key, Some(&signature), body).await
    }

    /// Posts a body until it is accepted, as LINE does: on a machine under load an answer may be 503.
    pub(crate) async fn deliver(&self, account: &TestAccount, body: Bytes) {
        eventually(SOON, || async {
            match self.post(account, body.clone()).await {
                200 => Ok(()),
                status => Err(status),
            }
        })
        .await
        .unwrap();
    }

    /// Posts a body with any key and signature; tells the status.
    pub(crate) async fn send(&self, key: &str, signature: Option<&str>, body: impl Into<Bytes>) -> u16 {
        let mut request = self.http.post(self.url(key)).body(body.into());
        if let Some(signature) = signature {
            request = request.header("X-Line-Signature", signature);
        }
        request.send().await.unwrap().status().as_u16()
    }
}
