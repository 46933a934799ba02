//! What every event on the bus says about itself, beside its body.

use std::fmt;
use std::str::FromStr;

use crate::clock::Timestamp;
use crate::id::TenantId;

/// The CloudEvents attributes of an event (<https://github.com/cloudevents/spec>), and where its trace comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventHeader {
    /// `ce-id`: names the event; a repetition has the same ID, and consumers handle an ID once.
    pub id: String,
    /// `ce-type`: the protobuf message's full name.
    pub kind: String,
    /// `ce-source`: the service that says it, for instance `webhook-ingest`.
    pub source: String,
    /// `ce-time`: when it happened.
    pub time: Timestamp,
    /// `ce-tenant`: whose it is. Absent only for what belongs to the platform.
    pub tenant: Option<TenantId>,
    /// `traceparent`: the trace it belongs to.
    pub trace: Option<TraceParent>,
}

/// A W3C `traceparent` of version 00 (<https://www.w3.org/TR/trace-context/#traceparent-header>): 55 ASCII characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TraceParent(String);

/// A text that should be a `traceparent` and is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent")]
pub struct TraceParentError;

impl TraceParent {
    /// The header's value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TraceParent {
    type Err = TraceParentError;

    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        let lower_hex = |part: &str, len: usize| {
            part.len() == len && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let nonzero = |part: &str| part.bytes().any(|b| b != b'0');
        let parts: Vec<&str> = text.split('-').collect();
        match parts[..] {
            ["00", trace, span, flags]
                if lower_hex(trace, 32)
                    && nonzero(trace)
                    && lower_hex(span, 16)
                    && nonzero(span)
                    && lower_hex(flags, 2) =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => Err(TraceParentError),
        }
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_specifications_example_is_a_traceparent_and_zeros_are_not() {
        let example = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(example.parse::<TraceParent>().map(|t| t.to_string()), Ok(example.to_owned()));
        for wrong in [
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(wrong.parse::<TraceParent>(), Err(TraceParentError), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_well_formed_value_is_taken(trace in 1u128.., span in 1u64.., flags: u8) {
            let text = format!("00-{trace:032x}-{span:016x}-{flags:02x}");
            prop_assert_eq!(text.parse::<TraceParent>().map(|t| t.as_str().to_owned()), Ok(text));
        }

        #[test]
        fn no_text_breaks_the_parser(text in ".{0,80}") {
            let _ = text.parse::<TraceParent>();
        }
    }
}
