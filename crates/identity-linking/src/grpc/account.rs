//! `AccountService`: official accounts here, their secrets and their connection below, providers in their own module.

mod connection;
mod secrets;
mod tell;

use std::sync::Arc;

use chassis::audit::Actor;
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::postgres::TenantTx;
use chrono::TimeDelta;
use contracts::events::v1::AccountPurpose as WirePurpose;
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::account_service_server::AccountService;
use contracts::identity::v1::{
    ConnectOfficialAccountRequest, ConnectOfficialAccountResponse, CreateOfficialAccountRequest,
    CreateOfficialAccountResponse, CreateProviderRequest, CreateProviderResponse, GetOfficialAccountRequest,
    GetOfficialAccountResponse, GetProviderRequest, GetProviderResponse, ListOfficialAccountsRequest,
    ListOfficialAccountsResponse, ListProvidersRequest, ListProvidersResponse, OfficialAccount as WireAccount,
    PauseOfficialAccountRequest, PauseOfficialAccountResponse, RotateWebhookKeyRequest, RotateWebhookKeyResponse,
    SetChannelCredentialRequest, SetChannelCredentialResponse, SetChannelSecretRequest, SetChannelSecretResponse,
    UpdateOfficialAccountRequest, UpdateOfficialAccountResponse, UpdateProviderRequest, UpdateProviderResponse,
};
use identity_linking_core::Line;
use identity_linking_core::account::{AccountPurpose, AccountState, Equipment, OfficialAccount, repurposed};
use identity_linking_core::staff::ShareState;
use kernel::{AccountId, Timestamp};
use line_types::id::{BotUserId, ChannelId};
use line_types::signature::ChannelSecret;
use tonic::{Request, Response, Status};

use super::fields::Fields;
use super::mask::Mask;
use super::refusal::Refusal;
use super::{credential, etag, granter, provider, repeat};
use crate::change::{self, Subject};
use crate::gateway::Gateway;
use crate::postgres::Stored;
use crate::postgres::account::{self, EquippedAccount};
use crate::postgres::staff_account_share;
use crate::registry::Registry;
use crate::replica;
use tell::tell;

const CREATE: &str = "/tsunagi.identity.v1.AccountService/CreateOfficialAccount";
const CHANGEABLE: &[&str] = &["display_name", "owner_organization_id", "default_organization_id", "purpose"];

/// Providers and official accounts.
pub(crate) struct Accounts {
    /// The ground all methods stand on.
    pub(crate) registry: Registry,
    /// Who asks LINE.
    pub(crate) gateway: Arc<Gateway>,
}

#[tonic::async_trait]
impl AccountService for Accounts {
    async fn create_provider(
        &self,
        request: Request<CreateProviderRequest>,
    ) -> Result<Response<CreateProviderResponse>, Status> {
        Ok(Response::new(provider::create(&self.registry, request).await?))
    }

    async fn get_provider(
        &self,
        request: Request<GetProviderRequest>,
    ) -> Result<Response<GetProviderResponse>, Status> {
        Ok(Response::new(provider::get(&self.registry, request).await?))
    }

    async fn list_providers(
        &self,
        request: Request<ListProvidersRequest>,
    ) -> Result<Response<ListProvidersResponse>, Status> {
        Ok(Response::new(provider::list(&self.registry, request).await?))
    }

    async fn update_provider(
        &self,
        request: Request<UpdateProviderRequest>,
    ) -> Result<Response<UpdateProviderResponse>, Status> {
        Ok(Response::new(provider::update(&self.registry, request).await?))
    }

    async fn create_official_account(
        &self,
        request: Request<CreateOfficialAccountRequest>,
    ) -> Result<Response<CreateOfficialAccountResponse>, Status> {
        Ok(Response::new(create(&self.registry, request).await?))
    }

    async fn get_official_account(
        &self,
        request: Request<GetOfficialAccountRequest>,
    ) -> Result<Response<GetOfficialAccountResponse>, Status> {
        Ok(Response::new(get(&self.registry, request).await?))
    }

    async fn list_official_accounts(
        &self,
        request: Request<ListOfficialAccountsRequest>,
    ) -> Result<Response<ListOfficialAccountsResponse>, Status> {
        Ok(Response::new(list(&self.registry, request).await?))
    }

    async fn update_official_account(
        &self,
        request: Request<UpdateOfficialAccountRequest>,
    ) -> Result<Response<UpdateOfficialAccountResponse>, Status> {
        Ok(Response::new(update(&self.registry, request).await?))
    }

    async fn set_channel_secret(
        &self,
        request: Request<SetChannelSecretRequest>,
    ) -> Result<Response<SetChannelSecretResponse>, Status> {
        Ok(Response::new(secrets::set_channel_secret(&self.registry, request).await?))
    }

    async fn set_channel_credential(
        &self,
        request: Request<SetChannelCredentialRequest>,
    ) -> Result<Response<SetChannelCredentialResponse>, Status> {
        Ok(Response::new(secrets::set_channel_credential(&self.registry, request).await?))
    }

