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
