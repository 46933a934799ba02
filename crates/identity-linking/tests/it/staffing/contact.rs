//! How staff can be reached, as messaging is told.

use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::*;

use super::scene::{change, contacts, member, open};
use crate::refused::fields;
use crate::replica::{reader, snapshot};

#[tokio::test]
async fn an_address_is_told_with_every_change_and_nobody_inactive_is_reached() {
    let stage = open("contact").await;
    let staff = member(&stage, "佐藤").await;
    let staff_id = staff.staff_id.clone();
    assert!(contacts(&stage, &staff_id).await.is_empty(), "nobody is told of somebody who is not reached");
    assert_eq!((staff.line_state(), staff.email_address.as_str()), (StaffLineState::NotBound, ""));
    let at = |email: &str| StaffMember {
        staff_id: staff_id.clone(),
        email_address: email.to_owned(),
        ..StaffMember::default()
    };
    for wrong in ["misaki", "a@b.c\r\nBcc: x@y.z", &format!("a@{}.example", "b".repeat(250))] {
        assert_eq!(fields(change(&stage, at(wrong), &["email_address"]).await), ["staff_member.email_address"]);
    }
    let changed = change(&stage, at("misaki@example.com"), &["email_address"]).await.unwrap();
    assert_eq!(changed.email_address, "misaki@example.com");
    assert_ne!(changed.etag, staff.etag);
    let renamed = StaffMember { display_name: "佐藤 美咲".to_owned(), ..at("") };
    change(&stage, renamed, &["display_name"]).await.unwrap();
    change(&stage, at(""), &["active"]).await.unwrap();
    change(&stage, StaffMember { active: true, ..at("") }, &["active"]).await.unwrap();
    change(&stage, at(""), &["email_address"]).await.unwrap();
    let told = contacts(&stage, &staff_id).await;
    let told: Vec<(i64, &str)> = told.iter().map(|one| (one.version, one.email_address.as_str())).collect();
    let address = "misaki@example.com";
    assert_eq!(
        told,
        [(1, address), (2, ""), (3, address), (4, "")],
        "a new name changes nothing of how one is reached"
    );

    change(&stage, at(address), &["email_address"]).await.unwrap();
    let reader = reader(&stage.house).await;
    let found = snapshot(&reader, &[ReplicaKind::StaffContact], &stage.tenant.to_string()).await;
    let last = contacts(&stage, &staff_id).await.pop().unwrap();
    assert_eq!(found, [(stage.tenant.to_string(), Body::StaffContact(last))]);
}
