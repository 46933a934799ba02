//! Whose conversations are, kept on their rows: the organization responsible, whether a customer is linked, and whether they are with
//! staff. What decides about it stands in other rows, which other transactions change; so each change, and each new conversation,
//! leaves a row behind that has the conversations it concerns looked at once more, after it is committed. Whichever of two looks comes
//! last has seen both changes.

use chassis::postgres::{Database, TenantTx};
use kernel::{AccountId, ConversationId, OrganizationId, TenantId};
use messaging_outbox_core::chat::ConversationKind;
use messaging_outbox_core::visibility::{Facts, Linked};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::conversation::changed;
use super::replica::FOR_STAFF;
use crate::change::{Changed, Left};

/// Tenants that one look finds at most.
const TENANTS: i64 = 512;
/// Matters of a tenant that are taken at once.
const AT_ONCE: i64 = 200;
/// Conversations of an account that are looked at in one transaction.
const OF_ACCOUNT: i64 = 200;
/// The longest a customer who has not been heard of is waited for until the next look, in seconds.
const LONGEST_WAIT: i32 = 60;

/// What stands for no organization in the tables.
const NOBODYS: Uuid = Uuid::nil();

/// What is linked and set for conversations `c`: the account `a`, the link `l`, the customer `n`.
macro_rules! whose {
    () => {
        " LEFT JOIN LATERAL (
             SELECT state, provider_id, owner_organization_id, default_organization_id FROM messaging.account_replica
             WHERE tenant_id = $1 AND account_id = c.account_id LIMIT 1) a ON true
         LEFT JOIN LATERAL (
             SELECT customer_id FROM messaging.link_replica
             WHERE c.kind = 1 AND tenant_id = $1 AND provider_id = a.provider_id AND line_user_id = c.chat_key
                 AND end_time IS NULL
             ORDER BY create_time DESC, link_id DESC LIMIT 1) l ON true
         LEFT JOIN LATERAL (
             SELECT customer_id, organization_id, family_name, given_name FROM messaging.customer_replica
             WHERE tenant_id = $1 AND customer_id = l.customer_id LIMIT 1) n ON true"
    };
}
pub(super) use whose;

/// The facts of a row with what `whose!` adds.
pub(super) fn facts(row: &PgRow) -> Result<Facts, sqlx::Error> {
    let organization =
        |name: &str| Ok::<_, sqlx::Error>(row.try_get::<Option<Uuid>, _>(name)?.map(OrganizationId::from));
    let customer: Option<Uuid> = row.try_get("customer_id")?;
    let heard: Option<Uuid> = row.try_get("heard_customer_id")?;
    let linked = match (customer, heard) {
        (None, _) => Linked::ToNobody,
        (Some(_), None) => Linked::ToUnheard,
        (Some(_), Some(_)) => Linked::To(organization("customer_organization_id")?),
    };
    Ok(Facts {
        linked,
        owner: organization("owner_organization_id")?,
        default: organization("default_organization_id")?,
    })
}

/// How organizations stand in the tables.
pub(crate) fn kept(organization: Option<OrganizationId>) -> Uuid {
    organization.map_or(NOBODYS, OrganizationId::uuid)
}

/// The organization that stands so in the tables.
pub(crate) fn read(kept: Uuid) -> Option<OrganizationId> {
    (kept != NOBODYS).then(|| kept.into())
}

/// What may have changed whose conversations are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matter {
    /// A conversation was made.
    Conversation(ConversationId),
    /// A link began, ended, or joins others.
    Link(Uuid),
    /// A customer belongs to another organization.
    Customer(Uuid),
    /// An account belongs to another organization, has another default, is for others than it was, or was not known.
    Account(AccountId),
}

impl Matter {
    fn kept(self) -> (i16, Uuid) {
        match self {
            Self::Conversation(id) => (1, id.uuid()),
            Self::Link(id) => (2, id),
            Self::Customer(id) => (3, id),
            Self::Account(id) => (4, id.uuid()),
        }
    }
}

