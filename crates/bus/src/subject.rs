//! Subjects: what is said, by whom, about whose things. The tenant is always the same token of its family.

use std::fmt;
use std::str::FromStr;

use kernel::{AccountId, TenantId};

/// The token that stands where a tenant would, for what belongs to the platform.
const PLATFORM: &str = "platform";

/// Who speaks, and so what the events are. A service may publish its own family only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// webhook-ingest: LINE's webhook events.
    LineWebhook,
    /// identity-linking.
    Identity,
    /// messaging-outbox.
    Messaging,
    /// scheduler.
    Scheduler,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 4] = [Self::LineWebhook, Self::Identity, Self::Messaging, Self::Scheduler];

    /// What subjects of the family begin with.
    #[must_use]
    pub const fn root(self) -> &'static str {
        match self {
            Self::LineWebhook => "line.webhook.v1",
            Self::Identity => "identity.v1",
            Self::Messaging => "messaging.v1",
            Self::Scheduler => "scheduler.v1",
        }
    }

    /// `ce-source` of its events: the service's name.
    #[must_use]
    pub const fn source(self) -> &'static str {
        match self {
            Self::LineWebhook => "webhook-ingest",
            Self::Identity => "identity-linking",
            Self::Messaging => "messaging-outbox",
            Self::Scheduler => "scheduler",
        }
    }

    /// `ce-type` of its events: the full name of the protobuf message.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::LineWebhook => "tsunagi.events.v1.LineWebhookEvent",
            Self::Identity => "tsunagi.events.v1.IdentityEvent",
            Self::Messaging => "tsunagi.events.v1.MessagingEvent",
            Self::Scheduler => "tsunagi.events.v1.SchedulerEvent",
        }
    }

    /// The family that the service of this database schema speaks.
    #[must_use]
    pub fn of_schema(schema: &str) -> Option<Self> {
        match schema {
            "ingest" => Some(Self::LineWebhook),
            "identity" => Some(Self::Identity),
            "messaging" => Some(Self::Messaging),
            "scheduler" => Some(Self::Scheduler),
            _ => None,
        }
    }
}

/// The subject of one event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    family: Family,
    tenant: Option<TenantId>,
    account: Option<AccountId>,
    happened: String,
}

/// A text that is no subject of an event, or words that make none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the subject of an event")]
pub struct SubjectError;

impl Subject {
    /// `line.webhook.v1.{tenant}.{account}.{event type}`.
    ///
    /// # Errors
    /// When `event_type` is not one token of 1 to 64 letters, digits, `_` and `-` (see `contracts::subject_token`).
    pub fn line_webhook(tenant: TenantId, account: AccountId, event_type: &str) -> Result<Self, SubjectError> {
        Self::checked(Family::LineWebhook, Some(tenant), Some(account), event_type)
    }

    /// `{family}.v1.{tenant|platform}.{happened}`; no tenant means the platform.
    ///
    /// # Errors
    /// When `happened` is not one token, or the family is LINE's, whose subjects name an account.
    pub fn event(family: Family, tenant: Option<TenantId>, happened: &str) -> Result<Self, SubjectError> {
        Self::checked(family, tenant, None, happened)
    }

    fn checked(
        family: Family,
        tenant: Option<TenantId>,
        account: Option<AccountId>,
        happened: &str,
    ) -> Result<Self, SubjectError> {
        let is_line = family == Family::LineWebhook;
        let sound = is_token(happened) && is_line == account.is_some() && !(is_line && tenant.is_none());
        if sound { Ok(Self { family, tenant, account, happened: happened.to_owned() }) } else { Err(SubjectError) }
    }

    /// Who speaks.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    /// Whose it is; none for the platform.
    #[must_use]
    pub fn tenant(&self) -> Option<TenantId> {
        self.tenant
    }

    /// The official account; LINE's webhook events only.
    #[must_use]
    pub fn account(&self) -> Option<AccountId> {
        self.account
    }

    /// What happened: the last token.
    #[must_use]
    pub fn happened(&self) -> &str {
        &self.happened
    }
}

