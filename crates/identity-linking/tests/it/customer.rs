//! Customers over gRPC.

use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::*;
use futures::future::join_all;
use prost_types::FieldMask;
use tonic::Code;

use crate::house::House;
use crate::refused::{fields, reason};

fn name(family: &str, given: &str) -> PersonName {
    PersonName { family: family.to_owned(), given: given.to_owned(), ..PersonName::default() }
}

fn phone(number: &str) -> Phone {
    Phone { number: number.to_owned(), kind: 0 }
}

pub(crate) fn yamada(reference: &str) -> CreateCustomerRequest {
    CreateCustomerRequest {
        customer: Some(Customer {
            name: Some(name("山田", "花子")),
            phones: vec![phone("０９０-1234-5678"), phone("03-1234-5678")],
            addresses: vec![Address { kind: 1, region: "東京都".to_owned(), ..Address::default() }],
            birth_date: "1990-04-01".to_owned(),
            external_reference: reference.to_owned(),
            ..Customer::default()
        }),
        request_id: String::new(),
    }
}

#[tokio::test]
async fn a_customer_is_created_found_listed_and_changed() {
    let house = House::open("customer").await;
    let tenant = house.tenant().await;
    let at = house.at(tenant);
    let created = at.customers().create_customer(yamada("C-1")).await.unwrap().into_inner().customer.unwrap();
    let numbers: Vec<(&str, i32)> = created.phones.iter().map(|phone| (phone.number.as_str(), phone.kind)).collect();
    assert_eq!(numbers, [("+819012345678", 1), ("+81312345678", 2)]);
    assert!(!created.provisional);
    let by_id = GetCustomerRequest { customer_id: created.customer_id.clone(), ..GetCustomerRequest::default() };
    let by_reference = GetCustomerRequest { external_reference: "C-1".to_owned(), ..GetCustomerRequest::default() };
    for request in [by_id, by_reference] {
        assert_eq!(at.customers().get_customer(request).await.unwrap().into_inner().customer.unwrap(), created);
    }
    let other = at.customers().create_customer(yamada("C-2")).await.unwrap().into_inner().customer.unwrap();

    let wanted = Customer {
        customer_id: created.customer_id.clone(),
        name: Some(name("鈴木", "")),
        phones: vec![],
        etag: created.etag.clone(),
        ..Customer::default()
    };
    let paths = ["name.family", "phones"].iter().map(|path| (*path).to_owned()).collect();
    let request = UpdateCustomerRequest { customer: Some(wanted), update_mask: Some(FieldMask { paths }) };
    let changed = at.customers().update_customer(request.clone()).await.unwrap().into_inner().customer.unwrap();
    assert_eq!(changed.name, Some(name("鈴木", "花子")));
    assert!(changed.phones.is_empty() && changed.addresses == created.addresses);
    assert_eq!(reason(at.customers().update_customer(request).await), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    let first = ListCustomersRequest { page_size: 1, page_token: String::new() };
    let listed = at.customers().list_customers(first).await.unwrap().into_inner();
    assert_eq!(listed.customers, [changed], "latest change first");
    let foreign = ListStaffMembersRequest { page_size: 1, page_token: listed.next_page_token.clone() };
    assert_eq!(fields(at.staff().list_staff_members(foreign).await), ["page_token"], "of another list");
    let rest = ListCustomersRequest { page_size: 1, page_token: listed.next_page_token };
    let elsewhere = house.at(house.tenant().await);
    assert_eq!(fields(elsewhere.customers().list_customers(rest.clone()).await), ["page_token"], "of another tenant");
    assert_eq!(at.customers().list_customers(rest).await.unwrap().into_inner().customers, [other]);
    let told: Vec<(i64, String)> = house
        .told(Some(tenant))
        .await
        .into_iter()
        .filter_map(|body| if let Body::Customer(told) = body { Some((told.version, told.family_name)) } else { None })
        .collect();
    assert_eq!(told, [(1, "山田".to_owned()), (1, "山田".to_owned()), (2, "鈴木".to_owned())]);
}

#[tokio::test]
async fn every_wrong_field_of_a_customer_is_named() {
    let house = House::open("customer_wrong").await;
    let at = house.at(house.tenant().await);
    let wrong = Customer {
        name: Some(PersonName { given_reading: "Hanako".to_owned(), ..PersonName::default() }),
        phones: vec![phone("090-1234-5678"), phone("no")],
        addresses: vec![Address::default()],
        birth_date: "tomorrow".to_owned(),
        organization_id: "x".to_owned(),
        external_reference: "x".repeat(201),
        ..Customer::default()
    };
    let expected = [
        "customer.name.given_reading",
        "customer.phones[1].number",
        "customer.addresses[0]",
        "customer.birth_date",
        "customer.organization_id",
        "customer.external_reference",
    ];
    let create = CreateCustomerRequest { customer: Some(wrong.clone()), request_id: String::new() };
    assert_eq!(fields(at.customers().create_customer(create).await), expected);
    let update = UpdateCustomerRequest {
        customer: Some(wrong),
        update_mask: Some(FieldMask { paths: vec!["*".to_owned(), "provisional".to_owned()] }),
    };
    let expected: Vec<&str> = ["customer.customer_id", "update_mask"].into_iter().chain(expected).collect();
    assert_eq!(fields(at.customers().update_customer(update).await), expected);
    let nameless = CreateCustomerRequest { customer: Some(Customer::default()), request_id: String::new() };
    assert_eq!(fields(at.customers().create_customer(nameless).await), ["customer.name"]);
    assert_eq!(fields(at.customers().get_customer(GetCustomerRequest::default()).await), ["customer_id"]);
}

#[tokio::test]
async fn two_hundred_at_once_with_one_reference_make_one_customer() {
    let house = House::open("customer_race").await;
    let at = house.at(house.tenant().await);
    let calls = (0..200).map(|_| {
        let mut customers = at.customers();
        async move { customers.create_customer(yamada("C-1")).await }
    });
    let outcomes = join_all(calls).await;
    let created = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(created, 1);
    for outcome in outcomes.into_iter().filter(Result::is_err) {
        assert_eq!(reason(outcome), (Code::AlreadyExists, "EXTERNAL_REFERENCE_TAKEN".to_owned()));
    }
    let listed = at.customers().list_customers(ListCustomersRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.customers.len(), 1);
}

#[tokio::test]
async fn two_hundred_at_once_with_one_request_id_get_one_answer() {
    let house = House::open("customer_repeat").await;
    let at = house.at(house.tenant().await);
    let request = CreateCustomerRequest { request_id: uuid::Uuid::new_v4().to_string(), ..yamada("") };
    let calls = (0..200).map(|_| {
        let (mut customers, request) = (at.customers(), request.clone());
        async move { customers.create_customer(request).await.unwrap().into_inner() }
    });
    let answers = join_all(calls).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let other = CreateCustomerRequest { request_id: request.request_id, ..yamada("C-9") };
    assert_eq!(reason(at.customers().create_customer(other).await), (Code::Aborted, "REQUEST_ID_REUSED".to_owned()));
}