/// Has the conversations looked at that these matters concern, once the transaction is committed.
pub(crate) async fn look_at(tx: &mut TenantTx, matters: &[Matter]) -> Result<(), sqlx::Error> {
    let (codes, subjects): (Vec<i16>, Vec<Uuid>) = matters.iter().map(|matter| matter.kept()).unzip();
    sqlx::query(
        "INSERT INTO messaging.placing (tenant_id, matter, subject)
         SELECT $1, matter, subject FROM unnest($2::int2[], $3::uuid[]) AS m (matter, subject)",
    )
    .bind(tx.tenant().uuid())
    .bind(codes)
    .bind(subjects)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Places conversations that the transaction made, as far as it sees, and has them looked at once more.
pub(crate) async fn made(tx: &mut TenantTx, ids: &[Uuid]) -> Result<(), sqlx::Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let found = find(tx, ids).await?;
    write(tx, &found, false).await?;
    let matters: Vec<Matter> = ids.iter().map(|id| Matter::Conversation((*id).into())).collect();
    look_at(tx, &matters).await
}

/// The tenants that have something to be looked at now.
pub(crate) async fn tenants(database: &Database) -> Result<Vec<TenantId>, sqlx::Error> {
    let found: Vec<Uuid> = sqlx::query_scalar(
        "WITH RECURSIVE tenant AS (
             (SELECT tenant_id FROM messaging.placing ORDER BY tenant_id LIMIT 1)
             UNION ALL
             SELECT (SELECT p.tenant_id FROM messaging.placing p WHERE p.tenant_id > t.tenant_id ORDER BY p.tenant_id LIMIT 1)
             FROM tenant t WHERE t.tenant_id IS NOT NULL)
         SELECT t.tenant_id FROM tenant t WHERE t.tenant_id IS NOT NULL AND EXISTS (
             SELECT FROM messaging.placing p WHERE p.tenant_id = t.tenant_id AND p.due <= now())
         LIMIT $1",
    )
    .bind(TENANTS)
    .fetch_all(database.worker())
    .await?;
    Ok(found.into_iter().map(TenantId::from).collect())
}

/// What taking some matters came to.
#[derive(Default)]
pub(crate) struct Step {
    /// There were some.
    pub(crate) any: bool,
    pub(crate) changed: Vec<Changed>,
    pub(crate) left: Vec<Left>,
}

/// Takes some matters of the transaction's tenant and places what they concern.
pub(crate) async fn step(tx: &mut TenantTx) -> Result<Step, sqlx::Error> {
    // An account concerns many conversations: one account at a time.
    let taken = sqlx::query(
        "DELETE FROM messaging.placing p WHERE p.ctid = ANY (
             ARRAY(SELECT ctid FROM messaging.placing WHERE tenant_id = $1 AND due <= now() AND matter <> 4
                   ORDER BY due LIMIT $2 FOR UPDATE SKIP LOCKED)
             || ARRAY(SELECT ctid FROM messaging.placing WHERE tenant_id = $1 AND due <= now() AND matter = 4
                      ORDER BY due LIMIT 1 FOR UPDATE SKIP LOCKED))
         RETURNING matter, subject, behind, tries",
    )
    .bind(tx.tenant().uuid())
    .bind(AT_ONCE)
    .fetch_all(&mut **tx)
    .await?;
    if taken.is_empty() {
        return Ok(Step::default());
    }
    let mut subjects: [Vec<Uuid>; 3] = Default::default();
    let mut account = None;
    let mut tries = 0;
    for row in &taken {
        let (matter, subject): (i16, Uuid) = (row.try_get("matter")?, row.try_get("subject")?);
        tries = tries.max(row.try_get::<i16, _>("tries")?);
        match matter {
            1 => subjects[0].push(subject),
            2 => subjects[1].push(subject),
            3 => subjects[2].push(subject),
            _ => account = Some((subject, row.try_get::<String, _>("behind")?)),
        }
    }
    let mut concerned = concerned(tx, &subjects).await?;
    if let Some((account, behind)) = account {
        concerned.extend(of_account(tx, account, &behind).await?);
    }
    concerned.sort_unstable();
    concerned.dedup();
    lock(tx, &concerned).await?;
    let mut step = follow_purpose(tx, &concerned).await?;
    let found = find(tx, &concerned).await?;
    step.changed.extend(write(tx, &found, true).await?);
    let moved = found.iter().filter(|one| one.shown && one.kept.0 != one.now().0);
    step.left.extend(moved.map(|one| Left { conversation: one.id.into(), from: one.kept.0 }));
    let unheard: Vec<Uuid> =
        found.iter().filter(|one| one.facts.linked == Linked::ToUnheard).map(|one| one.id).collect();
    wait_for_customers(tx, &unheard, tries).await?;
    Ok(step)
}

