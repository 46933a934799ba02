//! Accounts come by identity-linking's events.

use bus::publish::{Outbound, Publisher};
use bus::subject::{Family, Subject};
use bus::{Bus, BusConfig};
use chassis::{Host, HostConfig};
use contracts::EventBody;
use contracts::events::v1::{IdentityEvent, identity_event};
use kernel::EventHeader;
use prost::Message;
use testkit::eventually;
use uuid::Uuid;

use crate::stage::{SOON, Stage, TestAccount, now, one};

/// Says what identity-linking would say about an account.
async fn say(stage: &Stage, bus: &Bus, account: &TestAccount, version: i64) {
    let event = IdentityEvent { body: Some(identity_event::Body::Account(stage.replica_of(account, version))) };
    let outbound = Outbound {
        subject: Subject::event(Family::Identity, Some(account.tenant), &event.happened()).unwrap(),
        header: EventHeader {
            id: Uuid::new_v4().to_string(),
            kind: Family::Identity.kind().to_owned(),
            source: Family::Identity.source().to_owned(),
            time: now(),
            tenant: Some(account.tenant),
            trace: None,
        },
        payload: event.encode_to_vec().into(),
    };
    Publisher::new(bus, 1).publish(&outbound).await.unwrap().await.unwrap();
}

#[tokio::test]
async fn an_account_identity_tells_of_is_open_at_every_replica_without_a_restart() {
    let stage = Stage::new("accounts").await;
    let (first, second) = (stage.start().await, stage.start().await);
    let host = Host::start("identity-linking", HostConfig::loopback()).unwrap();
    let config = BusConfig { prefix: Some(stage.prefix.clone()), ..BusConfig::at(stage.nats_url.clone()) };
    let bus = Bus::connect(&config, &host).await.unwrap();
    host.readiness().ready().await;
    let account = TestAccount::new();
    assert_eq!(first.post(&account, one().1).await, 404);
    say(&stage, &bus, &account, 2).await;
    for replica in [&first, &second] {
        eventually(SOON, || async { (replica.post(&account, one().1).await == 200).then_some(()) }).await.unwrap();
    }
    host.stop();
    host.wait().await.unwrap();
}
