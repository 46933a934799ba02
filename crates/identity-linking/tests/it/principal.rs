//! Programs over gRPC.

use chassis::config::Secret;
use contracts::access_proto::v1::Right;
use contracts::events::v1::AssertionKey;
use contracts::identity::v1::*;
use testkit::eventually;
use tonic::Code;

use crate::house::{Caller, House, SOON};
use crate::refused::{fields, reason};

fn named(name: &str, rights: &[Right]) -> CreatePrincipalRequest {
    CreatePrincipalRequest {
        display_name: name.to_owned(),
        rights: rights.iter().map(|right| i32::from(*right)).collect(),
        ..CreatePrincipalRequest::default()
    }
}

#[tokio::test]
async fn a_token_is_shown_once_works_for_its_tenant_and_ends_with_its_revocation() {
    let house = House::open("principal").await;
    let (tenant, other) = (house.tenant().await, house.tenant().await);
    let at = house.at(tenant);
    let request = CreatePrincipalRequest {
        request_id: uuid::Uuid::new_v4().to_string(),
        ..named("booking", &[Right::AccountsRead])
    };
    let created = at.principals().create_principal(request.clone()).await.unwrap().into_inner();
    let again = at.principals().create_principal(request).await.unwrap().into_inner();
    assert_eq!((again.principal.clone(), again.token.as_str()), (created.principal.clone(), ""));
    assert!(created.token.starts_with(&format!("{tenant}.")));

    let program = Caller(house.client(&Secret::new(created.token)));
    program.known().await;
    let own = program.tenants().get_tenant(GetTenantRequest {}).await.unwrap().into_inner().tenant.unwrap();
    assert_eq!(own.tenant_id, tenant.to_string());
    let elsewhere = program.for_tenant(other).tenants().get_tenant(GetTenantRequest {}).await;
    assert_eq!(elsewhere.unwrap_err().code(), Code::NotFound);
    let more = program.customers().list_customers(ListCustomersRequest::default()).await;
    assert_eq!(more.unwrap_err().code(), Code::PermissionDenied);

    let principal_id = created.principal.unwrap().principal_id;
    let revoke = RevokePrincipalRequest { principal_id };
    let revoked = at.principals().revoke_principal(revoke.clone()).await.unwrap().into_inner();
    assert!(revoked.principal.as_ref().unwrap().revoke_time.is_some());
    assert_eq!(at.principals().revoke_principal(revoke).await.unwrap().into_inner(), revoked);
    eventually(SOON, || async {
        let outcome = program.tenants().get_tenant(GetTenantRequest {}).await;
        outcome.map_or_else(|status| (status.code() == Code::Unauthenticated).then_some(()), |_| None)
    })
    .await
    .unwrap();
    let listed = at.principals().list_principals(ListPrincipalsRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.principals, [revoked.principal.unwrap()]);
    assert_eq!(house.audit(tenant).await, ["tenant.create", "principal.create", "principal.revoke"]);
}

#[tokio::test]
async fn nobody_gives_a_program_more_than_they_hold() {
    let house = House::open("principal_rights").await;
    let tenant = house.tenant().await;
    let manager = house.program(tenant, &[Right::PrincipalsManage]).await;
    assert_eq!(
        reason(manager.principals().create_principal(named("x", &[Right::CustomersRead])).await),
        (Code::PermissionDenied, "RIGHT_NOT_HELD".to_owned())
    );
    assert_eq!(
        reason(manager.principals().create_principal(named("x", &[Right::Master])).await),
        (Code::PermissionDenied, "RIGHT_NEEDS_MASTER".to_owned())
    );
    let at = house.at(tenant);
    for right in [Right::TenantsManage, Right::ReplicasRead, Right::LineGatewayCall, Right::RebuildsCall] {
        assert_eq!(fields(at.principals().create_principal(named("x", &[right])).await), ["rights"]);
    }
    let wrong = CreatePrincipalRequest {
        expire_time: Some(prost_types::Timestamp { seconds: 1, nanos: 0 }),
        rights: vec![99],
        ..CreatePrincipalRequest::default()
    };
    assert_eq!(fields(at.principals().create_principal(wrong).await), ["display_name", "rights", "expire_time"]);
    let nobody = house.at(uuid::Uuid::new_v4().into());
    assert_eq!(nobody.principals().create_principal(named("x", &[])).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn assertion_keys_are_registered_replaced_and_removed() {
    let house = House::open("principal_keys").await;
    let at = house.at(house.tenant().await);
    let created = at.principals().create_principal(named("staff app", &[])).await.unwrap().into_inner();
    let principal_id = created.principal.unwrap().principal_id;
    let register = |key_id: &str, bytes: usize| RegisterAssertionKeyRequest {
        principal_id: principal_id.clone(),
        key: Some(AssertionKey { key_id: key_id.to_owned(), public_key: vec![7; bytes] }),
    };
    for n in 0..8 {
        at.principals().register_assertion_key(register(&format!("k{n}"), 32)).await.unwrap();
    }
    assert_eq!(
        reason(at.principals().register_assertion_key(register("k8", 32)).await),
        (Code::FailedPrecondition, "TOO_MANY_KEYS".to_owned())
    );
    assert_eq!(
        fields(at.principals().register_assertion_key(register("a b", 31)).await),
        ["key.key_id", "key.public_key"]
    );
    let remove =
        |key_id: &str| RemoveAssertionKeyRequest { principal_id: principal_id.clone(), key_id: key_id.to_owned() };
    let left = at.principals().remove_assertion_key(remove("k3")).await.unwrap().into_inner().principal.unwrap();
    assert_eq!(left.assertion_key_ids.len(), 7);
    assert_eq!(at.principals().remove_assertion_key(remove("k3")).await.unwrap_err().code(), Code::NotFound);
}
