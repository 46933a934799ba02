//! A share of the first tenant in a staff account of the operator's.

use contracts::events::v1::AccountPurpose;
use contracts::identity::v1::account_service_client::AccountServiceClient;
use contracts::identity::v1::staff_account_service_client::StaffAccountServiceClient;
use contracts::identity::v1::tenant_service_client::TenantServiceClient;
use contracts::identity::v1::{
    CreateOfficialAccountRequest, CreateProviderRequest, CreateTenantRequest, OfficialAccount, Provider,
    SetStaffAccountShareRequest,
};
use tsunagi::stage::{Shop, Stage};

/// Gives the shop a share in an account of a tenant that is the operator's own; that account's ID.
pub(super) async fn share(stage: &Stage, shop: &Shop) -> anyhow::Result<String> {
    let created = TenantServiceClient::new(stage.operator.connect(&stage.identity)?)
        .create_tenant(CreateTenantRequest { display_name: "つなぎ運営".to_owned(), ..Default::default() })
        .await?;
    let home_tenant_id = created.into_inner().tenant.unwrap_or_default().tenant_id;
    let home = stage.operator.for_tenant(home_tenant_id.parse()?);
    let mut accounts = AccountServiceClient::new(home.connect(&stage.identity)?);
    let provider = Provider { display_name: "つなぎ運営".to_owned(), ..Default::default() };
    let request = CreateProviderRequest { provider: Some(provider), ..Default::default() };
    let provider_id = accounts.create_provider(request).await?.into_inner().provider.unwrap_or_default().provider_id;
    let account = OfficialAccount {
        provider_id,
        channel_id: "2000000001".to_owned(),
        purpose: AccountPurpose::SharedStaff.into(),
        ..Default::default()
    };
    let request = CreateOfficialAccountRequest { account: Some(account), ..Default::default() };
    let account = accounts.create_official_account(request).await?.into_inner().account.unwrap_or_default();
    let request = SetStaffAccountShareRequest {
        home_tenant_id,
        account_id: account.account_id.clone(),
        monthly_push_limit: 1_000,
    };
    let operator = stage.operator.for_tenant(shop.tenant);
    StaffAccountServiceClient::new(operator.connect(&stage.identity)?).set_staff_account_share(request).await?;
    Ok(account.account_id)
}
