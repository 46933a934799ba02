//! May they? A pure decision over what the call brought and what the directory knows.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use contracts::MethodRule;
use contracts::access_proto::v1::{Right, Scope, StaffAssertion};
use kernel::{PrincipalId, StaffId, TenantId, Timestamp};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use super::assertion::{self, AssertionKey};
use super::{ActingStaff, Caller, Token};

/// A program that may call.
#[derive(Clone, Debug)]
pub(super) struct Principal {
    pub(super) token_hash: [u8; 32],
    pub(super) rights: BTreeSet<i32>,
    /// When not empty, the only methods it may call.
    pub(super) methods: BTreeSet<String>,
    pub(super) keys: Vec<AssertionKey>,
    pub(super) revoked_at: Option<Timestamp>,
    pub(super) expires_at: Option<Timestamp>,
}

/// A staff member who may act.
#[derive(Clone, Debug)]
pub(super) struct StaffMember {
    pub(super) acting: ActingStaff,
    pub(super) rights: BTreeSet<i32>,
    pub(super) active: bool,
}

/// Everybody who is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) principals: HashMap<(Option<TenantId>, PrincipalId), Arc<Principal>>,
    pub(super) staff: HashMap<(TenantId, StaffId), Arc<StaffMember>>,
}

/// What a call brought. Text as it came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Credentials<'a> {
    /// Behind `Bearer `.
    pub(super) token: Option<&'a str>,
    pub(super) tenant: Option<&'a str>,
    pub(super) assertion: Option<&'a str>,
}

/// Why a call may not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No token, or one that is malformed, unknown, wrong, revoked or expired: the caller is not told which.
    Token,
    /// The principal may call listed methods only, and this is none of them.
    MethodNotListed,
    /// Only principals of the platform may call this method.
    PlatformOnly,
    /// A principal of the platform must say for which tenant it calls.
    TenantMissing,
    /// The tenant's ID is malformed.
    TenantMalformed,
    /// A tenant's principal named another tenant.
    TenantUnknown,
    /// The caller, or the staff member who acts, lacks the right.
    RightMissing,
    /// The staff assertion is not valid, or its staff member may not act.
    Assertion,
    /// The method needs to know which staff member acts.
    AssertionMissing,
}

/// Who calls. `rule` is none for reflection, which every valid principal may use.
pub(super) fn decide(
    rule: Option<MethodRule>,
    method: &str,
    credentials: Credentials<'_>,
    known: &Known,
    now: Timestamp,
) -> Result<Caller, Refusal> {
    let token = Token::parse(credentials.token.ok_or(Refusal::Token)?).map_err(|_| Refusal::Token)?;
    let principal = identify(&token, known, now)?;
    let Some(rule) = rule else { return Ok(Caller::new(None, token.principal, None, BTreeSet::new())) };
    if !principal.methods.is_empty() && !principal.methods.contains(method) {
        return Err(Refusal::MethodNotListed);
    }
    let tenant = match rule.scope {
        Scope::Tenant => Some(tenant(token.tenant, credentials.tenant)?),
        Scope::Platform if token.tenant.is_none() => None,
        Scope::Platform | Scope::Unspecified => return Err(Refusal::PlatformOnly),
    };
    if rule.right == Right::Unspecified || !principal.rights.contains(&rule.right.into()) {
        return Err(Refusal::RightMissing);
    }
    let Some(assertion) = credentials.assertion else {
        return match rule.staff_assertion {
            StaffAssertion::Required => Err(Refusal::AssertionMissing),
            StaffAssertion::Unspecified => Ok(Caller::new(tenant, token.principal, None, principal.rights.clone())),
        };
    };
    // Staff belong to a tenant; over the platform none can act.
    let tenant = tenant.ok_or(Refusal::Assertion)?;
    let staff =
        assertion::verify(assertion, &principal.keys, token.principal, tenant, now).map_err(|_| Refusal::Assertion)?;
    let staff = known.staff.get(&(tenant, staff)).filter(|staff| staff.active).ok_or(Refusal::Assertion)?;
    let rights: BTreeSet<i32> = principal.rights.intersection(&staff.rights).copied().collect();
    if !rights.contains(&rule.right.into()) {
        return Err(Refusal::RightMissing);
    }
    Ok(Caller::new(Some(tenant), token.principal, Some(staff.acting.clone()), rights))
}

/// Whether the principal behind the token may act at all at `now`.
pub(super) fn is_known(credentials: Credentials<'_>, known: &Known, now: Timestamp) -> bool {
    let token = credentials.token.and_then(|token| Token::parse(token).ok());
    token.is_some_and(|token| identify(&token, known, now).is_ok())
}

fn identify<'a>(token: &Token, known: &'a Known, now: Timestamp) -> Result<&'a Principal, Refusal> {
    let principal = known.principals.get(&(token.tenant, token.principal));
    // An unknown principal takes as long as a wrong secret.
    let kept = principal.map_or([0; 32], |principal| principal.token_hash);
    let right_secret = bool::from(token.hash().ct_eq(&kept));
    principal
        .filter(|principal| right_secret && principal.revoked_at.is_none())
        .filter(|principal| principal.expires_at.is_none_or(|expires| now < expires))
        .map(Arc::as_ref)
        .ok_or(Refusal::Token)
}

fn tenant(own: Option<TenantId>, named: Option<&str>) -> Result<TenantId, Refusal> {
    let named = named
        .map(|text| Uuid::try_parse(text).map(TenantId::from).map_err(|_| Refusal::TenantMalformed))
        .transpose()?;
    match (own, named) {
        // Nil stands for the platform's own rows, which are no tenant's.
        (_, Some(named)) if named.uuid().is_nil() => Err(Refusal::TenantUnknown),
        (Some(own), Some(named)) if own != named => Err(Refusal::TenantUnknown),
        (Some(own), _) => Ok(own),
        (None, Some(named)) => Ok(named),
        (None, None) => Err(Refusal::TenantMissing),
    }
}

#[cfg(test)]
mod tests;