    async fn rotate_webhook_key(
        &self,
        request: Request<RotateWebhookKeyRequest>,
    ) -> Result<Response<RotateWebhookKeyResponse>, Status> {
        Ok(Response::new(secrets::rotate_webhook_key(&self.registry, request).await?))
    }

    async fn connect_official_account(
        &self,
        request: Request<ConnectOfficialAccountRequest>,
    ) -> Result<Response<ConnectOfficialAccountResponse>, Status> {
        Ok(Response::new(connection::connect_account(&self.registry, &self.gateway, request).await?))
    }

    async fn pause_official_account(
        &self,
        request: Request<PauseOfficialAccountRequest>,
    ) -> Result<Response<PauseOfficialAccountResponse>, Status> {
        Ok(Response::new(connection::pause(&self.registry, request).await?))
    }
}

/// Whom an account is to be for; not stated means customers.
fn purpose(fields: &mut Fields, wire: i32) -> Option<AccountPurpose> {
    let read = match WirePurpose::try_from(wire) {
        Ok(WirePurpose::Unspecified | WirePurpose::Customers) => Ok(AccountPurpose::Customers),
        Ok(WirePurpose::Staff) => Ok(AccountPurpose::Staff),
        Ok(WirePurpose::SharedStaff) => Ok(AccountPurpose::SharedStaff),
        Err(_) => Err("does not exist"),
    };
    fields.take("account.purpose", read)
}

/// Refuses a purpose, other than before, that is not the caller's to give or to take, or that another staff account stands against.
async fn check_purpose(
    tx: &mut TenantTx,
    caller: &Caller,
    before: AccountPurpose,
    after: AccountPurpose,
) -> Result<(), Refusal> {
    granter::of(caller).may_repurpose(before, after)?;
    if after == AccountPurpose::Staff && before != after {
        // Held, so that the share is not used meanwhile.
        let share = staff_account_share::hold(tx).await?;
        if share.is_some_and(|share| share.value.state == ShareState::Used) {
            return Err(refuse::already_exists("STAFF_ACCOUNT_TAKEN").into());
        }
    }
    Ok(())
}

/// Notes a change of an account and tells it, with its keys and secrets as they stand in the transaction.
async fn record(
    registry: &Registry,
    tx: &mut TenantTx,
    caller: &Caller,
    action: &'static str,
    stored: &account::StoredAccount,
    now: Timestamp,
) -> Result<(), Refusal> {
    let body = Body::Account(replica::account(tx, &registry.vault, stored).await?);
    let subject = Subject { kind: "account", id: stored.id.uuid(), version: stored.version };
    change::record(tx, &Actor::of(caller), action, subject, now, body).await?;
    Ok(())
}

fn read(fields: &mut Fields, wanted: &WireAccount) -> Option<OfficialAccount> {
    let provider = fields.id("account.provider_id", &wanted.provider_id);
    let channel_id = ChannelId::parse(&wanted.channel_id).map_err(|_| "is not a channel ID: digits");
    let channel_id = fields.take("account.channel_id", channel_id);
    let display_name = fields.take("account.display_name", Line::optional(&wanted.display_name));
    let bot = Some(wanted.bot_user_id.as_str()).filter(|bot| !bot.is_empty()).map(BotUserId::parse).transpose();
    let bot = fields.take("account.bot_user_id", bot.map_err(|_| "is not a bot user ID: U and 32 hexadecimal digits"));
    let owner = fields.optional_id("account.owner_organization_id", &wanted.owner_organization_id);
    let default = fields.optional_id("account.default_organization_id", &wanted.default_organization_id);
    let purpose = purpose(fields, wanted.purpose);
    Some(OfficialAccount {
        provider: provider?,
        channel_id: channel_id?,
        display_name: display_name?,
        basic_id: None,
        bot: bot?,
        state: AccountState::Registered,
        purpose: purpose?,
        owner_organization: owner?,
        default_organization: default?,
        chat_mode: None,
        chat_mode_time: None,
        connect_time: None,
    })
}

async fn create(
    registry: &Registry,
    request: Request<CreateOfficialAccountRequest>,
) -> Result<CreateOfficialAccountResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let mut fields = Fields::new();
    let value = read(&mut fields, &request.account.clone().unwrap_or_default());
    let secret = Some(&request.channel_secret).filter(|secret| !secret.is_empty());
    let secret = fields.take("channel_secret", secret.map(|secret| ChannelSecret::parse(secret)).transpose());
    let given = request.credential.as_ref().map(|input| credential::read(&mut fields, Some(input)));
    let (value, secret) = fields.all(|| Some((value?, secret?)))?;
    let given = given.flatten();
    if let Some(given) = &given {
        credential::check_equipped(given, secret.is_some())?;
    }
    let now = registry.now();
    let mut tx = registry.tenant_of(&caller).await?;
    if let Some(answer) = repeat::answered(&mut tx, CREATE, &request.request_id, &request).await? {
        return Ok(answer);
    }
    check_purpose(&mut tx, &caller, AccountPurpose::Customers, value.purpose).await?;
    let stored = Stored { id: AccountId::new(now), version: 1, create_time: now, value };
    account::insert(&mut tx, &stored).await?;
    if let Some(secret) = &secret {
        credential::put_secret(&mut tx, &registry.vault, stored.id, secret, TimeDelta::zero(), now).await?;
    }
    if let Some(given) = &given {
        credential::put_credential(&mut tx, &registry.vault, stored.id, given).await?;
    }
    let key = credential::put_webhook_key(&mut tx, stored.id, TimeDelta::zero(), now).await?;
    record(registry, &mut tx, &caller, "account.create", &stored, now).await?;
    let equipment = Equipment { channel_secret: secret.is_some(), credential: given.is_some() };
    let told = tell(&EquippedAccount { stored, equipment, coverage: None });
    let answer = CreateOfficialAccountResponse { account: Some(told), webhook_key: String::new() };
    repeat::keep(&mut tx, CREATE, &request.request_id, &answer).await?;
    tx.commit().await?;
    Ok(CreateOfficialAccountResponse { webhook_key: key.reveal(), ..answer })
}

