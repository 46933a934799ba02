//! Who did what to whom: one row in `{schema}.audit`, in the transaction of the change itself. Rows are only ever added;
//! the service role may neither change nor remove them.

use kernel::{PrincipalId, StaffId};
use serde_json::Value;
use sqlx::AssertSqlSafe;

use crate::auth::Caller;
use crate::postgres::TenantTx;
use crate::trace;

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A program, by its token.
    Principal(PrincipalId),
    /// A staff member, through the program that signed for them.
    Staff {
        /// The program.
        principal: PrincipalId,
        /// The staff member.
        staff: StaffId,
    },
    /// Somebody with access to the database itself, by a command.
    Operator,
    /// The service named here, by its own rules.
    Service(&'static str),
}

impl Actor {
    /// Who is behind a call.
    #[must_use]
    pub fn of(caller: &Caller) -> Self {
        let principal = caller.principal();
        caller.staff().map_or(Self::Principal(principal), |staff| Self::Staff { principal, staff: staff.id })
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Principal(_) => "principal",
            Self::Staff { .. } => "staff",
            Self::Operator => "operator",
            Self::Service(_) => "service",
        }
    }
}

/// Records that `actor` did `action` (a verb of the domain, `message.cancel`) to `subject` (`message/{uuid}`). `detail` holds
/// IDs and outcome only: no names, no texts, no LINE user IDs.
///
/// # Errors
/// When the database refused; the change must not be committed then.
pub async fn record(
    tx: &mut TenantTx,
    actor: &Actor,
    action: &'static str,
    subject: &str,
    detail: Value,
) -> Result<(), sqlx::Error> {
    let (principal, staff, service) = match *actor {
        Actor::Principal(principal) => (Some(principal.uuid()), None, None),
        Actor::Staff { principal, staff } => (Some(principal.uuid()), Some(staff.uuid()), None),
        Actor::Operator => (None, None, None),
        Actor::Service(name) => (None, None, Some(name)),
    };
    sqlx::query(AssertSqlSafe(format!(
        "INSERT INTO {}.audit (tenant_id, actor_kind, principal_id, staff_id, service, action, subject, detail, trace_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        tx.schema()
    )))
    .bind(tx.tenant().uuid())
    .bind(actor.kind())
    .bind(principal)
    .bind(staff)
    .bind(service)
    .bind(action)
    .bind(subject)
    .bind(detail)
    .bind(trace::current_id())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
