//! Somebody who calls the service.

use chassis::grpc::Client;
use contracts::identity::v1::GetTenantRequest;
use contracts::identity::v1::account_service_client::AccountServiceClient;
use contracts::identity::v1::customer_service_client::CustomerServiceClient;
use contracts::identity::v1::duplicate_service_client::DuplicateServiceClient;
use contracts::identity::v1::friend_service_client::FriendServiceClient;
use contracts::identity::v1::link_attempt_service_client::LinkAttemptServiceClient;
use contracts::identity::v1::link_policy_service_client::LinkPolicyServiceClient;
use contracts::identity::v1::link_service_client::LinkServiceClient;
use contracts::identity::v1::merge_service_client::MergeServiceClient;
use contracts::identity::v1::principal_service_client::PrincipalServiceClient;
use contracts::identity::v1::rebuild_service_client::RebuildServiceClient;
use contracts::identity::v1::replica_service_client::ReplicaServiceClient;
use contracts::identity::v1::staff_account_service_client::StaffAccountServiceClient;
use contracts::identity::v1::staff_service_client::StaffServiceClient;
use contracts::identity::v1::takeover_service_client::TakeoverServiceClient;
use contracts::identity::v1::tenant_service_client::TenantServiceClient;
use kernel::TenantId;
use testkit::eventually;

use crate::house::SOON;

/// Somebody who calls.
#[derive(Clone)]
pub(crate) struct Caller(pub(crate) Client);

impl Caller {
    /// The same program, calling for `tenant`.
    pub(crate) fn for_tenant(&self, tenant: TenantId) -> Self {
        Self(self.0.for_tenant(tenant))
    }

    /// Waits until the service's directory knows the program.
    pub(crate) async fn known(&self) {
        eventually(SOON, || async {
            match self.tenants().get_tenant(GetTenantRequest {}).await {
                Err(status) if status.code() == tonic::Code::Unauthenticated => Err(status.to_string()),
                _ => Ok(()),
            }
        })
        .await
        .unwrap();
    }

    pub(crate) fn tenants(&self) -> TenantServiceClient<Client> {
        TenantServiceClient::new(self.0.clone())
    }

    pub(crate) fn principals(&self) -> PrincipalServiceClient<Client> {
        PrincipalServiceClient::new(self.0.clone())
    }

    pub(crate) fn rebuilds(&self) -> RebuildServiceClient<Client> {
        RebuildServiceClient::new(self.0.clone())
    }

    pub(crate) fn staff(&self) -> StaffServiceClient<Client> {
        StaffServiceClient::new(self.0.clone())
    }

    pub(crate) fn staff_accounts(&self) -> StaffAccountServiceClient<Client> {
        StaffAccountServiceClient::new(self.0.clone())
    }

    pub(crate) fn accounts(&self) -> AccountServiceClient<Client> {
        AccountServiceClient::new(self.0.clone())
    }

    pub(crate) fn friends(&self) -> FriendServiceClient<Client> {
        FriendServiceClient::new(self.0.clone())
    }

    pub(crate) fn customers(&self) -> CustomerServiceClient<Client> {
        CustomerServiceClient::new(self.0.clone())
    }

    pub(crate) fn replicas(&self) -> ReplicaServiceClient<Client> {
        ReplicaServiceClient::new(self.0.clone())
    }

    pub(crate) fn attempts(&self) -> LinkAttemptServiceClient<Client> {
        LinkAttemptServiceClient::new(self.0.clone())
    }

    pub(crate) fn links(&self) -> LinkServiceClient<Client> {
        LinkServiceClient::new(self.0.clone())
    }

    pub(crate) fn takeovers(&self) -> TakeoverServiceClient<Client> {
        TakeoverServiceClient::new(self.0.clone())
    }

    pub(crate) fn policies(&self) -> LinkPolicyServiceClient<Client> {
        LinkPolicyServiceClient::new(self.0.clone())
    }

    pub(crate) fn duplicates(&self) -> DuplicateServiceClient<Client> {
        DuplicateServiceClient::new(self.0.clone())
    }

    pub(crate) fn merges(&self) -> MergeServiceClient<Client> {
        MergeServiceClient::new(self.0.clone())
    }
}
