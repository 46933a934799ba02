//! What holds in identity-linking's tables whatever happened, of all runs so far.

use anyhow::ensure;
use sqlx::PgConnection;

use super::clocks::FARTHEST;

/// What must not be there, and how it is counted.
const NONE_OF: [(&str, &str); 5] = [
    (
        "links made by somebody else's attempt",
        "SELECT count(*) FROM identity.link l JOIN identity.link_attempt a USING (tenant_id, link_attempt_id)
         WHERE a.friend_id <> l.friend_id",
    ),
    ("links that no attempt made", "SELECT count(*) FROM identity.link WHERE link_attempt_id IS NULL"),
    ("links that ended before they began", "SELECT count(*) FROM identity.link WHERE end_time < create_time"),
    (
        "links that began twice",
        "SELECT count(*) FROM (SELECT FROM identity.audit WHERE action = 'link.begin'
         GROUP BY tenant_id, subject HAVING count(*) > 1) s",
    ),
    (
        "links that messaging-outbox knows otherwise",
        "SELECT count(*) FROM identity.link i FULL JOIN messaging.link_replica m USING (tenant_id, link_id)
         WHERE ((i.customer_id, i.version) IS DISTINCT FROM (m.customer_id, m.version)
             OR i.end_time IS DISTINCT FROM m.end_time)",
    ),
];

/// What must not wait for so long, whatever the clock was it was kept by; `$1` is how far a clock jumps.
const BOUNDED: [(&str, &str); 3] = [
    (
        "attempts that wait longer than LINE's word takes",
        "SELECT count(*) FROM identity.link_attempt
         WHERE decide_time IS NULL AND confirm_until > now() + interval '15 minutes' + $1",
    ),
    (
        "form tokens that live longer than an hour",
        "SELECT count(*) FROM identity.form_token WHERE expire_time > now() + interval '1 hour' + $1",
    ),
    (
        "requests to take a link over that wait longer than two weeks",
        "SELECT count(*) FROM identity.takeover_request
         WHERE settle_time IS NULL AND expire_time > now() + interval '14 days' + $1",
    ),
];

/// Whether nothing is there that must not be.
pub(super) async fn hold(admin: &mut PgConnection) -> anyhow::Result<()> {
    for (what, counted) in NONE_OF {
        let number: i64 = sqlx::query_scalar(counted).fetch_one(&mut *admin).await?;
        ensure!(number == 0, "{number} {what}");
    }
    Ok(())
}

/// Whether nothing waits for ever.
pub(super) async fn end_by_themselves(admin: &mut PgConnection) -> anyhow::Result<()> {
    for (what, counted) in BOUNDED {
        let number: i64 = sqlx::query_scalar(counted).bind(FARTHEST.to_std()?).fetch_one(&mut *admin).await?;
        ensure!(number == 0, "{number} {what}");
    }
    Ok(())
}
