//! Secrets go in and never come out, except sealed to the service that needs them.

use chassis::seal::{self, PrivateKey};
use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{AccountReplica, SealedSecret};
use contracts::identity::v1::*;
use kernel::{AccountId, TenantId};
use testkit::eventually;
use tonic::Code;

use crate::house::{House, SOON};
use crate::refused::{fields, reason};

const BOT: &str = "Uabababababababababababababababab";
const FIRST: &str = "0123456789abcdef0123456789abcdef";
// LINE promises no form.
const SECOND: &str = "Another.Form-of_32+more/characters=";

async fn last_replica(house: &House, tenant: TenantId, account: AccountId) -> AccountReplica {
    let of_account = |body| match body {
        Body::Account(replica) if replica.account_id == account.to_string() => Some(replica),
        _ => None,
    };
    house.told(Some(tenant)).await.into_iter().filter_map(of_account).max_by_key(|replica| replica.version).unwrap()
}

fn opened(secrets: &[SealedSecret], recipient: &str, key: &PrivateKey) -> Vec<String> {
    let mine = secrets.iter().filter(|secret| secret.recipient == recipient);
    mine.map(|secret| String::from_utf8(seal::open(key, &secret.ciphertext).unwrap().to_vec()).unwrap()).collect()
}

fn secret(account: AccountId, secret: &str, seconds: i64) -> SetChannelSecretRequest {
    SetChannelSecretRequest {
        account_id: account.to_string(),
        channel_secret: secret.to_owned(),
        keep_previous: Some(prost_types::Duration { seconds, nanos: 0 }),
        ..SetChannelSecretRequest::default()
    }
}

#[tokio::test]
async fn a_former_channel_secret_is_told_until_its_time_ends() {
    let house = House::open("secret_rotation").await;
    let tenant = house.tenant().await;
    let provider = house.provider(tenant).await;
    let account = house.registered(tenant, &provider, BOT).await;
    let told = last_replica(&house, tenant, account).await;
    assert_eq!(opened(&told.channel_secrets, "ingest", &house.ingest_key), [FIRST]);
    assert_eq!(opened(&told.channel_secrets, "messaging", &house.messaging_key), [FIRST]);
    let wrong_key = &told.channel_secrets.iter().find(|secret| secret.recipient == "ingest").unwrap().ciphertext;
    assert!(seal::open(&house.messaging_key, wrong_key).is_err());

    let at = house.at(tenant);
    at.accounts().set_channel_secret(secret(account, SECOND, 2)).await.unwrap();
    let told = last_replica(&house, tenant, account).await;
    assert_eq!(opened(&told.channel_secrets, "ingest", &house.ingest_key), [SECOND, FIRST], "newest first");
    let ends: Vec<bool> = told.channel_secrets.iter().map(|secret| secret.expire_time.is_some()).collect();
    assert_eq!(ends, [false, true, false, true], "the one that ends says when");
    let ended = eventually(SOON, || async {
        let told = last_replica(&house, tenant, account).await;
        let secrets = opened(&told.channel_secrets, "ingest", &house.ingest_key);
        if secrets == [SECOND] { Ok(told.version) } else { Err(secrets) }
    });
    assert!(ended.await.unwrap() > told.version);
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM identity.channel_secret")
        .fetch_one(&house.admin().await)
        .await
        .unwrap();
    assert_eq!(kept, 1);
    assert_eq!(
        fields(at.accounts().set_channel_secret(secret(account, "a b", 90_000)).await),
        ["channel_secret", "keep_previous"]
    );
}

#[tokio::test]
async fn no_secret_stands_in_clear_in_any_table() {
    let house = House::open("secret_at_rest").await;
    let tenant = house.tenant().await;
    let provider = house.provider(tenant).await;
    let account = house.registered(tenant, &provider, BOT).await;
    let rotate = RotateWebhookKeyRequest { account_id: account.to_string(), ..Default::default() };
    let key = house.at(tenant).accounts().rotate_webhook_key(rotate).await.unwrap().into_inner().webhook_key;
    let admin = house.admin().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'identity'::regnamespace AND relkind = 'r'",
    )
    .fetch_all(&admin)
    .await
    .unwrap();
    for table in tables {
        for hidden in
            [FIRST, "a-token", key.rsplit('.').next().unwrap(), house.operator.expose().rsplit('.').next().unwrap()]
        {
            let found: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
                "SELECT count(*) FROM identity.{table} t WHERE t::text LIKE '%' || $1 || '%'
                     OR t::text LIKE '%' || encode($1::bytea, 'hex') || '%'"
            )))
            .bind(hidden)
            .fetch_one(&admin)
            .await
            .unwrap();
            assert_eq!(found, 0, "a secret stands in clear in {table}");
        }
    }
}

