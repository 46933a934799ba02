//! Secrets at rest: under their tenant only, and through a rotation of the master key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chassis::envelope::{Envelope, EnvelopeError, MasterKeys, Ring};

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

fn ring(byte: u8) -> Ring {
    Ring::new(MasterKeys::parse(&format!("a:{}", STANDARD.encode([byte; 32]))).unwrap())
}

#[tokio::test]
async fn a_ring_makes_each_tenant_one_key_however_many_replicas_ask_and_needs_the_database_no_more() {
    let stage = Stage::new("ring").await;
    sqlx::query("GRANT SELECT (wrapped, created_at) ON messaging.data_key TO messaging_worker")
        .execute(&mut stage.admin().await)
        .await
        .unwrap();
    let tenants = [tenant(1), tenant(2)];
    let replicas: Vec<Ring> = (0..8).map(|_| ring(1)).collect();
    let learned = futures::future::join_all(replicas.iter().map(|ring| ring.learn(&stage.database, &tenants))).await;
    assert!(learned.iter().all(Result::is_ok), "{learned:?}");
    let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM messaging.data_key")
        .fetch_one(&mut stage.admin().await)
        .await
        .unwrap();
    assert_eq!(keys, 2);
    let closed = replicas[0].encrypt(tenant(1), "body/7", b"words").unwrap();
    for ring in &replicas {
        assert_eq!(ring.decrypt(tenant(1), "body/7", &closed).unwrap(), b"words");
        assert!(ring.decrypt(tenant(1), "body/8", &closed).is_err());
        assert!(ring.decrypt(tenant(2), "body/7", &closed).is_err());
    }
    assert!(matches!(replicas[0].encrypt(tenant(3), "body/7", b"words"), Err(EnvelopeError::DataKeyMissing)));
    // A digest is the same everywhere, and another for every tenant, purpose and text.
    let digest = |tenant, purpose, text| replicas[0].digest(tenant, purpose, text).unwrap();
    let first = digest(tenants[0], "user", "U1");
    assert_eq!(replicas[1].digests(tenants[0], "user", "U1"), [first]);
    for other in [digest(tenants[1], "user", "U1"), digest(tenants[0], "use", "rU1"), digest(tenants[0], "user", "U2")]
    {
        assert_ne!(other, first);
    }
}

#[tokio::test]
async fn a_key_that_does_not_open_leaves_the_other_tenants_served() {
    let stage = Stage::new("ring_lost").await;
    sqlx::query("GRANT SELECT (wrapped, created_at) ON messaging.data_key TO messaging_worker")
        .execute(&mut stage.admin().await)
        .await
        .unwrap();
    ring(1).learn(&stage.database, &[tenant(1)]).await.unwrap();
    let other = ring(2);
    other.learn(&stage.database, &[tenant(1), tenant(2)]).await.unwrap();
    assert_eq!((other.holds(tenant(1)), other.holds(tenant(2))), (false, true));
}

#[tokio::test]
async fn the_newest_of_a_tenants_keys_encrypts_and_what_the_others_closed_still_opens() {
    let stage = Stage::new("ring_keys").await;
    let mut admin = stage.admin().await;
    let grant = "GRANT SELECT (wrapped, created_at) ON messaging.data_key TO messaging_worker";
    sqlx::query(grant).execute(&mut admin).await.unwrap();
    let (old, new) = (ring(1), ring(1));
    old.learn(&stage.database, &[tenant(1)]).await.unwrap();
    for aside in ["CREATE TEMPORARY TABLE aside AS SELECT * FROM messaging.data_key", "DELETE FROM messaging.data_key"]
    {
        sqlx::query(aside).execute(&mut admin).await.unwrap();
    }
    new.learn(&stage.database, &[tenant(1)]).await.unwrap();
    let closed = [&old, &new].map(|ring| ring.encrypt(tenant(1), "p", b"words").unwrap());
    assert!(!new.has_key(&stage.database, tenant(1), &closed[0]).await.unwrap());
    assert!(matches!(new.decrypt(tenant(1), "p", &closed[0]), Err(EnvelopeError::DataKeyMissing)));

    sqlx::query("INSERT INTO messaging.data_key SELECT * FROM aside").execute(&mut admin).await.unwrap();
    let both = ring(1);
    both.learn(&stage.database, &[tenant(1)]).await.unwrap();
    for closed in &closed {
        assert!(both.has_key(&stage.database, tenant(1), closed).await.unwrap());
        assert!(!both.has_key(&stage.database, tenant(2), closed).await.unwrap(), "another tenant's");
        assert_eq!(both.decrypt(tenant(1), "p", closed).unwrap(), b"words");
    }
    let again = both.encrypt(tenant(1), "p", b"words").unwrap();
    assert_eq!(new.decrypt(tenant(1), "p", &again).unwrap(), b"words", "by the newest");
    let digests = [&old, &new].map(|ring| ring.digest(tenant(1), "p", "U1").unwrap());
    assert_eq!(both.digests(tenant(1), "p", "U1"), digests);
    assert_eq!(both.digest(tenant(1), "p", "U1").unwrap(), digests[1]);
}