fn is_token(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.", self.family.root())?;
        match self.tenant {
            Some(tenant) => write!(f, "{tenant}")?,
            None => f.write_str(PLATFORM)?,
        }
        if let Some(account) = self.account {
            write!(f, ".{account}")?;
        }
        write!(f, ".{}", self.happened)
    }
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let after_root = |family: Family| Some((family, text.strip_prefix(family.root())?.strip_prefix('.')?));
        let (family, rest) = Family::ALL.into_iter().find_map(after_root).ok_or(SubjectError)?;
        let tokens: Vec<&str> = rest.split('.').collect();
        match (family, &tokens[..]) {
            (Family::LineWebhook, [tenant, account, happened]) => {
                Self::line_webhook(canonical(tenant)?, canonical(account)?, happened)
            }
            (Family::LineWebhook, _) => Err(SubjectError),
            (_, [PLATFORM, happened]) => Self::event(family, None, happened),
            (_, [tenant, happened]) => Self::event(family, Some(canonical(tenant)?), happened),
            _ => Err(SubjectError),
        }
    }
}

/// An ID in the one spelling that is published; filters and permissions on subjects compare texts.
fn canonical<T: FromStr + fmt::Display>(token: &str) -> Result<T, SubjectError> {
    let id: T = token.parse().map_err(|_| SubjectError)?;
    if id.to_string() == token { Ok(id) } else { Err(SubjectError) }
}

/// Which events of a stream a consumer wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All of a family.
    Family(Family),
    /// Those of a family in which one of these things happened, over all tenants and accounts.
    Happened(Family, &'static str),
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Family(family) => write!(f, "{}.>", family.root()),
            Self::Happened(family @ Family::LineWebhook, happened) => write!(f, "{}.*.*.{happened}", family.root()),
            Self::Happened(family, happened) => write!(f, "{}.*.{happened}", family.root()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    #[test]
    fn the_tenant_is_the_first_token_behind_the_root() {
        let (tenant, account) = (Uuid::from_u128(7).into(), Uuid::from_u128(9).into());
        let line = Subject::line_webhook(tenant, account, "message").unwrap();
        assert_eq!(
            line.to_string(),
            "line.webhook.v1.00000000-0000-0000-0000-000000000007.00000000-0000-0000-0000-000000000009.message"
        );
        let platform = Subject::event(Family::Identity, None, "principal").unwrap();
        assert_eq!(platform.to_string(), "identity.v1.platform.principal");
        assert_eq!("identity.v1.platform.principal".parse(), Ok(platform));
    }

    #[test]
    fn what_is_not_a_subject_of_an_event_is_refused() {
        for wrong in [
            "",
            "identity.v1",
            "identity.v1.platform",
            "identity.v1.platform.a.b",
            "identity.v1.*.staff",
            "identity.v1.platform.>",
            "identity.v2.platform.staff",
            "line.webhook.v1.platform.message",
            "line.webhook.v1.00000000-0000-0000-0000-000000000007.message",
            "messaging.v1.0000000000000000000000000000000A.x",
        ] {
            assert_eq!(wrong.parse::<Subject>(), Err(SubjectError), "{wrong}");
        }
        assert_eq!(Subject::event(Family::LineWebhook, None, "message"), Err(SubjectError));
        assert_eq!(Subject::event(Family::Messaging, None, "a.b"), Err(SubjectError));
    }

    fn family() -> impl Strategy<Value = Family> {
        prop_oneof![Just(Family::Identity), Just(Family::Messaging), Just(Family::Scheduler)]
    }

    proptest! {
        #[test]
        fn text_and_back(family in family(), tenant: Option<u128>, account: u128, happened in "[A-Za-z0-9_-]{1,64}") {
            let tenant = tenant.map(|tenant| Uuid::from_u128(tenant).into());
            let subject = Subject::event(family, tenant, &happened).unwrap();
            prop_assert_eq!(subject.to_string().parse(), Ok(subject.clone()));
            let filter = Filter::Family(family).to_string();
            prop_assert!(subject.to_string().starts_with(filter.trim_end_matches('>')));
            if let Some(tenant) = tenant {
                let subject = Subject::line_webhook(tenant, Uuid::from_u128(account).into(), &happened).unwrap();
                prop_assert_eq!(subject.to_string().parse(), Ok(subject));
            }
        }

        #[test]
        fn no_text_breaks_the_parser(text in ".{0,120}") {
            let _ = text.parse::<Subject>();
        }
    }
}
