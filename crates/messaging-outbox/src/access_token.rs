//! Channel access tokens: got with the account's credential, kept in memory, renewed before they end
//! (<https://developers.line.biz/en/docs/basics/channel-access-token/>).
//!
//! Of the tokens got by assertion (v2.1) LINE lets an account have 30 at once, for up to 30 days each. So that restarts and
//! replicas do not use them up, the token in use is kept in the database, too. Should LINE refuse to issue another all the
//! same, a stateless one serves: those have no limit. A token that LINE refuses as soon as it was issued is not replaced again
//! and again (see `token_renewal`): what is to be sent fails as unauthorized meanwhile.

use std::convert::Infallible;
use std::sync::Arc;
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
use messaging_outbox_core::token_renewal::{self, Renewals};
use quick_cache::sync::Cache;
use uuid::Uuid;

use crate::postgres::access_token::{self as rows, Shared};
use crate::postgres::account::{Account, AccountKey};

/// How long asking LINE for a token may take.
const DEADLINE: Duration = Duration::from_secs(3);
/// How long an assertion lives.
const ASSERTION_LIFE: Duration = Duration::from_mins(5);
/// A token is renewed when less than this share of its life is left: a stateless one after 12 of its 15 minutes.
const RENEW_AT: i32 = 5;
/// A credential LINE refused is not tried again sooner, unless it is changed.
const REFUSED_FOR: TimeDelta = TimeDelta::seconds(10);
/// A token of the kind without limit is not got sooner where LINE refuses one after another.
const UNLIMITED_REFUSED_FOR: TimeDelta = TimeDelta::minutes(10);
/// Tokens kept at most; those longest unused are forgotten first.
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
    kept: Cache<AccountKey, Slot>,
}

type Slot = Arc<tokio::sync::Mutex<Option<Kept>>>;

