//! Snapshots for other services' replicas.

use std::collections::BTreeMap;

use chassis::config::Secret;
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::*;
use identity_linking::bootstrap;
use kernel::SystemClock;
use tonic::Code;

use crate::activity::told;
use crate::customer::yamada;
use crate::friend::{event, user};
use crate::house::{Caller, House, SOON};
use crate::refused::fields;

pub(crate) async fn reader(house: &House) -> Caller {
    let database = house.own_database().await;
    let (_, token): (_, Secret) = bootstrap::create_service(&database, &SystemClock, "messaging-outbox").await.unwrap();
    let reader = Caller(house.client(&token));
    reader.known().await;
    reader
}

pub(crate) async fn snapshot(reader: &Caller, kinds: &[ReplicaKind], tenant: &str) -> Vec<(String, Body)> {
    let kinds = kinds.iter().map(|kind| i32::from(*kind)).collect();
    let request = SnapshotReplicasRequest { kinds, tenant_id: tenant.to_owned() };
    let mut stream = reader.replicas().snapshot_replicas(request).await.unwrap().into_inner();
    let mut found = Vec::new();
    while let Some(part) = stream.message().await.unwrap() {
        found.push((part.tenant_id, part.event.unwrap().body.unwrap()));
    }
    found
}

const ALL: [ReplicaKind; 13] = [
    ReplicaKind::Tenant,
    ReplicaKind::Principal,
    ReplicaKind::Organization,
    ReplicaKind::Staff,
    ReplicaKind::Account,
    ReplicaKind::LineUser,
    ReplicaKind::Friendship,
    ReplicaKind::Customer,
    ReplicaKind::Activity,
    ReplicaKind::Link,
    ReplicaKind::StaffContact,
    ReplicaKind::StaffAccountShare,
    ReplicaKind::LinkPolicy,
];

#[tokio::test]
async fn a_snapshot_holds_every_kind_of_every_tenant_as_it_stands() {
    let house = House::open("snapshot").await;
    let (one, two) = (house.tenant().await, house.tenant().await);
    for (tenant, bot) in [(one, user(100)), (two, user(101))] {
        let at = house.at(tenant);
        let (_, account) = house.account(tenant, &bot).await;
        house.webhooks(tenant, account, &[event("follow", &user(1), 1_000)]).await;
        let branch = Organization { display_name: "A".to_owned(), ..Organization::default() };
        let branch = CreateOrganizationRequest { organization: Some(branch), request_id: String::new() };
        at.staff().create_organization(branch).await.unwrap();
        let staff = StaffMember {
            display_name: "佐藤".to_owned(),
            email_address: "misaki@example.com".to_owned(),
            ..StaffMember::default()
        };
        let staff = CreateStaffMemberRequest { staff_member: Some(staff), request_id: String::new() };
        at.staff().create_staff_member(staff).await.unwrap();
        let principal = CreatePrincipalRequest { display_name: "p".to_owned(), ..CreatePrincipalRequest::default() };
        at.principals().create_principal(principal).await.unwrap();
        let customer = at.customers().create_customer(yamada("")).await.unwrap().into_inner().customer.unwrap();
        at.customers().record_activity(told(&customer.customer_id, ActivityKind::Visit, "V", 1)).await.unwrap();
        testkit::eventually(SOON, || async {
            let count = CountFriendsRequest { account_id: account.to_string() };
            (at.friends().count_friends(count).await.unwrap().into_inner().friends == 1).then_some(())
        })
        .await
        .unwrap();
        crate::linking::linked(&house, tenant, &customer.customer_id).await;
    }
    let reader = reader(&house).await;
    let everything = snapshot(&reader, &ALL, "").await;
    let mut by_tenant: BTreeMap<&str, usize> = BTreeMap::new();
    for (tenant, _) in &everything {
        *by_tenant.entry(tenant).or_default() += 1;
    }
    assert_eq!(by_tenant.get(""), Some(&2), "the operator and the service");
    assert_eq!((by_tenant[one.to_string().as_str()], by_tenant[two.to_string().as_str()]), (11, 11));
    let only = snapshot(&reader, &[ReplicaKind::Customer, ReplicaKind::Account], &one.to_string()).await;
    assert_eq!(only.len(), 2);
    let Body::Account(account) = &only[1].1 else { panic!("kinds come in the order asked for") };
    assert_eq!(account.channel_secrets.len(), 2, "sealed to both services");

    let last_told = house.told(Some(one)).await.into_iter().rev().find(|body| matches!(body, Body::Customer(_)));
    assert_eq!(Some(only[0].1.clone()), last_told, "a snapshot says what the last event said");
}

#[tokio::test]
async fn more_rows_than_a_page_come_once_each() {
    let house = House::open("snapshot_pages").await;
    let tenant = house.tenant().await;
    sqlx::query(
        "INSERT INTO identity.customer (tenant_id, customer_id, version, family_name, provisional, name_key, reading_key,
             variant_key, create_time, update_time)
         SELECT $1, gen_random_uuid(), 1, 'x', false, 'x', '', 'x', now(), now() FROM generate_series(1, 1200)",
    )
    .bind(tenant.uuid())
    .execute(&house.admin().await)
    .await
    .unwrap();
    let reader = reader(&house).await;
    let found = snapshot(&reader, &[ReplicaKind::Customer], "").await;
    let ids: std::collections::BTreeSet<String> = found
        .iter()
        .filter_map(|(_, body)| if let Body::Customer(told) = body { Some(told.customer_id.clone()) } else { None })
        .collect();
    assert_eq!((found.len(), ids.len()), (1_200, 1_200));
}

#[tokio::test]
async fn a_snapshot_is_for_services_only_and_names_its_kinds() {
    let house = House::open("snapshot_wrong").await;
    let request = SnapshotReplicasRequest { kinds: vec![1], tenant_id: String::new() };
    let operator = house.platform().replicas().snapshot_replicas(request).await;
    assert_eq!(operator.unwrap_err().code(), Code::PermissionDenied);
    let reader = reader(&house).await;
    for kinds in [vec![], vec![0], vec![99], vec![1, 1]] {
        let request = SnapshotReplicasRequest { kinds, tenant_id: "x".to_owned() };
        assert_eq!(fields(reader.replicas().snapshot_replicas(request).await), ["kinds", "tenant_id"]);
    }
}
