//! Reminders of reservations: what is known when one is said, and what became of each (F-107).

use std::collections::{HashMap, HashSet};

use chassis::postgres::TenantTx;
use contracts::events::v1::LinkPolicyReplica;
use kernel::{AccountId, ActivityId, CustomerId, MessageId, OrganizationId, ReminderId, ReminderRuleId, Timestamp};
use messaging_outbox_core::chat::{Chat, ConversationKind};
use messaging_outbox_core::customer;
use messaging_outbox_core::reminder::text::Zone;
use messaging_outbox_core::reminder::{Account, LEAST, NotSent, Place};
use messaging_outbox_core::state::MessageState;
use messaging_outbox_core::visibility;
use sqlx::Row as _;
use uuid::Uuid;

use super::{placing, replica};

/// What is known of a tenant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tenant {
    /// None: a name that is no zone's.
    pub(crate) zone: Option<Zone>,
    pub(crate) suspended: bool,
    /// What a link must at least be sure of.
    pub(crate) least: i16,
}

/// What is known of the transaction's tenant.
pub(crate) async fn tenant(tx: &mut TenantTx) -> Result<Option<Tenant>, sqlx::Error> {
    let row: Option<(String, bool, i16)> = sqlx::query_as(
        "SELECT t.time_zone, t.suspended, coalesce(p.least_reminder_assurance, $2)
         FROM messaging.tenant_replica t LEFT JOIN messaging.link_policy_replica p USING (tenant_id)
         WHERE t.tenant_id = $1",
    )
    .bind(tx.tenant().uuid())
    .bind(LEAST)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|(zone, suspended, least)| Tenant { zone: Zone::parse(&zone), suspended, least }))
}

/// Keeps the policy of the transaction's tenant.
pub(crate) async fn put_policy(tx: &mut TenantTx, replica: &LinkPolicyReplica) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.link_policy_replica AS p (tenant_id, version, least_reminder_assurance)
         VALUES ($1, $2, coalesce(nullif($3::int, 0), $4)::smallint)
         ON CONFLICT (tenant_id) DO UPDATE
         SET version = excluded.version, least_reminder_assurance = excluded.least_reminder_assurance
         WHERE p.version < excluded.version",
    )
    .bind(tx.tenant().uuid())
    .bind(replica.version)
    .bind(replica.least_reminder_assurance)
    .bind(LEAST)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A place where a customer may be reached, with what a reminder there needs.
#[derive(Clone)]
pub(crate) struct Reach {
    pub(crate) place: Place,
    pub(crate) chat: Chat,
    /// The customer's name, and the account's.
    pub(crate) customer_name: String,
    pub(crate) shop: String,
}

/// Every place where customers may be reached, by the customer that is asked for: by links that hold now, also those of the customer
/// that absorbed it.
pub(crate) async fn places(
    tx: &mut TenantTx,
    customers: &[Uuid],
) -> Result<HashMap<CustomerId, Vec<Reach>>, sqlx::Error> {
    let rows = sqlx::query(
        "WITH RECURSIVE who (asked, customer_id, depth) AS (
             SELECT DISTINCT id, id, 0 FROM unnest($2::uuid[]) AS k (id)
             UNION ALL
             SELECT w.asked, m.merged_into, w.depth + 1 FROM who w
             CROSS JOIN LATERAL (
                 SELECT merged_into FROM messaging.customer_replica
                 WHERE tenant_id = $1 AND customer_id = w.customer_id AND merged_into IS NOT NULL LIMIT 1) m
             WHERE w.depth < 16)
         SELECT w.asked, l.assurance, l.line_user_id, a.account_id, a.state AS account_state, a.purpose,
             coalesce(a.display_name, '') AS shop, f.state AS friendship, coalesce(c.standby, false) AS standby, c.activity_time,
             coalesce(n.family_name, '') AS family_name, coalesce(n.given_name, '') AS given_name
         FROM who w
         CROSS JOIN LATERAL (
             SELECT provider_id, line_user_id, assurance, create_time, link_id FROM messaging.link_replica
             WHERE tenant_id = $1 AND customer_id = w.customer_id AND end_time IS NULL) l
         LEFT JOIN LATERAL (
             SELECT account_id, state, purpose, display_name FROM messaging.account_replica
             WHERE tenant_id = $1 AND provider_id = l.provider_id) a ON true
         LEFT JOIN LATERAL (
             SELECT state FROM messaging.friendship_replica
             WHERE tenant_id = $1 AND account_id = a.account_id AND line_user_id = l.line_user_id LIMIT 1) f ON true
         LEFT JOIN LATERAL (
             SELECT standby, activity_time FROM messaging.conversation
             WHERE tenant_id = $1 AND account_id = a.account_id AND chat_key = l.line_user_id LIMIT 1) c ON true
         LEFT JOIN LATERAL (
             SELECT family_name, given_name FROM messaging.customer_replica
             WHERE tenant_id = $1 AND customer_id = w.customer_id LIMIT 1) n ON true
         WHERE NOT EXISTS (
             SELECT FROM messaging.link_replica o
             WHERE o.tenant_id = $1 AND o.provider_id = l.provider_id AND o.line_user_id = l.line_user_id AND o.end_time IS NULL
                 AND (o.create_time, o.link_id) > (l.create_time, l.link_id))",
    )
    .bind(tx.tenant().uuid())
    .bind(customers)
    .fetch_all(&mut **tx)
    .await?;
    let mut places: HashMap<CustomerId, Vec<Reach>> = HashMap::new();
    for row in &rows {
        places.entry(row.try_get::<Uuid, _>("asked")?.into()).or_default().push(reach(row)?);
    }
    Ok(places)
}

