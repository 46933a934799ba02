//! Channel access tokens: got with the account's credential, kept in memory, renewed before they end
//! (<https://developers.line.biz/en/docs/basics/channel-access-token/>).
//!
//! Of the tokens got by assertion (v2.1) LINE lets an account have 30 at once, for up to 30 days each. So that restarts and
//! replicas do not use them up, the token in use is kept in the database, too. Should LINE refuse to issue another all the
//! same, a stateless one serves: those have no limit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chassis::envelope::Envelope;
use chassis::postgres::Database;
use chassis::seal::{self, PrivateKey};
use chrono::TimeDelta;
use contracts::events::v1::ChannelCredentialKind;
use kernel::{Clock, Timestamp};
use line_client::{AssertionKey, ChannelAccessToken, Failure, FailureKind, LineClient, MAX_TOKEN_LIFETIME};
use line_types::api::TokenResponse;
use line_types::id::ChannelId;
use line_types::signature::ChannelSecret;
use uuid::Uuid;

use crate::postgres::access_token::{self as rows, Shared};
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

/// The tokens of every account.
pub(crate) struct AccessTokens {
    line: LineClient,
    key: PrivateKey,
    clock: Arc<dyn Clock>,
    database: Database,
    envelope: Arc<Envelope>,
    kept: Mutex<HashMap<LaneKey, Arc<tokio::sync::Mutex<Option<Kept>>>>>,
}

struct Kept {
    /// With which credential it was got.
    credential: Uuid,
    token: Result<ChannelAccessToken, TokenTrouble>,
    renew_time: Option<Timestamp>,
}

/// A token fresh from LINE.
struct Issued {
    token: ChannelAccessToken,
    /// None: until it is revoked.
    life: Option<TimeDelta>,
    /// LINE lets an account have only so many of its kind.
    scarce: bool,
}

impl AccessTokens {
    pub(crate) fn new(
        line: LineClient,
        key: PrivateKey,
        clock: Arc<dyn Clock>,
        database: Database,
        envelope: Arc<Envelope>,
    ) -> Self {
        Self { line, key, clock, database, envelope, kept: Mutex::default() }
    }

    /// The token of an account, got from LINE when there is none that still lives.
    pub(crate) async fn get(&self, key: LaneKey, account: &Account) -> Result<ChannelAccessToken, TokenTrouble> {
        let slot = self.slot(key);
        let mut slot = slot.lock().await;
        let (now, credential) = (self.clock.now(), fingerprint(account));
        if let Some(kept) = slot.as_ref()
            && kept.credential == credential
            && kept.renew_time.is_none_or(|time| now < time)
        {
            return kept.token.clone();
        }
        let fresh = match self.shared(key, account, credential, now).await {
            Some(shared) => shared,
            None => self.issue(key, account, credential, now).await,
        };
        // A token that still lives serves on when LINE cannot be asked for the next.
        if let (Err(TokenTrouble::Unavailable), Some(kept)) = (&fresh.token, slot.as_ref())
            && kept.credential == credential
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
        let slot = self.slot(key);
        let mut slot = slot.lock().await;
        match slot.as_ref().map(|kept| &kept.token) {
            Some(Ok(token)) if token != refused => return Ok(token.clone()),
            _ if account.credential == ChannelCredentialKind::LongLivedToken => return Err(TokenTrouble::Refused),
            _ => {}
        }
        let (now, credential) = (self.clock.now(), fingerprint(account));
        // Another replica may have got a new one already.
        let shared = self.shared(key, account, credential, now).await;
        let other = shared.filter(|shared| shared.token.as_ref().is_ok_and(|token| token != refused));
        let fresh = match other {
            Some(other) => other,
            None => self.issue(key, account, credential, now).await,
        };
        let token = fresh.token.clone();
        *slot = (token != Err(TokenTrouble::Unavailable)).then_some(fresh);
        token
    }

