//! Held link attempts among many customers, decided again over gRPC: what a link decision is measured on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use contracts::identity::v1::link_attempt_service_client::LinkAttemptServiceClient;
use contracts::identity::v1::{LinkOutcome, ListLinkAttemptsRequest, ReconsiderLinkAttemptRequest};
use identity_linking_core::{NameKey, NameKeys, NamePart, PersonName, Reading};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPool;
use tokio::task::JoinSet;
use tsunagi::stage::{Shop, Stage, until};

use crate::names::{FAMILIES, HEADS, TAILS};

/// Names written at once.
const PACK: usize = 20_000;

/// How long a service that was just started may take to answer.
const KNOWN_WITHIN: Duration = Duration::from_secs(30);

/// The shop's customers and attempts, as far as they were made here. Everything has a number, from 0 on.
#[derive(Debug, Default)]
pub(crate) struct Decisions {
    names: usize,
    customers: u64,
    attempts: u64,
}

/// SQL: the ID of the thing of a kind with a number.
fn id(kind: u8, number: &str) -> String {
    format!("('00000000-0000-7000-80{kind:02}-' || lpad(to_hex({number}), 12, '0'))::uuid")
}

const CUSTOMER: u8 = 1;
const FRIEND: u8 = 2;
const ATTEMPT: u8 = 3;

impl Decisions {
    /// Adds customers until there are `count`, each with a mobile number of their own.
    pub(crate) async fn grow(&mut self, admin: &PgPool, shop: &Shop, count: u64) -> anyhow::Result<Value> {
        if self.names == 0 {
            self.names = names(admin).await?;
        }
        let (tenant, from, to, names) = (shop.tenant, self.customers, count.saturating_sub(1), self.names);
        let id = id(CUSTOMER, "i");
        // What refers to them is made here, too: nothing needs to be checked.
        sqlx::raw_sql(AssertSqlSafe(format!(
            "BEGIN; SET LOCAL session_replication_role = replica;
             INSERT INTO identity.customer (tenant_id, customer_id, version, family_name, given_name, family_reading,
                 given_reading, provisional, name_key, reading_key, variant_key, create_time, update_time)
             SELECT '{tenant}', {id}, 1, family, given, family_reading, given_reading, false, exact, reading, variant, now(), now()
             FROM generate_series({from}::bigint, {to}) i JOIN bench_name ON number = i * 48271 % {names};
             INSERT INTO identity.customer_phone (tenant_id, customer_id, position, number, e164, kind)
             SELECT '{tenant}', {id}, 1, '+8190' || 10000000 + i, true, 'MOBILE' FROM generate_series({from}::bigint, {to}) i;
             COMMIT"
        )))
        .execute(admin)
        .await?;
        self.customers = count;
        Ok(json!({ "customers": count }))
    }

    /// Makes `count` attempts that are held although a customer matches: every `stride`th from `customer` on. Gives the first's
    /// number; `bench_decision` says what each is about.
    pub(crate) async fn hold(
        &mut self,
        admin: &PgPool,
        shop: &Shop,
        (count, customer, stride): (u64, u64, u64),
    ) -> anyhow::Result<Value> {
        ensure!(customer + (count - 1) * stride < self.customers, "there are not so many customers");
        let (tenant, provider, account) = (shop.tenant, &shop.provider, shop.account);
        let (from, to) = (self.attempts, self.attempts + count - 1);
        let (attempt, friend, matching) =
            (id(ATTEMPT, "i"), id(FRIEND, "i"), id(CUSTOMER, &format!("{customer} + (i - {from}) * {stride}")));
        sqlx::raw_sql(AssertSqlSafe(format!(
            "BEGIN;
             CREATE TABLE IF NOT EXISTS bench_decision (number bigint PRIMARY KEY, attempt uuid, friend uuid, line_user text,
                 customer uuid, mobile text, exact text, reading text, variant text);
             GRANT SELECT ON bench_decision TO identity;
             INSERT INTO bench_decision
             SELECT i, {attempt}, {friend}, 'U' || lpad(to_hex(i), 32, '0'), c.customer_id, p.number, c.name_key, '', c.variant_key
             FROM generate_series({from}::bigint, {to}) i
             JOIN identity.customer c ON c.tenant_id = '{tenant}' AND c.customer_id = {matching}
             JOIN identity.customer_phone p ON p.tenant_id = c.tenant_id AND p.customer_id = c.customer_id;
             INSERT INTO identity.line_user (tenant_id, friend_id, version, provider_id, line_user_id, create_time)
             SELECT '{tenant}', friend, 1, '{provider}', line_user, now() FROM bench_decision WHERE number BETWEEN {from} AND {to};
             INSERT INTO identity.link_attempt (tenant_id, link_attempt_id, version, method, account_id, friend_id, family_name,
                 given_name, mobile_number, submit_time, confirm_until, told_time, decide_time, outcome, reason)
             SELECT '{tenant}', attempt, 2, 'LINK_FORM', '{account}', friend, c.family_name, c.given_name, mobile, now(), now(),
                 now(), now(), 'HELD', 'POLICY_HOLD'
             FROM bench_decision d JOIN identity.customer c ON c.tenant_id = '{tenant}' AND c.customer_id = d.customer
             WHERE d.number BETWEEN {from} AND {to};
             INSERT INTO identity.link_policy VALUES ('{tenant}', 1, 'HOLD', 'IGNORE', 'NAME', 'NAME', 'NAME')
             ON CONFLICT DO NOTHING;
             COMMIT"
        )))
        .execute(admin)
        .await?;
        self.attempts += count;
        Ok(json!({ "first": from }))
    }
}

