//! Activities over gRPC.

use contracts::identity::v1::*;
use futures::future::join_all;
use kernel::TenantId;
use tonic::Code;

use crate::customer::yamada;
use crate::house::{Caller, House};
use crate::refused::{fields, reason};

async fn customer(at: &Caller) -> String {
    at.customers().create_customer(yamada("")).await.unwrap().into_inner().customer.unwrap().customer_id
}

pub(crate) fn told(customer: &str, kind: ActivityKind, reference: &str, day: i64) -> RecordActivityRequest {
    RecordActivityRequest {
        activity: Some(Activity {
            customer_id: customer.to_owned(),
            kind: kind.into(),
            external_reference: reference.to_owned(),
            start_time: Some(prost_types::Timestamp { seconds: day * 86_400, nanos: 0 }),
            ..Activity::default()
        }),
        request_id: String::new(),
    }
}

#[tokio::test]
async fn an_activity_is_one_per_kind_and_reference_and_changes_when_told_anew() {
    let house = House::open("activity").await;
    let tenant: TenantId = house.tenant().await;
    let at = house.at(tenant);
    let customer = customer(&at).await;
    let request = told(&customer, ActivityKind::Reservation, "R-1", 20_000);
    let recorded = at.customers().record_activity(request.clone()).await.unwrap().into_inner().activity.unwrap();
    assert_eq!(recorded.state(), ActivityState::Active);
    let same = at.customers().record_activity(request.clone()).await.unwrap().into_inner().activity.unwrap();
    assert_eq!(same, recorded, "a repetition changes nothing, the etag neither");
    let mut cancelled = request.clone();
    cancelled.activity.as_mut().unwrap().state = ActivityState::Cancelled.into();
    let cancelled = at.customers().record_activity(cancelled).await.unwrap().into_inner().activity.unwrap();
    assert_eq!((&cancelled.activity_id, cancelled.state()), (&recorded.activity_id, ActivityState::Cancelled));
    let mut stale = request;
    stale.activity.as_mut().unwrap().etag = recorded.etag;
    assert_eq!(reason(at.customers().record_activity(stale).await), (Code::Aborted, "ETAG_MISMATCH".to_owned()));

    at.customers().record_activity(told(&customer, ActivityKind::Visit, "R-1", 20_001)).await.unwrap();
    let list = |size, token: &str| ListActivitiesRequest {
        page_size: size,
        page_token: token.to_owned(),
        customer_id: customer.clone(),
    };
    let first = at.customers().list_activities(list(1, "")).await.unwrap().into_inner();
    assert_eq!(first.activities[0].kind(), ActivityKind::Visit, "latest start first");
    let rest = at.customers().list_activities(list(1, &first.next_page_token)).await.unwrap().into_inner();
    assert_eq!((rest.activities, rest.next_page_token.as_str()), (vec![cancelled.clone()], ""));
    let by_reference = GetActivityRequest {
        kind: ActivityKind::Reservation.into(),
        external_reference: "R-1".to_owned(),
        ..GetActivityRequest::default()
    };
    let by_id = GetActivityRequest { activity_id: cancelled.activity_id.clone(), ..GetActivityRequest::default() };
    for request in [by_reference, by_id] {
        assert_eq!(at.customers().get_activity(request).await.unwrap().into_inner().activity.unwrap(), cancelled);
    }
}

#[tokio::test]
async fn a_reservation_moves_to_another_customer_and_service_use_never_does() {
    let house = House::open("activity_moves").await;
    let at = house.at(house.tenant().await);
    let (one, two) = (customer(&at).await, customer(&at).await);
    for kind in [ActivityKind::Reservation, ActivityKind::ServiceUse] {
        at.customers().record_activity(told(&one, kind, "X", 20_000)).await.unwrap();
    }
    let moved = at.customers().record_activity(told(&two, ActivityKind::Reservation, "X", 20_000)).await.unwrap();
    assert_eq!(moved.into_inner().activity.unwrap().customer_id, two);
    let stays = at.customers().record_activity(told(&two, ActivityKind::ServiceUse, "X", 20_000)).await;
    assert_eq!(reason(stays), (Code::FailedPrecondition, "SERVICE_USE_STAYS".to_owned()));
}

#[tokio::test]
async fn every_wrong_field_of_an_activity_is_named_and_a_hundred_at_once_make_one() {
    let house = House::open("activity_wrong").await;
    let at = house.at(house.tenant().await);
    let wrong = RecordActivityRequest {
        activity: Some(Activity {
            state: 99,
            title: "x".repeat(301),
            organization_id: "x".to_owned(),
            ..Activity::default()
        }),
        request_id: String::new(),
    };
    assert_eq!(
        fields(at.customers().record_activity(wrong).await),
        [
            "activity.customer_id",
            "activity.kind",
            "activity.external_reference",
            "activity.state",
            "activity.title",
            "activity.start_time",
            "activity.organization_id"
        ]
    );
    let customer = customer(&at).await;
    let mut early = told(&customer, ActivityKind::Visit, "V", 20_000);
    early.activity.as_mut().unwrap().end_time = Some(prost_types::Timestamp { seconds: 1, nanos: 0 });
    assert_eq!(fields(at.customers().record_activity(early).await), ["activity.end_time"]);

    let calls = (0..100).map(|_| {
        let (mut customers, request) = (at.customers(), told(&customer, ActivityKind::Purchase, "P-1", 20_000));
        async move { customers.record_activity(request).await.unwrap().into_inner().activity.unwrap().activity_id }
    });
    let ids = join_all(calls).await;
    assert!(ids.iter().all(|id| *id == ids[0]));
}

#[tokio::test]
async fn an_activity_ends_a_customers_provisional_time() {
    let house = House::open("activity_touch").await;
    let tenant = house.tenant().await;
    let at = house.at(tenant);
    let customer = customer(&at).await;
    // Only linking makes provisional customers, so the row is set by hand here.
    sqlx::query("UPDATE identity.customer SET provisional = true").execute(&house.admin().await).await.unwrap();
    at.customers().record_activity(told(&customer, ActivityKind::Visit, "V", 20_000)).await.unwrap();
    let get = GetCustomerRequest { customer_id: customer, ..GetCustomerRequest::default() };
    assert!(!at.customers().get_customer(get).await.unwrap().into_inner().customer.unwrap().provisional);
    assert_eq!(house.audit(tenant).await[2..], ["customer.touch", "activity.record"]);
}