#[tokio::test]
async fn webhook_keys_rotate_with_both_valid_for_a_while() {
    let house = House::open("key_rotation").await;
    let tenant = house.tenant().await;
    let provider = house.provider(tenant).await;
    let account = house.registered(tenant, &provider, BOT).await;
    let rotate = |seconds| RotateWebhookKeyRequest {
        account_id: account.to_string(),
        keep_previous: Some(prost_types::Duration { seconds, nanos: 0 }),
        ..RotateWebhookKeyRequest::default()
    };
    let at = house.at(tenant);
    let first = last_replica(&house, tenant, account).await.webhook_keys;
    assert_eq!((first.len(), first[0].expire_time), (1, None));
    at.accounts().rotate_webhook_key(rotate(3_600)).await.unwrap();
    let both = last_replica(&house, tenant, account).await.webhook_keys;
    assert_eq!(both.len(), 2);
    assert_eq!((both[1].hash.clone(), both[1].expire_time.is_some()), (first[0].hash.clone(), true));
    at.accounts().rotate_webhook_key(rotate(0)).await.unwrap();
    let one = last_replica(&house, tenant, account).await.webhook_keys;
    assert_eq!(one.len(), 1, "with no time left the one before ends at once");
    assert!(both.iter().all(|key| key.hash != one[0].hash));
    at.accounts().rotate_webhook_key(rotate(2)).await.unwrap();
    let told = last_replica(&house, tenant, account).await;
    assert_eq!((told.webhook_keys.len(), &told.webhook_keys[1].hash), (2, &one[0].hash));
    let ended = eventually(SOON, || async {
        let now = last_replica(&house, tenant, account).await;
        if now.webhook_keys == told.webhook_keys[..1] { Ok(now.version) } else { Err(now.webhook_keys) }
    });
    assert!(ended.await.unwrap() > told.version, "when its time ends that is told");
    assert_eq!(fields(at.accounts().rotate_webhook_key(rotate(31 * 86_400)).await), ["keep_previous"]);
}

#[tokio::test]
async fn a_rotation_that_is_repeated_ends_no_key_that_line_still_uses() {
    let house = House::open("key_repeated").await;
    let tenant = house.tenant().await;
    let provider = house.provider(tenant).await;
    let account = house.registered(tenant, &provider, BOT).await;
    let at = house.at(tenant);
    let rotate = |request_id: &str| RotateWebhookKeyRequest {
        account_id: account.to_string(),
        request_id: request_id.to_owned(),
        ..RotateWebhookKeyRequest::default()
    };
    let at_line = last_replica(&house, tenant, account).await.webhook_keys.remove(0);
    // The same call again changes nothing, and does not show the key again.
    let once = uuid::Uuid::new_v4().to_string();
    let first = at.accounts().rotate_webhook_key(rotate(&once)).await.unwrap().into_inner();
    let again = at.accounts().rotate_webhook_key(rotate(&once)).await.unwrap().into_inner();
    assert!(!first.webhook_key.is_empty());
    assert_eq!((again.account, again.webhook_key.as_str()), (first.account, ""));
    assert_eq!(last_replica(&house, tenant, account).await.webhook_keys.len(), 2);
    // Who had no answer rotates again: the key at LINE keeps its time, and so many of the others are kept as may be.
    let ends = last_replica(&house, tenant, account).await.webhook_keys[1].expire_time;
    at.accounts().rotate_webhook_key(rotate("")).await.unwrap();
    let keys = last_replica(&house, tenant, account).await.webhook_keys;
    assert!(keys.iter().any(|key| key.hash == at_line.hash && key.expire_time == ends), "{keys:?}");
    for _ in 0..10 {
        at.accounts().rotate_webhook_key(rotate("")).await.unwrap();
    }
    assert_eq!(last_replica(&house, tenant, account).await.webhook_keys.len(), 9);

    let set = SetChannelSecretRequest { request_id: once, ..secret(account, SECOND, 600) };
    let first = at.accounts().set_channel_secret(set.clone()).await.unwrap().into_inner();
    assert_eq!(at.accounts().set_channel_secret(set).await.unwrap().into_inner(), first);
    at.accounts().set_channel_secret(secret(account, "third", 600)).await.unwrap();
    let told = last_replica(&house, tenant, account).await;
    assert_eq!(opened(&told.channel_secrets, "ingest", &house.ingest_key), ["third", SECOND, FIRST]);
}

