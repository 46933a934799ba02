//! Which kinds of notices go by which channels.

use chassis::postgres::TenantTx;
use messaging_outbox_core::notice::NoticeKind;
use messaging_outbox_core::notice::channel::{EmailUse, Rule};
use sqlx::Row as _;

/// The rule of every kind, in the kinds' order.
pub(crate) async fn read(tx: &mut TenantTx) -> Result<Vec<(NoticeKind, Rule)>, sqlx::Error> {
    let mut rules = NoticeKind::ALL.map(|kind| (kind, Rule::usual(kind))).to_vec();
    let rows = sqlx::query("SELECT kind, line, email, webhook FROM messaging.notice_rule WHERE tenant_id = $1")
        .bind(tx.tenant().uuid())
        .fetch_all(&mut **tx)
        .await?;
    for row in rows {
        let (kind, email): (i16, i16) = (row.try_get("kind")?, row.try_get("email")?);
        let set = Rule {
            line: row.try_get("line")?,
            email: EmailUse::from_code(email).unwrap_or(EmailUse::WithoutLine),
            webhook: row.try_get("webhook")?,
        };
        for (_, rule) in rules.iter_mut().filter(|(of, _)| of.code() == kind) {
            *rule = set;
        }
    }
    Ok(rules)
}

/// How often the rules were set.
pub(crate) async fn version(tx: &mut TenantTx) -> Result<i64, sqlx::Error> {
    let version: Option<i64> =
        sqlx::query_scalar("SELECT version FROM messaging.notice_rules_version WHERE tenant_id = $1")
            .bind(tx.tenant().uuid())
            .fetch_optional(&mut **tx)
            .await?;
    Ok(version.unwrap_or(0))
}

/// Counts one more setting of the rules; the row stays locked, so that two changes at once see each other. Tells how often they were
/// set before.
pub(crate) async fn raise_version(tx: &mut TenantTx) -> Result<i64, sqlx::Error> {
    let version: i64 = sqlx::query_scalar(
        "INSERT INTO messaging.notice_rules_version AS v (tenant_id, version) VALUES ($1, 1)
         ON CONFLICT (tenant_id) DO UPDATE SET version = v.version + 1 RETURNING version",
    )
    .bind(tx.tenant().uuid())
    .fetch_one(&mut **tx)
    .await?;
    Ok(version - 1)
}

/// Sets rules.
pub(crate) async fn put(tx: &mut TenantTx, rules: &[(NoticeKind, Rule)]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.notice_rule (tenant_id, kind, line, email, webhook)
         SELECT $1, r.* FROM unnest($2::smallint[], $3::bool[], $4::smallint[], $5::bool[]) AS r
         ON CONFLICT (tenant_id, kind) DO UPDATE
         SET line = excluded.line, email = excluded.email, webhook = excluded.webhook",
    )
    .bind(tx.tenant().uuid())
    .bind(rules.iter().map(|(kind, _)| kind.code()).collect::<Vec<_>>())
    .bind(rules.iter().map(|(_, rule)| rule.line).collect::<Vec<_>>())
    .bind(rules.iter().map(|(_, rule)| rule.email.code()).collect::<Vec<_>>())
    .bind(rules.iter().map(|(_, rule)| rule.webhook).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
