//! The platform's first principals, made on the database itself.

use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::*;
use identity_linking::bootstrap::{self, BootstrapError};
use kernel::SystemClock;
use tonic::Code;

use crate::house::{Caller, House};

#[tokio::test]
async fn a_service_may_call_its_listed_methods_and_nothing_more() {
    let house = House::open("bootstrap").await;
    let database = house.own_database().await;
    for service in ["webhook-ingest", "identity-linking", "messaging-outbox", "scheduler"] {
        bootstrap::create_service(&database, &SystemClock, service).await.unwrap();
    }
    let (_, token) = bootstrap::create_service(&database, &SystemClock, "scheduler").await.unwrap();
    let scheduler = Caller(house.client(&token));
    scheduler.known().await;
    let kinds = vec![ReplicaKind::Tenant.into()];
    let snapshot = SnapshotReplicasRequest { kinds, tenant_id: String::new() };
    assert!(scheduler.replicas().snapshot_replicas(snapshot).await.is_ok());
    let tenants = scheduler.tenants().list_tenants(ListTenantsRequest::default()).await;
    assert_eq!(tenants.unwrap_err().code(), Code::PermissionDenied);
    let unknown = bootstrap::create_service(&database, &SystemClock, "console").await;
    assert!(matches!(unknown, Err(BootstrapError::NoSuchService(_))));
    let told = house.told(None).await;
    assert_eq!(told.iter().filter(|body| matches!(body, Body::Principal(_))).count(), 6);
}

#[tokio::test]
async fn a_revoked_operator_is_refused_also_after_a_restart() {
    let mut house = House::open("bootstrap_revoke").await;
    let database = house.own_database().await;
    let (id, token) = bootstrap::create_operator(&database, &SystemClock, "second").await.unwrap();
    let second = Caller(house.client(&token));
    second.known().await;
    assert!(second.tenants().list_tenants(ListTenantsRequest::default()).await.is_ok());
    bootstrap::revoke(&database, &SystemClock, id).await.unwrap();
    bootstrap::revoke(&database, &SystemClock, id).await.unwrap();
    house.stop().await;
    house.start().await;
    let second = Caller(house.client(&token));
    let refused = second.tenants().list_tenants(ListTenantsRequest::default()).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
    let nobody = bootstrap::revoke(&database, &SystemClock, uuid::Uuid::new_v4().into()).await;
    assert!(matches!(nobody, Err(BootstrapError::NoSuchPrincipal)));
}
