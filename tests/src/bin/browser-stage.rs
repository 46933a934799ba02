//! The platform under a browser: starts it, opens a shop with two friends, a customer, and two of the staff who are invited to its staff
//! account, says where everything is in one JSON line, and ends when its standard input does. `tests/browser` is the other side.

use std::io::Write as _;

use contracts::identity::v1::customer_service_client::CustomerServiceClient;
use contracts::identity::v1::staff_service_client::StaffServiceClient;
use contracts::identity::v1::{
    CreateCustomerRequest, CreateStaffInvitationRequest, CreateStaffMemberRequest, Customer, PersonName, Phone,
    PhoneKind, StaffMember,
};
use serde_json::{Value, json};
use tests::{Options, Platform};
use tokio::io::AsyncReadExt as _;
use tsunagi::stage::{Shop, Stage};

/// Friends of the shop, by the name they show on LINE.
const FRIENDS: [&str; 2] = ["はなこ", "ほかのひと"];
/// Staff who are invited, and whoever gets hold of the card of each.
const STAFF: [(&str, &str); 2] = [("田中", "たなかのとなり"), ("鈴木", "すずきのとなり")];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let platform = Platform::start(Options::default()).await?;
    let stage = platform.stage();
    let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    add_customer(&stage, &shop).await?;
    let mut friends = Vec::new();
    for name in FRIENDS {
        let person = shop.person(&stage, name).await?;
        stage.line.add_friend(&shop.card.channel_id, &person.id).await?;
        friends.push(json!({ "person": person.id, "user_id": person.user_id }));
    }
    let staff_account = shop.open_staff_account(&stage, "さくら美容室 スタッフ").await?;
    let mut members = Vec::new();
    for (name, stranger) in STAFF {
        members.push(json!({
            "person": nobodys_friend(&stage, &shop, name).await?,
            "stranger": nobodys_friend(&stage, &shop, stranger).await?,
            "code": invite(&stage, &shop, name).await?,
        }));
    }
    let told = json!({
        "line": platform.simulator().base_url(),
        "pages": platform.pages(),
        "channel": shop.card.channel_id,
        "friends": friends,
        "staff": { "channel": staff_account.channel_id, "members": members },
    });
    let mut out = std::io::stdout();
    writeln!(out, "{told}")?;
    out.flush()?;
    let mut nothing = Vec::new();
    tokio::io::stdin().read_to_end(&mut nothing).await?;
    Ok(())
}

/// Somebody on LINE who is no friend of the shop's accounts.
async fn nobodys_friend(stage: &Stage, shop: &Shop, name: &str) -> anyhow::Result<Value> {
    let person = shop.person(stage, name).await?;
    Ok(json!({ "person": person.id, "user_id": person.user_id }))
}

/// The code of an invitation for a new member of the staff.
async fn invite(stage: &Stage, shop: &Shop, name: &str) -> anyhow::Result<String> {
    let mut staff = StaffServiceClient::new(shop.program.connect(&stage.identity)?);
    let staff_member = StaffMember { display_name: name.to_owned(), active: true, ..StaffMember::default() };
    let request = CreateStaffMemberRequest { staff_member: Some(staff_member), request_id: String::new() };
    let staff_id = staff.create_staff_member(request).await?.into_inner().staff_member.unwrap_or_default().staff_id;
    let request = CreateStaffInvitationRequest { staff_id, request_id: String::new() };
    Ok(staff.create_staff_invitation(request).await?.into_inner().code)
}

/// The record that the first friend's entry matches.
async fn add_customer(stage: &Stage, shop: &Shop) -> anyhow::Result<()> {
    let name = PersonName { family: "山田".to_owned(), given: "花子".to_owned(), ..PersonName::default() };
    let phone = Phone { number: "09012345678".to_owned(), kind: PhoneKind::Mobile.into() };
    let customer = Customer { name: Some(name), phones: vec![phone], ..Customer::default() };
    let request = CreateCustomerRequest { customer: Some(customer), request_id: uuid::Uuid::new_v4().to_string() };
    CustomerServiceClient::new(shop.staff.connect(&stage.identity)?).create_customer(request).await?;
    Ok(())
}
