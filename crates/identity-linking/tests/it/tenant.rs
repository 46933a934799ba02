//! Tenants over gRPC.

use contracts::identity::v1::*;
use prost_types::FieldMask;
use tonic::Code;

use crate::house::House;
use crate::refused::{fields, reason};

fn named(name: &str, zone: &str, request_id: &str) -> CreateTenantRequest {
    CreateTenantRequest { display_name: name.to_owned(), time_zone: zone.to_owned(), request_id: request_id.to_owned() }
}

#[tokio::test]
async fn a_tenant_is_created_read_listed_and_changed() {
    let house = House::open("tenant").await;
    let mut platform = house.platform().tenants();
    let created = platform.create_tenant(named(" 山田商店 ", "", "")).await.unwrap().into_inner().tenant.unwrap();
    assert_eq!((created.display_name.as_str(), created.time_zone.as_str()), ("山田商店", "Asia/Tokyo"));
    let id = created.tenant_id.parse().unwrap();
    let read = house.at(id).tenants().get_tenant(GetTenantRequest {}).await.unwrap().into_inner().tenant.unwrap();
    assert_eq!(read, created);

    for _ in 0..2 {
        house.tenant().await;
    }
    let first = platform.list_tenants(ListTenantsRequest { page_size: 2, page_token: String::new() });
    let first = first.await.unwrap().into_inner();
    assert_eq!((first.tenants.len(), first.tenants[0].clone()), (2, created.clone()));
    let rest = platform.list_tenants(ListTenantsRequest { page_size: 2, page_token: first.next_page_token });
    let rest = rest.await.unwrap().into_inner();
    assert_eq!((rest.tenants.len(), rest.next_page_token.as_str()), (1, ""));

    let wanted = Tenant { time_zone: "Asia/Taipei".to_owned(), etag: created.etag.clone(), ..Tenant::default() };
    let request = UpdateTenantRequest { tenant: Some(wanted.clone()), update_mask: None };
    let changed = house.at(id).tenants().update_tenant(request.clone()).await.unwrap().into_inner().tenant.unwrap();
    assert_eq!((changed.time_zone.as_str(), changed.display_name.as_str()), ("Asia/Taipei", "山田商店"));
    assert_ne!(changed.etag, created.etag);
    assert_eq!(
        reason(house.at(id).tenants().update_tenant(request).await),
        (Code::Aborted, "ETAG_MISMATCH".to_owned())
    );
    assert_eq!(house.audit(id).await, ["tenant.create", "tenant.update"]);
    assert_eq!(house.told(Some(id)).await.len(), 2);
}

#[tokio::test]
async fn the_same_request_id_makes_one_tenant() {
    let house = House::open("tenant_again").await;
    let mut platform = house.platform().tenants();
    let id = uuid::Uuid::new_v4().to_string();
    let first = platform.create_tenant(named("A", "", &id)).await.unwrap().into_inner();
    assert_eq!(platform.create_tenant(named("A", "", &id)).await.unwrap().into_inner(), first);
    assert_eq!(
        reason(platform.create_tenant(named("B", "", &id)).await),
        (Code::Aborted, "REQUEST_ID_REUSED".to_owned())
    );
    let all = platform.list_tenants(ListTenantsRequest::default()).await.unwrap().into_inner();
    assert_eq!(all.tenants.len(), 1);
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once() {
    let house = House::open("tenant_wrong").await;
    let mut platform = house.platform().tenants();
    assert_eq!(
        fields(platform.create_tenant(named("", "Mars/Base", "x")).await),
        ["display_name", "time_zone", "request_id"]
    );
    let request = ListTenantsRequest { page_size: -1, page_token: "%".to_owned() };
    assert_eq!(fields(platform.list_tenants(request).await), ["page_size", "page_token"]);
    let id = house.tenant().await;
    let request = UpdateTenantRequest {
        tenant: Some(Tenant { display_name: "x".repeat(201), time_zone: "no".to_owned(), ..Tenant::default() }),
        update_mask: Some(FieldMask { paths: vec!["*".to_owned(), "create_time".to_owned()] }),
    };
    assert_eq!(
        fields(house.at(id).tenants().update_tenant(request).await),
        ["update_mask", "tenant.display_name", "tenant.time_zone"]
    );
}

#[tokio::test]
async fn only_the_platform_suspends_a_tenant() {
    let house = House::open("tenant_suspend").await;
    let id = house.tenant().await;
    let request = || UpdateTenantRequest {
        tenant: Some(Tenant { suspended: true, ..Tenant::default() }),
        update_mask: Some(FieldMask { paths: vec!["suspended".to_owned()] }),
    };
    let program = house.program(id, &[contracts::access_proto::v1::Right::AccountsManage]).await;
    assert_eq!(
        reason(program.tenants().update_tenant(request()).await),
        (Code::PermissionDenied, "RIGHT_NOT_HELD".to_owned())
    );
    let suspended = house.at(id).tenants().update_tenant(request()).await.unwrap().into_inner();
    assert!(suspended.tenant.unwrap().suspended);
}
