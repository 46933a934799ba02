//! An account's channel secret, credential and webhook keys: written, never read.

use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::postgres::TenantTx;
use contracts::identity::v1::{
    OfficialAccount as WireAccount, RotateWebhookKeyRequest, RotateWebhookKeyResponse, SetChannelCredentialRequest,
    SetChannelCredentialResponse, SetChannelSecretRequest, SetChannelSecretResponse,
};
use identity_linking_core::account::{CHANNEL_SECRET_KEEP, WEBHOOK_KEY_KEEP, keep_previous};
use kernel::Timestamp;
use line_types::signature::ChannelSecret;
use tonic::Request;

use super::{record, tell};
use crate::grpc::fields::Fields;
use crate::grpc::refusal::Refusal;
use crate::grpc::{credential, repeat};
use crate::postgres::account::{self, EquippedAccount};
use crate::registry::Registry;

const SET_SECRET: &str = "/tsunagi.identity.v1.AccountService/SetChannelSecret";
const ROTATE_KEY: &str = "/tsunagi.identity.v1.AccountService/RotateWebhookKey";

/// Tells an account's new version after its secrets or keys changed.
async fn keep_secrets(
    registry: &Registry,
    tx: &mut TenantTx,
    caller: &Caller,
    action: &'static str,
    found: EquippedAccount,
    now: Timestamp,
) -> Result<WireAccount, Refusal> {
    let value = found.stored.value.clone();
    let stored = found.stored.changed(value);
    account::update(tx, &stored).await?;
    account::plan_expiry(tx, stored.id).await?;
    record(registry, tx, caller, action, &stored, now).await?;
    let found = account::find(tx, stored.id).await?.ok_or_else(|| refuse::not_found("ACCOUNT"))?;
    Ok(tell(&found))
}

pub(super) async fn set_channel_secret(
    registry: &Registry,
    request: Request<SetChannelSecretRequest>,
) -> Result<SetChannelSecretResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let mut fields = Fields::new();
    let id = fields.id("account_id", &request.account_id);
    let secret = fields.take("channel_secret", ChannelSecret::parse(&request.channel_secret));
    let asked = fields.optional_duration("keep_previous", request.keep_previous.as_ref()).flatten();
    let keep = fields.take("keep_previous", keep_previous(asked, CHANNEL_SECRET_KEEP));
    let (id, secret, keep) = fields.all(|| Some((id?, secret?, keep?)))?;
    let now = registry.now();
    let mut tx = registry.tenant_of(&caller).await?;
    if let Some(answer) = repeat::answered(&mut tx, SET_SECRET, &request.request_id, &request).await? {
        return Ok(answer);
    }
    let found = account::lock(&mut tx, id).await?.ok_or_else(|| refuse::not_found("ACCOUNT"))?;
    let told = if credential::put_secret(&mut tx, &registry.vault, id, &secret, keep, now).await? {
        keep_secrets(registry, &mut tx, &caller, "account.set_channel_secret", found, now).await?
    } else {
        tell(&found)
    };
    let answer = SetChannelSecretResponse { account: Some(told) };
    repeat::keep(&mut tx, SET_SECRET, &request.request_id, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

pub(super) async fn set_channel_credential(
    registry: &Registry,
    request: Request<SetChannelCredentialRequest>,
) -> Result<SetChannelCredentialResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let mut fields = Fields::new();
    let id = fields.id("account_id", &request.account_id);
    let given = credential::read(&mut fields, request.credential.as_ref());
    let (id, given) = fields.all(|| Some((id?, given?)))?;
    let now = registry.now();
    let mut tx = registry.tenant_of(&caller).await?;
    let found = account::lock(&mut tx, id).await?.ok_or_else(|| refuse::not_found("ACCOUNT"))?;
    credential::check_equipped(&given, found.equipment.channel_secret)?;
    credential::put_credential(&mut tx, &registry.vault, id, &given).await?;
    let told = keep_secrets(registry, &mut tx, &caller, "account.set_channel_credential", found, now).await?;
    tx.commit().await?;
    Ok(SetChannelCredentialResponse { account: Some(told) })
}

pub(super) async fn rotate_webhook_key(
    registry: &Registry,
    request: Request<RotateWebhookKeyRequest>,
) -> Result<RotateWebhookKeyResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let mut fields = Fields::new();
    let id = fields.id("account_id", &request.account_id);
    let asked = fields.optional_duration("keep_previous", request.keep_previous.as_ref()).flatten();
    let keep = fields.take("keep_previous", keep_previous(asked, WEBHOOK_KEY_KEEP));
    let (id, keep) = fields.all(|| Some((id?, keep?)))?;
    let now = registry.now();
    let mut tx = registry.tenant_of(&caller).await?;
    if let Some(answer) = repeat::answered(&mut tx, ROTATE_KEY, &request.request_id, &request).await? {
        return Ok(answer);
    }
    let found = account::lock(&mut tx, id).await?.ok_or_else(|| refuse::not_found("ACCOUNT"))?;
    let key = credential::put_webhook_key(&mut tx, id, keep, now).await?;
    let told = keep_secrets(registry, &mut tx, &caller, "account.rotate_webhook_key", found, now).await?;
    let answer = RotateWebhookKeyResponse { account: Some(told), webhook_key: String::new() };
    repeat::keep(&mut tx, ROTATE_KEY, &request.request_id, &answer).await?;
    tx.commit().await?;
    Ok(RotateWebhookKeyResponse { webhook_key: key.reveal(), ..answer })
}
