//! Secrets at rest: under their tenant only, and through a rotation of the master key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chassis::envelope::{Envelope, EnvelopeError, MasterKeys};

use crate::stage::{Stage, tenant};

fn masters(keys: &[(&str, u8)]) -> Envelope {
    let entries: Vec<String> = keys.iter().map(|(id, byte)| format!("{id}:{}", STANDARD.encode([*byte; 32]))).collect();
    Envelope::new(MasterKeys::parse(&entries.join(",")).unwrap())
}

#[tokio::test]
async fn a_secret_opens_under_its_tenant_and_purpose_only() {
    let stage = Stage::new("envelope").await;
    let envelope = masters(&[("a", 1)]);
    let mut tx = stage.database.tenant(tenant(1)).await.unwrap();
    let closed = envelope.encrypt(&mut tx, "channel_secret/7", b"secret").await.unwrap();
    let second = envelope.encrypt(&mut tx, "channel_secret/7", b"secret").await.unwrap();
    assert_ne!(closed, second);
    assert_eq!(closed[1..17], second[1..17], "one data key a tenant");
    tx.commit().await.unwrap();

    for fresh in [&envelope, &masters(&[("a", 1)])] {
        let mut tx = stage.database.tenant(tenant(1)).await.unwrap();
        assert_eq!(&**fresh.decrypt(&mut tx, "channel_secret/7", &closed).await.unwrap(), b"secret");
        let moved = fresh.decrypt(&mut tx, "channel_secret/8", &closed).await;
        assert!(matches!(moved, Err(EnvelopeError::Ciphertext)), "{moved:?}");
        let mut other = stage.database.tenant(tenant(2)).await.unwrap();
        let foreign = fresh.decrypt(&mut other, "channel_secret/7", &closed).await;
        assert!(matches!(foreign, Err(EnvelopeError::DataKeyMissing)), "{foreign:?}");
    }
}

#[tokio::test]
async fn a_rotation_rewraps_every_tenants_key_and_then_the_old_one_may_go() {
    let stage = Stage::new("rotation").await;
    let old = masters(&[("2026-01", 1)]);
    let mut closed = Vec::new();
    for number in [1, 2] {
        let mut tx = stage.database.tenant(tenant(number)).await.unwrap();
        closed.push((number, old.encrypt(&mut tx, "p", b"secret").await.unwrap()));
        tx.commit().await.unwrap();
    }
    let new_only = masters(&[("2026-02", 2)]);
    let mut tx = stage.database.tenant(tenant(1)).await.unwrap();
    let early = new_only.decrypt(&mut tx, "p", &closed[0].1).await;
    assert!(matches!(early, Err(EnvelopeError::MasterKeyMissing(id)) if id == "2026-01"));
    drop(tx);

    let both = masters(&[("2026-02", 2), ("2026-01", 1)]);
    assert_eq!(both.rewrap(&stage.database).await.unwrap(), 2);
    assert_eq!(both.rewrap(&stage.database).await.unwrap(), 0);
    for (number, closed) in closed {
        let mut tx = stage.database.tenant(tenant(number)).await.unwrap();
        assert_eq!(&**new_only.decrypt(&mut tx, "p", &closed).await.unwrap(), b"secret");
    }
}