#[tokio::test]
async fn a_secret_set_again_and_again_ends_no_secret_that_line_still_uses() {
    let house = House::open("secret_again").await;
    let tenant = house.tenant().await;
    let provider = house.provider(tenant).await;
    let account = house.registered(tenant, &provider, BOT).await;
    let at = house.at(tenant);
    let set = |text: &str, seconds| {
        let (mut accounts, request) = (at.accounts(), secret(account, text, seconds));
        async move { accounts.set_channel_secret(request).await }
    };
    let told = || last_replica(&house, tenant, account);
    let valid = |told: &AccountReplica| opened(&told.channel_secrets, "ingest", &house.ingest_key);
    let first = set(SECOND, 3_600).await.unwrap().into_inner();
    let rotated = told().await;
    for seconds in [1, 60, 600, 3_600].repeat(4) {
        assert_eq!(set(SECOND, seconds).await.unwrap().into_inner(), first);
    }
    assert_eq!(told().await, rotated, "the current secret set again is no rotation");
    // Back and forth between two others, and the one at LINE keeps its time.
    for _ in 0..6 {
        set("third", 600).await.unwrap();
        set(SECOND, 600).await.unwrap();
    }
    let after = told().await;
    assert_eq!(valid(&after), [SECOND, FIRST, "third"]);
    assert_eq!(after.channel_secrets[1].expire_time, rotated.channel_secrets[1].expire_time);
    set(FIRST, 600).await.unwrap();
    assert_eq!(valid(&told().await)[0], FIRST, "a former one is current again");
    let last = set(FIRST, 0).await.unwrap().into_inner();
    assert_eq!(valid(&told().await), [FIRST], "with no time left the former ones end");
    assert_eq!(set(FIRST, 0).await.unwrap().into_inner(), last);
}

#[tokio::test]
async fn an_account_whose_secrets_cannot_be_read_keeps_no_others_alive() {
    let house = House::open("secret_broken").await;
    let admin = house.admin().await;
    let mut accounts = Vec::new();
    for _ in 0..4 {
        let tenant = house.tenant().await;
        let provider = house.provider(tenant).await;
        let account = house.registered(tenant, &provider, BOT).await;
        house.at(tenant).accounts().set_channel_secret(secret(account, SECOND, 3_600)).await.unwrap();
        accounts.push((tenant, account));
    }
    // All end at once, and the first one's current secret is damaged.
    let mut tx = admin.begin().await.unwrap();
    for (sql, at) in [
        ("UPDATE identity.channel_secret SET ciphertext = '\\x00' WHERE account_id = $1 AND expire_time IS NULL", 0..1),
        (
            "UPDATE identity.channel_secret SET expire_time = now() WHERE account_id = $1 AND expire_time IS NOT NULL",
            0..4,
        ),
        ("UPDATE identity.account_expiry SET due_time = now() - interval '1 hour' WHERE account_id = $1", 0..1),
        ("UPDATE identity.account_expiry SET due_time = now() WHERE account_id = $1", 1..4),
    ] {
        for (_, account) in &accounts[at] {
            sqlx::query(sql).bind(account.uuid()).execute(&mut *tx).await.unwrap();
        }
    }
    tx.commit().await.unwrap();
    for (tenant, account) in &accounts[1..] {
        let ended = eventually(SOON, || async {
            let told = last_replica(&house, *tenant, *account).await;
            let secrets = opened(&told.channel_secrets, "ingest", &house.ingest_key);
            if secrets == [SECOND] { Ok(()) } else { Err(secrets) }
        });
        ended.await.unwrap();
    }
}

#[tokio::test]
async fn a_credential_reaches_messaging_and_nobody_else() {
    let house = House::open("credential").await;
    let tenant = house.tenant().await;
    let at = house.at(tenant);
    let provider = house.provider(tenant).await;
    let account = house.registered(tenant, &provider, BOT).await;
    let told = last_replica(&house, tenant, account).await.credential.unwrap();
    let material = told.material.unwrap();
    assert_eq!(opened(&[material], "messaging", &house.messaging_key), ["a-token"]);
    let set = |kind| SetChannelCredentialRequest {
        account_id: account.to_string(),
        credential: Some(ChannelCredentialInput { kind }),
    };
    at.accounts().set_channel_credential(set(Some(channel_credential_input::Kind::ChannelSecret(true)))).await.unwrap();
    at.accounts().set_channel_secret(secret(account, SECOND, 60)).await.unwrap();
    let told = last_replica(&house, tenant, account).await.credential.unwrap();
    assert_eq!(told.kind(), contracts::events::v1::ChannelCredentialKind::ChannelSecret);
    assert_eq!(opened(&[told.material.unwrap()], "messaging", &house.messaging_key), [SECOND]);
    assert_eq!(fields(at.accounts().set_channel_credential(set(None)).await), ["credential"]);

    let bare = CreateOfficialAccountRequest {
        account: Some(OfficialAccount {
            provider_id: provider,
            channel_id: "9".to_owned(),
            ..OfficialAccount::default()
        }),
        credential: Some(ChannelCredentialInput { kind: Some(channel_credential_input::Kind::ChannelSecret(true)) }),
        ..CreateOfficialAccountRequest::default()
    };
    assert_eq!(
        reason(at.accounts().create_official_account(bare).await),
        (Code::FailedPrecondition, "SECRET_MISSING".to_owned())
    );
}
