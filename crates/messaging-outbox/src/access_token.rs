//! Channel access tokens: got with the account's credential, kept in memory, renewed before they end
//! (<https://developers.line.biz/en/docs/basics/channel-access-token/>).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chassis::seal::{self, PrivateKey};
use chrono::TimeDelta;
use contracts::events::v1::ChannelCredentialKind;
use kernel::{Clock, Timestamp};
use line_client::{AssertionKey, ChannelAccessToken, FailureKind, LineClient, MAX_TOKEN_LIFETIME};
use line_types::api::TokenResponse;
use line_types::id::ChannelId;
use line_types::signature::ChannelSecret;

use crate::postgres::account::Account;
use crate::postgres::lane::LaneKey;

/// How long asking LINE for a token may take.
const DEADLINE: Duration = Duration::from_secs(3);
/// How long an assertion lives.
const ASSERTION_LIFE: Duration = Duration::from_mins(5);
/// A token is renewed when less than this share of its life is left: a stateless one after 12 of its 15 minutes.
const RENEW_AT: i32 = 5;
/// A credential LINE refused is not tried again sooner, unless it is changed.
const REFUSED_FOR: TimeDelta = TimeDelta::seconds(10);
/// Tokens kept at most; beyond that all are forgotten and got anew.
const KEPT: usize = 20_000;

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenTrouble {
    /// The account has no credential.
    #[error("the account has no channel credential")]
    Missing,
    /// The credential cannot be opened or read.
    #[error("the channel credential cannot be read")]
    Unreadable,
    /// LINE refuses it.
    #[error("LINE refuses the channel credential")]
    Refused,
    /// LINE cannot be asked now.
    #[error("LINE cannot be asked for a token now")]
    Unavailable,
}

/// The tokens of every account, by the credential's version.
pub(crate) struct AccessTokens {
    line: LineClient,
    key: PrivateKey,
    clock: Arc<dyn Clock>,
    kept: Mutex<HashMap<LaneKey, Arc<tokio::sync::Mutex<Option<Kept>>>>>,
}

struct Kept {
    version: i64,
    token: Result<ChannelAccessToken, TokenTrouble>,
    renew_time: Option<Timestamp>,
}

impl AccessTokens {
    pub(crate) fn new(line: LineClient, key: PrivateKey, clock: Arc<dyn Clock>) -> Self {
        Self { line, key, clock, kept: Mutex::default() }
    }

    /// The token of an account, got from LINE when there is none that still lives.
    pub(crate) async fn get(&self, key: LaneKey, account: &Account) -> Result<ChannelAccessToken, TokenTrouble> {
        let slot = self.slot(key);
        let mut slot = slot.lock().await;
        let now = self.clock.now();
        if let Some(kept) = slot.as_ref()
            && kept.version == account.version
            && kept.renew_time.is_none_or(|time| now < time)
        {
            return kept.token.clone();
        }
        let fresh = self.issue(account, now).await;
        // A token that still lives serves on when LINE cannot be asked for the next.
        if let (Err(TokenTrouble::Unavailable), Some(kept)) = (&fresh.token, slot.as_ref())
            && kept.version == account.version
            && kept.token.is_ok()
        {
            return kept.token.clone();
        }
        let token = fresh.token.clone();
        *slot = (token != Err(TokenTrouble::Unavailable)).then_some(fresh);
        token
    }

    /// Another token than `refused`, which LINE did not take. Whoever comes later with the same one gets what the first got.
    pub(crate) async fn renew(
        &self,
        key: LaneKey,
        account: &Account,
        refused: &ChannelAccessToken,
    ) -> Result<ChannelAccessToken, TokenTrouble> {
        {
            let slot = self.slot(key);
            let mut slot = slot.lock().await;
            match slot.as_ref().map(|kept| &kept.token) {
                Some(Ok(token)) if token != refused => return Ok(token.clone()),
                _ if account.credential == ChannelCredentialKind::LongLivedToken => return Err(TokenTrouble::Refused),
                _ => *slot = None,
            }
        }
        self.get(key, account).await
    }

    fn slot(&self, key: LaneKey) -> Arc<tokio::sync::Mutex<Option<Kept>>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        Arc::clone(kept.entry(key).or_default())
    }

    async fn issue(&self, account: &Account, now: Timestamp) -> Kept {
        match self.issued(account, now).await {
            Ok((token, life)) => {
                let renew_time = life.map(|life| now + life - life / RENEW_AT);
                Kept { version: account.version, token: Ok(token), renew_time }
            }
            Err(trouble) => {
                tracing::warn!(account = %account.id, error = %trouble, "no channel access token");
                Kept { version: account.version, token: Err(trouble), renew_time: Some(now + REFUSED_FOR) }
            }
        }
    }

    /// A token and how long it lives; none: until it is revoked.
    async fn issued(
        &self,
        account: &Account,
        now: Timestamp,
    ) -> Result<(ChannelAccessToken, Option<TimeDelta>), TokenTrouble> {
        if account.credential == ChannelCredentialKind::Unspecified {
            return Err(TokenTrouble::Missing);
        }
        let material = seal::open(&self.key, &account.sealed_material).map_err(|_| TokenTrouble::Unreadable)?;
        let material = std::str::from_utf8(&material).map_err(|_| TokenTrouble::Unreadable)?;
        if account.credential == ChannelCredentialKind::LongLivedToken {
            return Ok((ChannelAccessToken::new(material), None));
        }
        let channel = ChannelId::parse(&account.channel_id).map_err(|_| TokenTrouble::Unreadable)?;
        let answer = if account.credential == ChannelCredentialKind::ChannelSecret {
            let secret = ChannelSecret::parse(material).map_err(|_| TokenTrouble::Unreadable)?;
            self.line.issue_stateless(&channel, &secret, DEADLINE).await
        } else {
            let key = AssertionKey::parse(&account.assertion_key_id, material).map_err(|_| TokenTrouble::Unreadable)?;
            let assertion = key
                .assert(&channel, now, ASSERTION_LIFE, Some(MAX_TOKEN_LIFETIME))
                .map_err(|_| TokenTrouble::Unreadable)?;
            self.line.issue_v21(&assertion, DEADLINE).await
        };
        answer.map(|issued| (ChannelAccessToken::from(&issued), Some(life(&issued)))).map_err(|failure| {
            match failure.kind {
                FailureKind::Refused | FailureKind::Unauthorized => TokenTrouble::Refused,
                _ => TokenTrouble::Unavailable,
            }
        })
    }
}

fn life(issued: &TokenResponse) -> TimeDelta {
    TimeDelta::seconds(i64::try_from(issued.expires_in).unwrap_or(0).min(30 * 86_400))
}