    fn slot(&self, key: LaneKey) -> Arc<tokio::sync::Mutex<Option<Kept>>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        Arc::clone(kept.entry(key).or_default())
    }

    /// The token that this or another replica got before, where it is of a kind that is shared.
    async fn shared(&self, key: LaneKey, account: &Account, credential: Uuid, now: Timestamp) -> Option<Kept> {
        if account.credential != ChannelCredentialKind::AssertionKey {
            return None;
        }
        match self.read_shared(key, credential).await {
            Ok(Some((token, renew_time))) if now < renew_time => {
                Some(Kept { credential, token: Ok(token), renew_time: Some(renew_time) })
            }
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(account = %account.id, error = format!("{error:#}"), "the channel access token kept cannot be read");
                None
            }
        }
    }

    async fn read_shared(
        &self,
        key: LaneKey,
        credential: Uuid,
    ) -> anyhow::Result<Option<(ChannelAccessToken, Timestamp)>> {
        let mut tx = self.database.tenant(key.tenant).await?;
        let Some(kept) = rows::read(&mut tx, key.account, credential).await? else { return Ok(None) };
        let token = self.envelope.decrypt(&mut tx, &purpose(key), &kept.ciphertext).await?;
        tx.rollback().await?;
        Ok(Some((ChannelAccessToken::new(std::str::from_utf8(&token)?), kept.renew_time)))
    }

    async fn share(
        &self,
        key: LaneKey,
        credential: Uuid,
        token: &ChannelAccessToken,
        renew_time: Timestamp,
    ) -> anyhow::Result<()> {
        let mut tx = self.database.tenant(key.tenant).await?;
        let ciphertext = self.envelope.encrypt(&mut tx, &purpose(key), token.expose().as_bytes()).await?;
        rows::keep(&mut tx, key.account, credential, &Shared { renew_time, ciphertext }).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn issue(&self, key: LaneKey, account: &Account, credential: Uuid, now: Timestamp) -> Kept {
        match self.issued(account, now).await {
            Ok(Issued { token, life, scarce }) => {
                let renew_time = life.map(|life| now + life - life / RENEW_AT);
                if let Some(renew_time) = renew_time.filter(|_| scarce)
                    && let Err(error) = self.share(key, credential, &token, renew_time).await
                {
                    tracing::warn!(account = %account.id, error = format!("{error:#}"), "a channel access token is not kept");
                }
                Kept { credential, token: Ok(token), renew_time }
            }
            Err(trouble) => {
                tracing::warn!(account = %account.id, error = %trouble, "no channel access token");
                Kept { credential, token: Err(trouble), renew_time: Some(now + REFUSED_FOR) }
            }
        }
    }

    async fn issued(&self, account: &Account, now: Timestamp) -> Result<Issued, TokenTrouble> {
        if account.credential == ChannelCredentialKind::Unspecified {
            return Err(TokenTrouble::Missing);
        }
        let material = seal::open(&self.key, &account.sealed_material).map_err(|_| TokenTrouble::Unreadable)?;
        let material = std::str::from_utf8(&material).map_err(|_| TokenTrouble::Unreadable)?;
        if account.credential == ChannelCredentialKind::LongLivedToken {
            return Ok(Issued { token: ChannelAccessToken::new(material), life: None, scarce: false });
        }
        let channel = ChannelId::parse(&account.channel_id).map_err(|_| TokenTrouble::Unreadable)?;
        if account.credential == ChannelCredentialKind::ChannelSecret {
            let secret = ChannelSecret::parse(material).map_err(|_| TokenTrouble::Unreadable)?;
            return told(self.line.issue_stateless(&channel, &secret, DEADLINE).await, false);
        }
        let key = AssertionKey::parse(&account.assertion_key_id, material).map_err(|_| TokenTrouble::Unreadable)?;
        let assert = |life| key.assert(&channel, now, ASSERTION_LIFE, life).map_err(|_| TokenTrouble::Unreadable);
        let lasting = self.line.issue_v21(&assert(Some(MAX_TOKEN_LIFETIME))?, DEADLINE).await;
        match told(lasting, true) {
            Err(TokenTrouble::Refused) => {
                told(self.line.issue_stateless_by_assertion(&assert(None)?, DEADLINE).await, false)
            }
            told => told,
        }
    }
}

/// What a shared token is encrypted for.
fn purpose(key: LaneKey) -> String {
    format!("access_token/{}", key.account)
}

/// Tells one credential from the next: an account changes in other ways, too, and keeps its token then.
fn fingerprint(account: &Account) -> Uuid {
    let mut whole = account.channel_id.clone().into_bytes();
    whole.extend([0, u8::try_from(i32::from(account.credential)).unwrap_or_default()]);
    whole.extend(account.assertion_key_id.as_bytes());
    whole.push(0);
    whole.extend(&account.sealed_material);
    Uuid::new_v5(&account.id.uuid(), &whole)
}

fn told(answer: Result<TokenResponse, Failure>, scarce: bool) -> Result<Issued, TokenTrouble> {
    match answer {
        Ok(issued) => Ok(Issued { token: ChannelAccessToken::from(&issued), life: Some(life(&issued)), scarce }),
        Err(failure) if matches!(failure.kind, FailureKind::Refused | FailureKind::Unauthorized) => {
            Err(TokenTrouble::Refused)
        }
        Err(_) => Err(TokenTrouble::Unavailable),
    }
}

fn life(issued: &TokenResponse) -> TimeDelta {
    TimeDelta::seconds(i64::try_from(issued.expires_in).unwrap_or(0).min(30 * 86_400))
}
