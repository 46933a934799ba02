//! What the LINE users that accounts hear of tell of their declared providers (D-12).

use contracts::identity::v1::*;
use kernel::{AccountId, TenantId};
use testkit::eventually;

use crate::friend::{event, seen, user};
use crate::house::{House, SOON};

/// What a provider answers: pairs of accounts, the smaller ID first, with what they say.
type Told = Vec<(AccountId, AccountId, ProviderVerdict)>;

async fn evidence(house: &House, tenant: TenantId, provider: &str) -> Vec<ProviderEvidence> {
    let get = GetProviderRequest { provider_id: provider.to_owned() };
    house.at(tenant).accounts().get_provider(get).await.unwrap().into_inner().evidence
}

fn told(evidence: &[ProviderEvidence]) -> Told {
    let one = |one: &ProviderEvidence| {
        (one.account_id.parse().unwrap(), one.other_account_id.parse().unwrap(), one.verdict())
    };
    evidence.iter().map(one).collect()
}

fn pair(one: AccountId, other: AccountId, verdict: ProviderVerdict) -> (AccountId, AccountId, ProviderVerdict) {
    (one.min(other), one.max(other), verdict)
}

async fn until_told(house: &House, tenant: TenantId, provider: &str, wanted: &Told) -> Vec<ProviderEvidence> {
    eventually(SOON, || async {
        let evidence = evidence(house, tenant, provider).await;
        if told(&evidence) == *wanted { Ok(evidence) } else { Err(told(&evidence)) }
    })
    .await
    .unwrap()
}

/// How many contradictions the service has counted.
async fn contradictions(house: &House) -> Option<String> {
    let figures = house.figures().await;
    let line = figures.lines().find_map(|line| line.strip_prefix("tsunagi_identity_provider_contradictions_total"));
    line.and_then(|rest| rest.rsplit(' ').next()).map(str::to_owned)
}

#[tokio::test]
async fn a_user_of_two_accounts_confirms_one_provider_and_refutes_two() {
    let mut house = House::open("provider_evidence").await;
    let (tenant, other_tenant) = (house.tenant().await, house.tenant().await);
    let (shared, other) = (house.provider(tenant).await, house.provider(tenant).await);
    let one = house.registered(tenant, &shared, &user(100)).await;
    let two = house.registered(tenant, &shared, &user(101)).await;
    let strange = house.registered(tenant, &other, &user(102)).await;
    let (foreign_provider, foreign) = house.account(other_tenant, &user(103)).await;

    // Of different users nothing follows, and nothing of another tenant's.
    house.webhooks(other_tenant, foreign, &[event("follow", &user(1), 1_000)]).await;
    seen(&house, other_tenant, foreign, 1).await;
    house.webhooks(tenant, one, &[event("follow", &user(1), 1_000), event("message", &user(1), 1_500)]).await;
    seen(&house, tenant, one, 1).await;
    house.webhooks(tenant, two, &[event("follow", &user(2), 1_000)]).await;
    seen(&house, tenant, two, 1).await;
    house.webhooks(tenant, strange, &[event("message", &user(3), 1_000)]).await;
    seen(&house, tenant, strange, 1).await;
    assert_eq!(told(&evidence(&house, tenant, &shared).await), []);

    house.webhooks(tenant, two, &[event("message", &user(1), 2_000)]).await;
    let confirmed = pair(one, two, ProviderVerdict::Confirms);
    let first = until_told(&house, tenant, &shared, &vec![confirmed]).await;
    assert_eq!(told(&evidence(&house, tenant, &other).await), []);
    assert_eq!(contradictions(&house).await, None);

    // What refutes is told first, at both providers.
    house.webhooks(tenant, strange, &[event("follow", &user(2), 3_000)]).await;
    let refuted = pair(two, strange, ProviderVerdict::Refutes);
    let both = until_told(&house, tenant, &shared, &vec![refuted, confirmed]).await;
    assert_eq!(both[1], first[0]);
    assert_eq!(told(&evidence(&house, tenant, &other).await), [refuted]);
    let listed = house.at(tenant).accounts().list_providers(ListProvidersRequest::default()).await.unwrap();
    assert_eq!(listed.into_inner().evidence, both);
    assert_eq!(contradictions(&house).await.as_deref(), Some("1"));

    // Another user who says the same, redeliveries and a restart add nothing.
    house.webhooks(tenant, two, &[event("message", &user(3), 4_000), event("message", &user(1), 2_000)]).await;
    house.webhooks(tenant, strange, &[event("follow", &user(2), 3_000)]).await;
    seen(&house, tenant, two, 3).await;
    house.stop().await;
    house.webhooks(tenant, one, &[event("message", &user(1), 1_500), event("follow", &user(4), 5_000)]).await;
    house.start().await;
    seen(&house, tenant, one, 2).await;
    eventually(SOON, || async {
        let inbox = "SELECT count(*) FROM identity.inbox";
        let handled: i64 = sqlx::query_scalar(inbox).fetch_one(&house.admin().await).await.unwrap();
        if handled == 12 { Ok(()) } else { Err(handled) }
    })
    .await
    .unwrap();
    assert_eq!(evidence(&house, tenant, &shared).await, both);
    assert_eq!(contradictions(&house).await.as_deref(), Some("1"), "nothing new was found");

    // The other tenant hears of the same user ID and sees nothing.
    assert_eq!(evidence(&house, other_tenant, &foreign_provider).await, []);
    let listed = house.at(other_tenant).accounts().list_providers(ListProvidersRequest::default()).await.unwrap();
    assert_eq!(listed.into_inner().evidence, []);
    let kept: String = sqlx::query_scalar("SELECT string_agg(e::text, ';') FROM identity.provider_evidence e")
        .fetch_one(&house.admin().await)
        .await
        .unwrap();
    assert!(!(1..=4).any(|number| kept.contains(&user(number))), "no LINE user ID is kept: {kept}");
}