/// Has attempts decided again, each once, by so many callers at once; every one must link.
pub(crate) async fn reconsider(
    stage: &Stage,
    shop: &Shop,
    (first, count, callers): (u64, u64, usize),
) -> anyhow::Result<Value> {
    let client = LinkAttemptServiceClient::new(stage.operator.for_tenant(shop.tenant).connect(&stage.identity)?);
    // A connection is there before the time counts.
    let greeting = ListLinkAttemptsRequest { page_size: 1, ..Default::default() };
    until(KNOWN_WITHIN, async || client.clone().list_link_attempts(greeting.clone()).await).await?;
    let next = Arc::new(AtomicU64::new(first));
    let mut calling = JoinSet::new();
    let begun = Instant::now();
    for _ in 0..callers {
        let (mut client, next) = (client.clone(), Arc::clone(&next));
        calling.spawn(async move {
            let mut outcomes: BTreeMap<LinkOutcome, u64> = BTreeMap::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= first + count {
                    return anyhow::Ok(outcomes);
                }
                let link_attempt_id = format!("00000000-0000-7000-80{ATTEMPT:02}-{number:012x}");
                let request = ReconsiderLinkAttemptRequest { link_attempt_id, ..Default::default() };
                let decided =
                    client.reconsider_link_attempt(request).await?.into_inner().link_attempt.unwrap_or_default();
                *outcomes.entry(decided.outcome()).or_default() += 1;
            }
        });
    }
    let mut outcomes: BTreeMap<LinkOutcome, u64> = BTreeMap::new();
    while let Some(called) = calling.join_next().await {
        for (outcome, times) in called?? {
            *outcomes.entry(outcome).or_default() += times;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(outcomes == BTreeMap::from([(LinkOutcome::Linked, count)]), "not every attempt linked: {outcomes:?}");
    Ok(json!({ "seconds": seconds, "count": count }))
}

/// Writes every name with the keys it is compared by into `bench_name`; how many.
async fn names(admin: &PgPool) -> anyhow::Result<usize> {
    sqlx::raw_sql(
        "CREATE TABLE bench_name (number bigint PRIMARY KEY, family text, given text, family_reading text,
             given_reading text, exact text, reading text, variant text)",
    )
    .execute(admin)
    .await?;
    let given = || {
        HEADS.iter().flat_map(|head| {
            TAILS.iter().map(move |tail| (format!("{}{}", head.0, tail.0), format!("{}{}", head.1, tail.1)))
        })
    };
    let all: Vec<_> = FAMILIES.iter().flat_map(|family| given().map(move |given| (*family, given))).collect();
    for (pack, names) in all.chunks(PACK).enumerate() {
        let mut columns: [Vec<String>; 7] = Default::default();
        for ((family, family_reading), (given, given_reading)) in names {
            let name = PersonName::new(
                NamePart::optional(family)?,
                NamePart::optional(given)?,
                Reading::optional(family_reading)?,
                Reading::optional(given_reading)?,
            )?;
            let keys = NameKeys::of(&name);
            let reading = keys.reading.as_ref().map(NameKey::as_str).unwrap_or_default();
            let parts =
                [*family, given, *family_reading, given_reading, keys.exact.as_str(), reading, keys.variant.as_str()];
            columns.iter_mut().zip(parts).for_each(|(column, part)| column.push(part.to_owned()));
        }
        let [family, given, family_reading, given_reading, exact, reading, variant] = columns;
        sqlx::query(
            "INSERT INTO bench_name
             SELECT $1 + place - 1, a, b, c, d, e, f, g
             FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
                 WITH ORDINALITY AS n (a, b, c, d, e, f, g, place)",
        )
        .bind(i64::try_from(pack * PACK)?)
        .bind(family)
        .bind(given)
        .bind(family_reading)
        .bind(given_reading)
        .bind(exact)
        .bind(reading)
        .bind(variant)
        .execute(admin)
        .await?;
    }
    Ok(all.len())
}