async fn get(
    registry: &Registry,
    request: Request<GetOfficialAccountRequest>,
) -> Result<GetOfficialAccountResponse, Refusal> {
    let mut fields = Fields::new();
    let id = fields.id("account_id", &request.get_ref().account_id);
    let id = fields.all(|| id)?;
    let mut tx = registry.tenant_of(&Caller::of(&request)).await?;
    let found = account::find(&mut tx, id).await?.ok_or_else(|| refuse::not_found("ACCOUNT"))?;
    Ok(GetOfficialAccountResponse { account: Some(tell(&found)) })
}

async fn list(
    registry: &Registry,
    request: Request<ListOfficialAccountsRequest>,
) -> Result<ListOfficialAccountsResponse, Refusal> {
    let caller = Caller::of(&request);
    let mut fields = Fields::new();
    let asked = fields.page(caller.tenant(), request.get_ref());
    let asked = fields.all(|| asked)?;
    let mut tx = registry.tenant_of(&caller).await?;
    let rows = account::list(&mut tx, asked.after, asked.rows()).await?;
    let (rows, next_page_token) = asked.cut(rows, |last| (last.stored.create_time, last.stored.id.uuid()));
    Ok(ListOfficialAccountsResponse { accounts: rows.iter().map(tell).collect(), next_page_token })
}

async fn update(
    registry: &Registry,
    request: Request<UpdateOfficialAccountRequest>,
) -> Result<UpdateOfficialAccountResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let wanted = request.account.unwrap_or_default();
    let mut fields = Fields::new();
    let id = fields.id("account.account_id", &wanted.account_id);
    let mask = Mask::read(&mut fields, request.update_mask, CHANGEABLE);
    let display_name = mask
        .covers("display_name", !wanted.display_name.is_empty())
        .then(|| fields.take("account.display_name", Line::optional(&wanted.display_name)));
    let owner = mask
        .covers("owner_organization_id", !wanted.owner_organization_id.is_empty())
        .then(|| fields.optional_id("account.owner_organization_id", &wanted.owner_organization_id));
    let default = mask
        .covers("default_organization_id", !wanted.default_organization_id.is_empty())
        .then(|| fields.optional_id("account.default_organization_id", &wanted.default_organization_id));
    let purpose = mask.covers("purpose", wanted.purpose != 0).then(|| purpose(&mut fields, wanted.purpose)).flatten();
    let id = fields.all(|| id)?;
    let now = registry.now();
    let mut tx = registry.tenant_of(&caller).await?;
    let found = match purpose {
        Some(_) => account::lock_alone(&mut tx, id).await?,
        None => account::lock(&mut tx, id).await?,
    };
    let found = found.ok_or_else(|| refuse::not_found("ACCOUNT"))?;
    etag::check(&wanted.etag, found.stored.version)?;
    let before = found.stored.value.clone();
    let value = OfficialAccount {
        display_name: display_name.flatten().unwrap_or(before.display_name),
        owner_organization: owner.flatten().unwrap_or(before.owner_organization),
        default_organization: default.flatten().unwrap_or(before.default_organization),
        ..found.stored.value.clone()
    };
    let value = match purpose {
        Some(purpose) if purpose != value.purpose => {
            check_purpose(&mut tx, &caller, value.purpose, purpose).await?;
            repurposed(value, purpose, account::is_in_use(&mut tx, id).await?)?
        }
        _ => value,
    };
    let told = keep(registry, tx, &caller, "account.update", found, value, now).await?;
    Ok(UpdateOfficialAccountResponse { account: Some(told) })
}

/// Keeps an account's new value, if it is new, and commits whatever else the transaction did.
async fn keep(
    registry: &Registry,
    mut tx: TenantTx,
    caller: &Caller,
    action: &'static str,
    found: EquippedAccount,
    value: OfficialAccount,
    now: Timestamp,
) -> Result<WireAccount, Refusal> {
    if value == found.stored.value {
        tx.commit().await?;
        return Ok(tell(&found));
    }
    let found = EquippedAccount { stored: found.stored.changed(value), ..found };
    account::update(&mut tx, &found.stored).await?;
    record(registry, &mut tx, caller, action, &found.stored, now).await?;
    tx.commit().await?;
    Ok(tell(&found))
}
