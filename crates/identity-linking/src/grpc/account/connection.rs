//! Opening an account for use, and switching it off.

use chassis::auth::Caller;
use chassis::grpc::refuse;
use contracts::identity::v1::{
    ConnectOfficialAccountRequest, ConnectOfficialAccountResponse, PauseOfficialAccountRequest,
    PauseOfficialAccountResponse,
};
use identity_linking_core::account::{connect, webhook_endpoint};
use tonic::Request;

use super::keep;
use crate::account_check as check;
use crate::gateway::Gateway;
use crate::grpc::fields::Fields;
use crate::grpc::refusal::Refusal;
use crate::postgres::{account, account_check, profile_request};
use crate::registry::Registry;

pub(super) async fn connect_account(
    registry: &Registry,
    gateway: &Gateway,
    request: Request<ConnectOfficialAccountRequest>,
) -> Result<ConnectOfficialAccountResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let mut fields = Fields::new();
    let id = fields.id("account_id", &request.account_id);
    let endpoint = Some(request.webhook_endpoint.as_str()).filter(|endpoint| !endpoint.is_empty());
    let endpoint = fields.take("webhook_endpoint", endpoint.map(webhook_endpoint).transpose());
    let (id, endpoint) = fields.all(|| Some((id?, endpoint?)))?;
    let mut tx = registry.tenant_of(&caller).await?;
    let found = account::find(&mut tx, id).await?.ok_or_else(|| refuse::not_found("ACCOUNT"))?;
    found.equipment.complete()?;
    // LINE is asked outside of any transaction; what was found is looked at again afterwards.
    tx.rollback().await?;
    let now = registry.now();
    let bot = gateway.bot(caller.tenant(), id).await?;
    connect(found.stored.value, bot.clone(), now)?;
    if let Some(endpoint) = endpoint {
        gateway.set_webhook_endpoint(caller.tenant(), id, endpoint).await?;
    }
    chassis::failpoint::reached("identity.connect.after_line");
    let mut tx = registry.tenant_of(&caller).await?;
    let found = account::lock(&mut tx, id).await?.ok_or_else(|| refuse::not_found("ACCOUNT"))?;
    let value = connect(found.stored.value.clone(), bot, now)?;
    profile_request::wake(&mut tx, id).await?;
    account_check::put(&mut tx, id, check::pause()).await?;
    check::tell_staff(&mut tx, now, id, &found.stored.value, &value).await?;
    let told = keep(registry, tx, &caller, "account.connect", found, value, now).await?;
    Ok(ConnectOfficialAccountResponse { account: Some(told) })
}

pub(super) async fn pause(
    registry: &Registry,
    request: Request<PauseOfficialAccountRequest>,
) -> Result<PauseOfficialAccountResponse, Refusal> {
    let caller = Caller::of(&request);
    let mut fields = Fields::new();
    let id = fields.id("account_id", &request.get_ref().account_id);
    let id = fields.all(|| id)?;
    let now = registry.now();
    let mut tx = registry.tenant_of(&caller).await?;
    let found = account::lock(&mut tx, id).await?.ok_or_else(|| refuse::not_found("ACCOUNT"))?;
    let value = found.stored.value.clone().paused();
    let told = keep(registry, tx, &caller, "account.pause", found, value, now).await?;
    Ok(PauseOfficialAccountResponse { account: Some(told) })
}
