//! `/control/providers`, `/control/accounts`: what LINE's console and OA Manager would do.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::answer::ControlAnswer;
use crate::platform::Platform;
use crate::state::access_token::TokenKind;
use crate::state::account::{AccountCard, AccountSettings, AccountSpec, AccountState};
use crate::state::id::{ChannelId, ProviderId};
use crate::state::trouble::Trouble;
use crate::state::world::ActError;

/// A provider to create, and the answer: its ID.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NewProvider {
    /// Its name.
    pub name: String,
    /// Set in the answer.
    pub provider: Option<ProviderId>,
}

/// An account to create.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewAccount {
    /// Its owner.
    pub provider: ProviderId,
    /// What it is like.
    #[serde(flatten)]
    pub spec: AccountSpec,
}

/// A secret or token newly issued.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Secret {
    /// In clear.
    pub secret: String,
}

/// The public half of an assertion key, as a JWK without `kid`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AssertionKey {
    /// Modulus, Base64url.
    pub n: String,
    /// Exponent, Base64url.
    pub e: String,
}

/// The key ID LINE's console gives a registered key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyId {
    /// For the JWT header.
    pub kid: String,
}

pub(super) fn routes() -> Router<Arc<Platform>> {
    Router::new()
        .route("/providers", post(add_provider))
        .route("/accounts", post(add_account))
        .route("/accounts/{account}", get(read).patch(change))
        .route("/accounts/{account}/secret", post(reissue_secret))
        .route("/accounts/{account}/access-token", post(reissue_token))
        .route("/accounts/{account}/assertion-keys", post(register_key))
        .route("/accounts/{account}/delivery", post(set_delivery))
        .route("/accounts/{account}/rich-menus", delete(lose_rich_menus))
}

async fn add_provider(State(platform): State<Arc<Platform>>, Json(new): Json<NewProvider>) -> Json<NewProvider> {
    let id = platform.with(|world, _| world.add_provider(new.name.clone()));
    Json(NewProvider { provider: Some(id), ..new })
}

async fn add_account(State(platform): State<Arc<Platform>>, Json(new): Json<NewAccount>) -> ControlAnswer<AccountCard> {
    platform.with(|world, now| world.add_account(now, &new.provider, new.spec)).map(Json)
}

async fn read(State(platform): State<Arc<Platform>>, Path(account): Path<ChannelId>) -> ControlAnswer<AccountState> {
    platform.with(|world, now| {
        world.rich_menus(now, &account)?;
        Ok(Json(world.account(&account)?.state(now)))
    })
}

/// LINE loses the account's rich menus, with who had which.
async fn lose_rich_menus(State(platform): State<Arc<Platform>>, Path(account): Path<ChannelId>) -> ControlAnswer<()> {
    platform.with(|world, now| {
        world.rich_menus(now, &account)?.lose_all();
        Ok(Json(()))
    })
}

async fn change(
    State(platform): State<Arc<Platform>>,
    Path(account): Path<ChannelId>,
    Json(change): Json<AccountSettings>,
) -> ControlAnswer<()> {
    platform.with(|world, _| world.change_account(&account, change)).map(Json)
}

async fn reissue_secret(
    State(platform): State<Arc<Platform>>,
    Path(account): Path<ChannelId>,
) -> ControlAnswer<Secret> {
    platform.with(|world, _| world.reissue_secret(&account)).map(|secret| Json(Secret { secret }))
}

async fn reissue_token(State(platform): State<Arc<Platform>>, Path(account): Path<ChannelId>) -> ControlAnswer<Secret> {
    platform.with(|world, now| {
        world.account(&account)?;
        let secret = world.mint.token(48);
        let issued = world.access_tokens.issue(now, secret.clone(), account, TokenKind::LongLived, None);
        debug_assert!(issued.is_ok(), "only v2.1 tokens are ever refused");
        Ok(Json(Secret { secret }))
    })
}

async fn register_key(
    State(platform): State<Arc<Platform>>,
    Path(account): Path<ChannelId>,
    Json(key): Json<AssertionKey>,
) -> ControlAnswer<KeyId> {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| ActError::Impossible("not a Base64url number"));
    let key = (decode(&key.n)?, decode(&key.e)?);
    platform.with(|world, _| {
        let kid = world.mint.token(16);
        world.account_mut(&account)?.assertion_keys.insert(kid.clone(), key);
        Ok(Json(KeyId { kid }))
    })
}

async fn set_delivery(
    State(platform): State<Arc<Platform>>,
    Path(account): Path<ChannelId>,
    Json(trouble): Json<Trouble>,
) -> ControlAnswer<()> {
    trouble.check().map_err(ActError::Impossible)?;
    platform.with(|world, _| {
        world.account(&account)?;
        world.troubles.insert(account.clone(), trouble);
        Ok::<_, ActError>(())
    })?;
    platform.mailroom.trouble_changed(&account);
    Ok(Json(()))
}