#[derive(Clone)]
struct Kept {
    /// With which credential it was got.
    credential: Uuid,
    token: Result<ChannelAccessToken, TokenTrouble>,
    renew_time: Option<Timestamp>,
    /// How often LINE refused tokens of this credential.
    renewals: Option<Renewals>,
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
        Self { line, key, clock, database, envelope, kept: Cache::new(KEPT) }
    }

    /// The token of an account, got from LINE when there is none that still lives.
    pub(crate) async fn get(&self, account: &Account) -> Result<ChannelAccessToken, TokenTrouble> {
        let key = account.key();
        let slot = self.slot(key);
        let mut slot = slot.lock().await;
        let (now, credential) = (self.clock.now(), fingerprint(account));
        if let Some(kept) = slot.as_ref()
            && kept.credential == credential
            && kept.renew_time.is_none_or(|time| now < time)
        {
            return kept.token.clone();
        }
        let held = slot.as_ref().filter(|kept| kept.credential == credential);
        let fresh = if let Some(shared) = self.shared(key, account, credential, now).await {
            shared
        } else {
            self.issue(key, account, credential, held.and_then(|kept| kept.renewals), now).await
        };
        // A token that still lives serves on when LINE cannot be asked for the next.
        if let (Err(TokenTrouble::Unavailable), Some(kept)) = (&fresh.token, held)
            && kept.token.is_ok()
        {
            return kept.token.clone();
        }
        let token = fresh.token.clone();
        if token != Err(TokenTrouble::Unavailable) {
            *slot = Some(fresh);
        }
        token
    }

    /// Another token than `refused`, which LINE did not take. Whoever comes later with the same one gets what the first got.
    pub(crate) async fn renew(
        &self,
        account: &Account,
        refused: &ChannelAccessToken,
    ) -> Result<ChannelAccessToken, TokenTrouble> {
        let key = account.key();
        let slot = self.slot(key);
        let mut slot = slot.lock().await;
        let (now, credential) = (self.clock.now(), fingerprint(account));
        let held = slot.as_ref().filter(|kept| kept.credential == credential);
        match held.map(|kept| &kept.token) {
            Some(Ok(token)) if token != refused => return Ok(token.clone()),
            _ if account.credential == ChannelCredentialKind::LongLivedToken => return Err(TokenTrouble::Refused),
            _ => {}
        }
        // Another replica may have got a new one already.
        let shared = self.shared(key, account, credential, now).await;
        let renewals = shared.as_ref().or(held).and_then(|kept| kept.renewals);
        let renewed = token_renewal::renew(renewals, now);
        let other = shared.clone().filter(|shared| shared.token.as_ref().is_ok_and(|token| token != refused));
        let fresh = match (other, renewed) {
            (Some(other), _) => other,
            (None, Ok(renewals)) => self.issue(key, account, credential, Some(renewals), now).await,
            (None, Err(allowed_from)) => {
                tracing::error!(account = %account.id, "LINE refuses channel access tokens as soon as they are issued");
                // LINE may take the one there is by then; where none is shared, another of the unlimited kind.
                let again = if shared.is_some() { REFUSED_FOR } else { UNLIMITED_REFUSED_FOR };
                let again = allowed_from.min(now + again);
                Kept { credential, token: Err(TokenTrouble::Refused), renew_time: Some(again), renewals }
            }
        };
        let token = fresh.token.clone();
        if token != Err(TokenTrouble::Unavailable) {
            *slot = Some(fresh);
        }
        token
    }

    fn slot(&self, key: AccountKey) -> Slot {
        let Ok(slot) = self.kept.get_or_insert_with(&key, || Ok::<_, Infallible>(Slot::default()));
        slot
    }

    /// The token that this or another replica got before, where it is of a kind that is shared.
    async fn shared(&self, key: AccountKey, account: &Account, credential: Uuid, now: Timestamp) -> Option<Kept> {
        if account.credential != ChannelCredentialKind::AssertionKey {
            return None;
        }
        match self.read_shared(key, credential).await {
            Ok(Some(kept)) if kept.renew_time.is_some_and(|time| now < time) => Some(kept),
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(account = %account.id, error = format!("{error:#}"), "the channel access token kept cannot be read");
                None
            }
        }
    }

    async fn read_shared(&self, key: AccountKey, credential: Uuid) -> anyhow::Result<Option<Kept>> {
        let mut tx = self.database.tenant(key.tenant).await?;
        let Some(kept) = rows::read(&mut tx, key.account, credential).await? else { return Ok(None) };
        let token = self.envelope.decrypt(&mut tx, &purpose(key), &kept.ciphertext).await?;
        tx.rollback().await?;
        let token = Ok(ChannelAccessToken::new(std::str::from_utf8(&token)?));
        Ok(Some(Kept { credential, token, renew_time: Some(kept.renew_time), renewals: kept.renewals }))
    }

    async fn share(
        &self,
        key: AccountKey,
        credential: Uuid,
        token: &ChannelAccessToken,
        renew_time: Timestamp,
        renewals: Option<Renewals>,
    ) -> anyhow::Result<()> {
        let mut tx = self.database.tenant(key.tenant).await?;
        let ciphertext = self.envelope.encrypt(&mut tx, &purpose(key), token.expose().as_bytes()).await?;
        rows::keep(&mut tx, key.account, credential, &Shared { renew_time, ciphertext, renewals }).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn issue(
        &self,
        key: AccountKey,
        account: &Account,
        credential: Uuid,
        renewals: Option<Renewals>,
        now: Timestamp,
    ) -> Kept {
        match self.issued(account, now).await {
            Ok(Issued { token, life, scarce }) => {
                let renew_time = life.map(|life| now + life - life / RENEW_AT);
                if let Some(renew_time) = renew_time.filter(|_| scarce)
                    && let Err(error) = self.share(key, credential, &token, renew_time, renewals).await
                {
                    tracing::warn!(account = %account.id, error = format!("{error:#}"), "a channel access token is not kept");
                }
                Kept { credential, token: Ok(token), renew_time, renewals }
            }
            Err(trouble) => {
                tracing::warn!(account = %account.id, error = %trouble, "no channel access token");
                Kept { credential, token: Err(trouble), renew_time: Some(now + REFUSED_FOR), renewals }
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
fn purpose(key: AccountKey) -> String {
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