#[tokio::test]
async fn accounts_that_hear_of_a_user_at_once_tell_it_whoever_comes_first() {
    let mut house = House::open("provider_at_once").await;
    let tenant = house.tenant().await;
    let mut accounts = Vec::new();
    for bot in 100..103 {
        accounts.push(house.account(tenant, &user(bot)).await.1);
    }
    // What waits is handled by several at once.
    house.stop().await;
    for account in &accounts {
        let follows: Vec<_> = (1..=20).map(|number| event("follow", &user(number), 1_000)).collect();
        house.webhooks(tenant, *account, &follows).await;
    }
    house.start().await;
    for account in &accounts {
        seen(&house, tenant, *account, 20).await;
    }
    let listed = house.at(tenant).accounts().list_providers(ListProvidersRequest::default()).await.unwrap();
    let shown = told(&listed.into_inner().evidence);
    let mut wanted: Told = Vec::new();
    for (index, one) in accounts.iter().enumerate() {
        wanted.extend(accounts[index + 1..].iter().map(|other| pair(*one, *other, ProviderVerdict::Refutes)));
    }
    let sorted = |mut told: Told| {
        told.sort_by_key(|(one, other, _)| (*one, *other));
        told
    };
    assert_eq!(sorted(shown), sorted(wanted));
    assert_eq!(contradictions(&house).await.as_deref(), Some("3"));
}

#[tokio::test]
async fn what_another_account_is_just_hearing_of_is_waited_for() {
    let house = House::open("provider_waits").await;
    let tenant = house.tenant().await;
    let (provider, hearing) = house.account(tenant, &user(100)).await;
    let (other_provider, other) = house.account(tenant, &user(101)).await;
    // Another replica has heard of the user on the other account, and has not committed yet.
    let mut meanwhile = house.admin().await.begin().await.unwrap();
    for statement in [
        "SELECT pg_advisory_xact_lock(hashtextextended($1::text || '/line_user/' || $4, 0)), $2::uuid, $3::uuid",
        "INSERT INTO identity.line_user (tenant_id, friend_id, version, provider_id, line_user_id, create_time)
             VALUES ($1::uuid, $3::uuid, 1, $2::uuid, $4, now())",
        "INSERT INTO identity.friendship (tenant_id, account_id, friend_id, version, state, first_seen_time)
             SELECT u.tenant_id, a.account_id, u.friend_id, 1, 'SEEN', now()
             FROM identity.line_user u JOIN identity.official_account a USING (tenant_id, provider_id)
             WHERE u.tenant_id = $1::uuid AND u.provider_id = $2::uuid AND u.friend_id = $3::uuid AND u.line_user_id = $4",
    ] {
        sqlx::query(statement)
            .bind(tenant.to_string())
            .bind(other_provider.parse::<uuid::Uuid>().unwrap())
            .bind(uuid::Uuid::from_u128(1))
            .bind(user(1))
            .execute(&mut *meanwhile)
            .await
            .unwrap();
    }
    house.webhooks(tenant, hearing, &[event("follow", &user(1), 1_000)]).await;
    eventually(SOON, || async {
        let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&house.admin().await).await.unwrap();
        (waiting == 1).then_some(())
    })
    .await
    .expect("the account waits for the other");
    meanwhile.commit().await.unwrap();
    until_told(&house, tenant, &provider, &vec![pair(hearing, other, ProviderVerdict::Refutes)]).await;
}