/// Lets conversations be with whom their accounts are for: an account that was not known to be for staff when something came to it
/// has conversations that must be hidden. They must be locked.
async fn follow_purpose(tx: &mut TenantTx, ids: &[Uuid]) -> Result<Step, sqlx::Error> {
    let rows = sqlx::query(
        "UPDATE messaging.conversation c SET kind = w.kind, version = version + 1
         FROM (SELECT o.conversation_id, CASE WHEN a.purpose = $3 THEN $4::smallint ELSE $5 END AS kind
               FROM unnest($2::uuid[]) AS k (id)
               CROSS JOIN LATERAL (
                   SELECT conversation_id, account_id FROM messaging.conversation
                   WHERE tenant_id = $1 AND conversation_id = k.id LIMIT 1) o
               CROSS JOIN LATERAL (
                   SELECT purpose FROM messaging.account_replica
                   WHERE tenant_id = $1 AND account_id = o.account_id LIMIT 1) a) w
         WHERE c.tenant_id = $1 AND c.conversation_id = w.conversation_id AND c.kind IN ($4, $5) AND c.kind <> w.kind
         RETURNING c.conversation_id, c.account_id, c.version, c.unread_count, c.organization_id, c.kind = $4 AS hidden",
    )
    .bind(tx.tenant().uuid())
    .bind(ids)
    .bind(FOR_STAFF)
    .bind(ConversationKind::Staff.code())
    .bind(ConversationKind::User.code())
    .fetch_all(&mut **tx)
    .await?;
    let mut step = Step { any: true, ..Step::default() };
    for row in &rows {
        let changed = changed(row, None)?;
        if row.try_get("hidden")? {
            step.left.push(Left { conversation: changed.conversation, from: row.try_get("organization_id")? });
        } else {
            step.changed.push(changed);
        }
    }
    Ok(step)
}

/// The conversations that new conversations, links and customers concern.
async fn concerned(tx: &mut TenantTx, [made, links, customers]: &[Vec<Uuid>; 3]) -> Result<Vec<Uuid>, sqlx::Error> {
    let mut found = made.clone();
    if links.is_empty() && customers.is_empty() {
        return Ok(found);
    }
    let others: Vec<Uuid> = sqlx::query_scalar(
        "SELECT c.conversation_id FROM (
             SELECT l.provider_id, l.line_user_id FROM unnest($2::uuid[]) AS k (id) CROSS JOIN LATERAL (
                 SELECT provider_id, line_user_id FROM messaging.link_replica
                 WHERE tenant_id = $1 AND link_id = k.id LIMIT 1) l
             UNION
             SELECT l.provider_id, l.line_user_id FROM unnest($3::uuid[]) AS k (id) CROSS JOIN LATERAL (
                 SELECT provider_id, line_user_id FROM messaging.link_replica
                 WHERE tenant_id = $1 AND customer_id = k.id AND end_time IS NULL) l) w
         CROSS JOIN LATERAL (
             SELECT account_id FROM messaging.account_replica WHERE tenant_id = $1 AND provider_id = w.provider_id) a
         CROSS JOIN LATERAL (
             SELECT conversation_id FROM messaging.conversation
             WHERE tenant_id = $1 AND account_id = a.account_id AND chat_key = w.line_user_id LIMIT 1) c",
    )
    .bind(tx.tenant().uuid())
    .bind(links)
    .bind(customers)
    .fetch_all(&mut **tx)
    .await?;
    found.extend(others);
    Ok(found)
}

/// The next conversations of an account; the rest is left for another transaction.
async fn of_account(tx: &mut TenantTx, account: Uuid, behind: &str) -> Result<Vec<Uuid>, sqlx::Error> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "SELECT conversation_id, chat_key FROM messaging.conversation
         WHERE tenant_id = $1 AND account_id = $2 AND chat_key > $3 ORDER BY chat_key LIMIT $4",
    )
    .bind(tx.tenant().uuid())
    .bind(account)
    .bind(behind)
    .bind(OF_ACCOUNT)
    .fetch_all(&mut **tx)
    .await?;
    let full = i64::try_from(rows.len()).is_ok_and(|count| count >= OF_ACCOUNT);
    if let Some((_, last)) = rows.last().filter(|_| full) {
        sqlx::query("INSERT INTO messaging.placing (tenant_id, matter, subject, behind) VALUES ($1, 4, $2, $3)")
            .bind(tx.tenant().uuid())
            .bind(account)
            .bind(last)
            .execute(&mut **tx)
            .await?;
    }
    Ok(rows.into_iter().map(|(id, _)| id).collect())
}

