//! Rules by which customers are reminded of their reservations.

use std::time::Duration;

use chassis::postgres::TenantTx;
use kernel::{ReminderRuleId, Timestamp};
use scheduler_core::reminder::{Rule, Template, When};
use scheduler_core::wall_clock::MinuteOfDay;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::damaged;

/// A rule as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredRule {
    /// The rule.
    pub(crate) rule: Rule,
    /// What customers are told.
    pub(crate) template: Template,
    /// Rises with every change, from 1.
    pub(crate) version: i64,
    /// When it was made.
    pub(crate) create_time: Timestamp,
}

/// The columns that say when a rule reminds: seconds before, or days before and the minute of that day.
type Columns = (Option<i32>, Option<i16>, Option<i16>);

fn columns(when: When) -> Columns {
    match when {
        When::Before(long) => (Some(i32::try_from(long.as_secs()).unwrap_or(i32::MAX)), None, None),
        When::DaysBefore { days, at } => (None, Some(i16::try_from(days).unwrap_or(i16::MAX)), Some(at.number())),
    }
}

fn when(columns: Columns) -> Option<When> {
    match columns {
        (Some(seconds), None, None) => Some(When::Before(Duration::from_secs(u64::try_from(seconds).ok()?))),
        (None, Some(days), Some(minute)) => {
            Some(When::DaysBefore { days: u16::try_from(days).ok()?, at: MinuteOfDay::parse(minute.into()).ok()? })
        }
        _ => None,
    }
}

fn read(row: &PgRow) -> Result<StoredRule, sqlx::Error> {
    let columns = (row.try_get("before_seconds")?, row.try_get("days_before")?, row.try_get("at_minute")?);
    let rule = Rule {
        id: row.try_get::<Uuid, _>("rule_id")?.into(),
        when: when(columns).ok_or_else(|| damaged("before_seconds", "no rule reminds so"))?,
        active: row.try_get("active")?,
    };
    let template = Template::parse(row.try_get("template")?).map_err(|unfit| damaged("template", unfit))?;
    Ok(StoredRule { rule, template, version: row.try_get("version")?, create_time: row.try_get("create_time")? })
}

/// The rules of the transaction's tenant, the oldest first: never more than a tenant may have.
pub(crate) async fn all(tx: &mut TenantTx) -> Result<Vec<StoredRule>, sqlx::Error> {
    let query = "SELECT * FROM scheduler.reminder_rule WHERE tenant_id = $1 ORDER BY create_time, rule_id";
    sqlx::query(query).bind(tx.tenant().uuid()).fetch_all(&mut **tx).await?.iter().map(read).collect()
}

/// A rule.
pub(crate) async fn find(tx: &mut TenantTx, id: ReminderRuleId) -> Result<Option<StoredRule>, sqlx::Error> {
    let query = sqlx::query("SELECT * FROM scheduler.reminder_rule WHERE tenant_id = $1 AND rule_id = $2");
    query.bind(tx.tenant().uuid()).bind(id.uuid()).fetch_optional(&mut **tx).await?.as_ref().map(read).transpose()
}

/// Keeps a rule's new version, the first one included. The tenant is locked.
pub(crate) async fn put(tx: &mut TenantTx, stored: &StoredRule) -> Result<(), sqlx::Error> {
    let (before_seconds, days_before, at_minute) = columns(stored.rule.when);
    sqlx::query(
        "INSERT INTO scheduler.reminder_rule
             (tenant_id, rule_id, version, template, before_seconds, days_before, at_minute, active, create_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (tenant_id, rule_id) DO UPDATE
         SET version = excluded.version, template = excluded.template, before_seconds = excluded.before_seconds,
             days_before = excluded.days_before, at_minute = excluded.at_minute, active = excluded.active",
    )
    .bind(tx.tenant().uuid())
    .bind(stored.rule.id.uuid())
    .bind(stored.version)
    .bind(stored.template.as_str())
    .bind(before_seconds)
    .bind(days_before)
    .bind(at_minute)
    .bind(stored.rule.active)
    .bind(stored.create_time)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Deletes a rule. The tenant is locked.
pub(crate) async fn delete(tx: &mut TenantTx, id: ReminderRuleId) -> Result<(), sqlx::Error> {
    let query = sqlx::query("DELETE FROM scheduler.reminder_rule WHERE tenant_id = $1 AND rule_id = $2");
    query.bind(tx.tenant().uuid()).bind(id.uuid()).execute(&mut **tx).await?;
    Ok(())
}