fn reach(row: &sqlx::postgres::PgRow) -> Result<Reach, sqlx::Error> {
    let name = |of: &str| row.try_get::<String, _>(of);
    let purpose: Option<i16> = row.try_get("purpose")?;
    let friendship: Option<i16> = row.try_get("friendship")?;
    let account = row.try_get::<Option<Uuid>, _>("account_id")?.map(|id| {
        Ok::<_, sqlx::Error>(Account {
            id: id.into(),
            serves: replica::is_connected(row.try_get("account_state")?) && purpose != Some(replica::FOR_STAFF),
            blocked: friendship.map(|state| replica::is_blocked(Some(state))),
            standby: row.try_get("standby")?,
            activity: row.try_get("activity_time")?,
        })
    });
    Ok(Reach {
        place: Place { assurance: row.try_get("assurance")?, account: account.transpose()? },
        chat: Chat::new(ConversationKind::User, &name("line_user_id")?),
        customer_name: customer::display_name(&name("family_name")?, &name("given_name")?),
        shop: name("shop")?,
    })
}

/// What became of a reminder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reminder {
    pub(crate) id: ReminderId,
    pub(crate) activity: ActivityId,
    pub(crate) rule: ReminderRuleId,
    pub(crate) start: Timestamp,
    pub(crate) due: Timestamp,
    /// When it was decided.
    pub(crate) time: Timestamp,
    pub(crate) customer: Option<CustomerId>,
    /// The message that reminds, or why there is none.
    pub(crate) fate: Result<MessageId, NotSent>,
}

/// Keeps what became of reminders; returns those of which nothing was known yet.
pub(crate) async fn keep(tx: &mut TenantTx, reminders: &[Reminder]) -> Result<HashSet<ReminderId>, sqlx::Error> {
    let new: Vec<Uuid> = sqlx::query_scalar(
        "INSERT INTO messaging.reminder (tenant_id, reminder_id, activity_id, rule_id, start_time, due_time, reminder_time,
             customer_id, message_id, reason)
         SELECT $1, r.* FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[],
             $8::uuid[], $9::uuid[], $10::smallint[]) AS r (reminder_id, activity_id, rule_id, start_time, due_time,
             reminder_time, customer_id, message_id, reason)
         ORDER BY r.activity_id, r.rule_id, r.start_time
         ON CONFLICT (tenant_id, activity_id, rule_id, start_time) DO NOTHING
         RETURNING reminder_id",
    )
    .bind(tx.tenant().uuid())
    .bind(reminders.iter().map(|one| one.id.uuid()).collect::<Vec<_>>())
    .bind(reminders.iter().map(|one| one.activity.uuid()).collect::<Vec<_>>())
    .bind(reminders.iter().map(|one| one.rule.uuid()).collect::<Vec<_>>())
    .bind(reminders.iter().map(|one| one.start).collect::<Vec<_>>())
    .bind(reminders.iter().map(|one| one.due).collect::<Vec<_>>())
    .bind(reminders.iter().map(|one| one.time).collect::<Vec<_>>())
    .bind(reminders.iter().map(|one| one.customer.map(CustomerId::uuid)).collect::<Vec<_>>())
    .bind(reminders.iter().map(|one| one.fate.ok().map(MessageId::uuid)).collect::<Vec<_>>())
    .bind(reminders.iter().map(|one| one.fate.err().map(NotSent::code)).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    Ok(new.into_iter().map(ReminderId::from).collect())
}

/// Messages that remind of a reservation as it does not stand any more, wherever they are by now, each with its account.
pub(crate) async fn outdated(
    tx: &mut TenantTx,
    activity: ActivityId,
) -> Result<Vec<(AccountId, MessageId)>, sqlx::Error> {
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "SELECT m.account_id, r.message_id
         FROM messaging.reminder r
         JOIN messaging.activity_replica a ON a.tenant_id = $1 AND a.activity_id = r.activity_id
         CROSS JOIN LATERAL (
             SELECT account_id FROM messaging.message WHERE tenant_id = $1 AND message_id = r.message_id LIMIT 1) m
         WHERE r.tenant_id = $1 AND r.activity_id = $2 AND (a.state <> 'ACTIVE' OR a.start_time IS DISTINCT FROM r.start_time)",
    )
    .bind(tx.tenant().uuid())
    .bind(activity.uuid())
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|(account, message)| (account.into(), message.into())).collect())
}

