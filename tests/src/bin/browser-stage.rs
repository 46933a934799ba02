//! The platform under a browser: starts it, opens a shop with two friends and a customer, says where everything is in one JSON
//! line, and ends when its standard input does. `tests/browser` is the other side.

use std::io::Write as _;

use contracts::identity::v1::customer_service_client::CustomerServiceClient;
use contracts::identity::v1::{CreateCustomerRequest, Customer, PersonName, Phone, PhoneKind};
use serde_json::json;
use tests::{Options, Platform};
use tokio::io::AsyncReadExt as _;
use tsunagi::stage::{Shop, Stage};

/// Friends of the shop, by the name they show on LINE.
const FRIENDS: [&str; 2] = ["はなこ", "ほかのひと"];

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
    let told = json!({
        "line": platform.simulator().base_url(),
        "pages": platform.pages(),
        "channel": shop.card.channel_id,
        "friends": friends,
    });
    let mut out = std::io::stdout();
    writeln!(out, "{told}")?;
    out.flush()?;
    let mut nothing = Vec::new();
    tokio::io::stdin().read_to_end(&mut nothing).await?;
    Ok(())
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
