//! A message as it came, and the event it says it is.

use bytes::Bytes;
use contracts::EventBody;
use kernel::{EventHeader, TenantId};

use crate::header::{self, HeaderError};
use crate::subject::{Subject, SubjectError};

/// An event that came to a consumer.
#[derive(Clone, Debug)]
pub struct Incoming<B> {
    /// What it says about itself; `header.id` names it.
    pub header: EventHeader,
    /// Where it was published.
    pub subject: Subject,
    /// What happened.
    pub body: B,
    /// Who handles it: the name of its [`crate::ConsumerSpec`].
    pub consumer: &'static str,
    /// Which try this is, from 1; tries that ended in [`crate::Trouble::Unavailable`] are not counted.
    pub attempt: u32,
}

impl<B> Incoming<B> {
    /// A span for what is done about this event, in the event's own trace.
    #[must_use]
    pub fn span(&self) -> tracing::Span {
        let span = tracing::info_span!(
            "consume",
            otel.kind = "consumer",
            consumer = self.consumer,
            event.id = self.header.id,
            event.kind = self.subject.happened(),
            attempt = self.attempt
        );
        if let Some(trace) = &self.header.trace {
            chassis::trace::follow(&span, trace);
        }
        span
    }

    /// Whose it is: the tenant of the transaction it is handled in. The nil UUID for the platform's own.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.subject.tenant().unwrap_or_else(chassis::postgres::Database::platform_tenant)
    }
}

/// A message nobody can read. It is no use to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Poison {
    #[error(transparent)]
    Subject(#[from] SubjectError),
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("the tenant of the header is not the subject's")]
    Tenant,
    #[error("the body is of another type")]
    Kind,
    #[error("the body cannot be decoded")]
    Body,
}

impl Poison {
    /// The reason of the dead letter.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Subject(_) => "not the subject of an event",
            Self::Header(_) => "the headers do not describe an event",
            Self::Tenant => "the tenant of the header is not the subject's",
            Self::Kind => "the body is of another type",
            Self::Body => "the body cannot be decoded",
        }
    }
}

/// A message exactly as it came, without prefix.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) subject: String,
    /// Lines of `name: value`.
    pub(crate) headers: String,
    pub(crate) payload: Bytes,
}

impl Raw {
    /// Reads the event.
    pub(crate) fn decode<B: EventBody>(&self, consumer: &'static str, attempt: u32) -> Result<Incoming<B>, Poison> {
        let subject: Subject = self.subject.parse()?;
        let header = header::read(&header::from_lines(&self.headers))?;
        read(subject, header, &self.payload, consumer, attempt)
    }

    /// The same message, saying this instead.
    pub(crate) fn with<B: EventBody>(self, body: &B) -> Self {
        Self { payload: body.encode_to_vec().into(), ..self }
    }

    /// Whose it is, as far as can be told: what names two tenants, or none, is the platform's to look at.
    pub(crate) fn owner(&self) -> TenantId {
        let platform = chassis::postgres::Database::platform_tenant;
        let Ok(subject) = self.subject.parse::<Subject>() else { return platform() };
        match header::read(&header::from_lines(&self.headers)) {
            Ok(header) if header.tenant != subject.tenant() => platform(),
            _ => subject.tenant().unwrap_or_else(platform),
        }
    }
}

/// Reads the event of a message whose subject and header are known.
pub(crate) fn read<B: EventBody>(
    subject: Subject,
    header: EventHeader,
    payload: &[u8],
    consumer: &'static str,
    attempt: u32,
) -> Result<Incoming<B>, Poison> {
    if header.tenant != subject.tenant() {
        return Err(Poison::Tenant);
    }
    if header.kind != B::full_name() {
        return Err(Poison::Kind);
    }
    let body = B::decode(payload).map_err(|_| Poison::Body)?;
    Ok(Incoming { header, subject, body, consumer, attempt })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::sync::{Arc, Mutex};

    use super::*;
    use contracts::events::v1::{IdentityEvent, MessagingEvent};
    use kernel::Timestamp;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn raw(subject: &str, tenant: Option<u128>, payload: &'static [u8]) -> Raw {
        let header = EventHeader {
            id: "1".to_owned(),
            kind: "tsunagi.events.v1.IdentityEvent".to_owned(),
            source: "identity-linking".to_owned(),
            time: Timestamp::UNIX_EPOCH,
            tenant: tenant.map(|tenant| Uuid::from_u128(tenant).into()),
            trace: None,
        };
        Raw {
            subject: subject.to_owned(),
            headers: header::to_lines(&header::write(&header).unwrap()),
            payload: Bytes::from_static(payload),
        }
    }

    #[test]
    fn a_message_that_names_two_tenants_is_shown_to_neither() {
        let ours = "identity.v1.00000000-0000-0000-0000-000000000007.staff";
        assert!(raw(ours, Some(7), b"").decode::<IdentityEvent>("test", 1).is_ok());
        assert_eq!(raw(ours, Some(7), b"").owner().uuid().as_u128(), 7);
        let mixed = raw(ours, Some(8), b"");
        assert_eq!(mixed.decode::<IdentityEvent>("test", 1).unwrap_err(), Poison::Tenant);
        assert!(mixed.owner().uuid().is_nil());
        assert!(raw(ours, None, b"").owner().uuid().is_nil());
    }

    #[test]
    fn another_type_and_broken_bytes_are_poison() {
        let subject = "identity.v1.platform.principal";
        assert_eq!(raw(subject, None, b"").decode::<MessagingEvent>("test", 1).unwrap_err(), Poison::Kind);
        assert_eq!(raw(subject, None, b"\xff").decode::<IdentityEvent>("test", 1).unwrap_err(), Poison::Body);
        assert_eq!(raw("x", None, b"").decode::<IdentityEvent>("test", 1).unwrap_err(), Poison::Subject(SubjectError));
    }

    /// Keeps the name and the fields of the last span.
    struct Recorder(Arc<Mutex<String>>);

    impl tracing::Subscriber for Recorder {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            let mut told = span.metadata().name().to_owned();
            span.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
                let _ = write!(told, " {}={value:?}", field.name());
            });
            *self.0.lock().unwrap() = told;
            tracing::span::Id::from_u64(1)
        }

        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, _: &tracing::Event<'_>) {}
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[test]
    fn the_span_says_who_handles_the_event() {
        let event = raw("identity.v1.platform.principal", None, b"").decode::<IdentityEvent>("directory", 2).unwrap();
        let told = Arc::new(Mutex::new(String::new()));
        tracing::subscriber::with_default(Recorder(Arc::clone(&told)), || drop(event.span()));
        let told = told.lock().unwrap().clone();
        assert!(told.starts_with("consume ") && told.contains(" consumer=\"directory\""), "{told}");
    }

    proptest! {
        #[test]
        fn no_message_breaks_the_reader(subject in ".{0,90}", headers in ".{0,200}", payload: Vec<u8>) {
            let raw = Raw { subject, headers, payload: payload.into() };
            let _ = raw.decode::<IdentityEvent>("test", 1);
            let _ = raw.owner();
        }
    }
}