/// Those of `messages` that remind of a reservation as it does not stand any more.
pub(crate) async fn fallen(tx: &mut TenantTx, messages: &[Uuid]) -> Result<HashSet<MessageId>, sqlx::Error> {
    let fallen: Vec<Uuid> = sqlx::query_scalar(
        "SELECT k.message_id FROM unnest($2::uuid[]) AS k (message_id)
         CROSS JOIN LATERAL (
             SELECT activity_id, start_time FROM messaging.reminder
             WHERE tenant_id = $1 AND message_id = k.message_id LIMIT 1) r
         CROSS JOIN LATERAL (
             SELECT state, start_time FROM messaging.activity_replica
             WHERE tenant_id = $1 AND activity_id = r.activity_id LIMIT 1) a
         WHERE a.state <> 'ACTIVE' OR a.start_time IS DISTINCT FROM r.start_time",
    )
    .bind(tx.tenant().uuid())
    .bind(messages)
    .fetch_all(&mut **tx)
    .await?;
    Ok(fallen.into_iter().map(MessageId::from).collect())
}

/// A reminder as it is listed.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) id: Uuid,
    pub(crate) activity: Uuid,
    pub(crate) rule: Uuid,
    pub(crate) customer: Option<Uuid>,
    pub(crate) start: Timestamp,
    pub(crate) due: Timestamp,
    pub(crate) time: Timestamp,
    pub(crate) message: Option<(Uuid, Option<MessageState>)>,
    /// The number of a [`NotSent`].
    pub(crate) reason: Option<i16>,
    /// The organization it belongs to; none: it is nobody's.
    pub(crate) organization: Option<OrganizationId>,
}

/// Which reminders a page lists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listing {
    pub(crate) activity: Option<ActivityId>,
    /// Only those that were sent, or only those that were not.
    pub(crate) made: Option<bool>,
    /// Behind this one.
    pub(crate) before: Option<Uuid>,
    pub(crate) limit: i64,
}

/// What stands beside reminders `r`: the message `m` that reminds, its conversation `c`, the customer `n`.
macro_rules! beside {
    () => {
        " LEFT JOIN LATERAL (
             SELECT state, conversation_id FROM messaging.message WHERE tenant_id = $1 AND message_id = r.message_id LIMIT 1) m ON true
         LEFT JOIN LATERAL (
             SELECT organization_id FROM messaging.conversation
             WHERE tenant_id = $1 AND conversation_id = m.conversation_id LIMIT 1) c ON true
         LEFT JOIN LATERAL (
             SELECT organization_id FROM messaging.customer_replica WHERE tenant_id = $1 AND customer_id = r.customer_id LIMIT 1) n
             ON true"
    };
}

/// Lists reminders, the latest first: their IDs carry their time.
pub(crate) async fn list(tx: &mut TenantTx, listing: &Listing) -> Result<Vec<Listed>, sqlx::Error> {
    // A reservation's are few, and put in order when they are found (`OFFSET 0`).
    let query = match listing.activity {
        Some(_) => concat!(
            "SELECT r.*, m.state, n.organization_id AS customer_organization_id, c.organization_id FROM (
                 SELECT * FROM messaging.reminder WHERE tenant_id = $1 AND activity_id = $2 OFFSET 0) r",
            beside!(),
            " WHERE ($3::uuid IS NULL OR r.reminder_id < $3) AND ($4::boolean IS NULL OR (r.reason IS NULL) = $4)
             ORDER BY r.reminder_id DESC LIMIT $5"
        ),
        None => concat!(
            "SELECT r.*, m.state, n.organization_id AS customer_organization_id, c.organization_id FROM messaging.reminder r",
            beside!(),
            " WHERE r.tenant_id = $1 AND $2::uuid IS NULL AND ($4::boolean IS NOT FALSE OR r.reason IS NOT NULL)",
            " AND ($3::uuid IS NULL OR r.reminder_id < $3) AND ($4::boolean IS NULL OR (r.reason IS NULL) = $4)
             ORDER BY r.reminder_id DESC LIMIT $5"
        ),
    };
    let rows = sqlx::query(query)
        .bind(tx.tenant().uuid())
        .bind(listing.activity.map(ActivityId::uuid))
        .bind(listing.before)
        .bind(listing.made)
        .bind(listing.limit)
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(listed).collect()
}

fn listed(row: &sqlx::postgres::PgRow) -> Result<Listed, sqlx::Error> {
    let state = row.try_get::<Option<i16>, _>("state")?.and_then(MessageState::from_code);
    let customer = row.try_get::<Option<Uuid>, _>("customer_organization_id")?.map(OrganizationId::from);
    let conversation = row.try_get::<Option<Uuid>, _>("organization_id")?.and_then(placing::read);
    Ok(Listed {
        organization: visibility::of_reminder(customer, conversation),
        id: row.try_get("reminder_id")?,
        activity: row.try_get("activity_id")?,
        rule: row.try_get("rule_id")?,
        customer: row.try_get("customer_id")?,
        start: row.try_get("start_time")?,
        due: row.try_get("due_time")?,
        time: row.try_get("reminder_time")?,
        message: row.try_get::<Option<Uuid>, _>("message_id")?.map(|message| (message, state)),
        reason: row.try_get("reason")?,
    })
}