/// Locks conversations in the order everybody locks them in. What is read after it was committed by whoever held them.
async fn lock(tx: &mut TenantTx, ids: &[Uuid]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "SELECT FROM unnest($2::uuid[]) AS k (id) CROSS JOIN LATERAL (
             SELECT FROM messaging.conversation WHERE tenant_id = $1 AND conversation_id = k.id FOR NO KEY UPDATE) locked",
    )
    .bind(tx.tenant().uuid())
    .bind(ids)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A conversation, whose it is kept as, and whose it is.
struct Found {
    id: Uuid,
    /// It is not one with staff.
    shown: bool,
    kept: (Uuid, bool),
    facts: Facts,
}

impl Found {
    fn now(&self) -> (Uuid, bool) {
        (kept(self.facts.responsible()), self.facts.linked != Linked::ToNobody)
    }
}

async fn find(tx: &mut TenantTx, ids: &[Uuid]) -> Result<Vec<Found>, sqlx::Error> {
    let rows = sqlx::query(concat!(
        "SELECT c.conversation_id, c.kind <> 4 AS shown, c.organization_id, c.linked, a.owner_organization_id,
             a.default_organization_id, l.customer_id,
             n.customer_id AS heard_customer_id, n.organization_id AS customer_organization_id
         FROM unnest($2::uuid[]) AS k (id) CROSS JOIN LATERAL (
             SELECT * FROM messaging.conversation WHERE tenant_id = $1 AND conversation_id = k.id LIMIT 1) c",
        whose!()
    ))
    .bind(tx.tenant().uuid())
    .bind(ids)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter()
        .map(|row| {
            let kept = (row.try_get("organization_id")?, row.try_get("linked")?);
            Ok(Found { id: row.try_get("conversation_id")?, shown: row.try_get("shown")?, kept, facts: facts(row)? })
        })
        .collect()
}

/// Keeps whose conversations are, of those that are kept as somebody else's. `counts`: it is a change of its own.
async fn write(tx: &mut TenantTx, found: &[Found], counts: bool) -> Result<Vec<Changed>, sqlx::Error> {
    let mut moved: Vec<((Uuid, bool), Uuid)> =
        found.iter().filter(|one| one.kept != one.now()).map(|one| (one.now(), one.id)).collect();
    moved.sort_unstable();
    let mut written = Vec::with_capacity(moved.len());
    for group in moved.chunk_by(|(one, _), (other, _)| one == other) {
        let Some(((organization, linked), _)) = group.first() else { continue };
        let rows = sqlx::query(
            "UPDATE messaging.conversation SET organization_id = $3, linked = $4, version = version + $5::bool::int
             WHERE tenant_id = $1 AND conversation_id = ANY ($2)
             RETURNING conversation_id, account_id, version, unread_count",
        )
        .bind(tx.tenant().uuid())
        .bind(group.iter().map(|(_, id)| *id).collect::<Vec<_>>())
        .bind(organization)
        .bind(linked)
        .bind(counts)
        .fetch_all(&mut **tx)
        .await?;
        for row in &rows {
            written.push(changed(row, None)?);
        }
    }
    Ok(written)
}

/// Has conversations looked at again whose customers have not been heard of, the later the more often that was done.
async fn wait_for_customers(tx: &mut TenantTx, conversations: &[Uuid], tries: i16) -> Result<(), sqlx::Error> {
    if conversations.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO messaging.placing (tenant_id, matter, subject, tries, due)
         SELECT $1, 1, id, $3, now() + make_interval(secs => least(power(2, $3), $4)) FROM unnest($2::uuid[]) AS k (id)",
    )
    .bind(tx.tenant().uuid())
    .bind(conversations)
    .bind(tries.saturating_add(1).min(16))
    .bind(LONGEST_WAIT)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
