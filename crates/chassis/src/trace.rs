//! One trace through HTTP, rows, NATS and gRPC: the `traceparent` of the present span, and how a span follows one.

use std::sync::atomic::{AtomicBool, Ordering};

use kernel::TraceParent;
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Whether spans go to a collector.
static RECORDED: AtomicBool = AtomicBool::new(false);

/// From now on spans go to a collector.
pub(crate) fn set_recorded() {
    RECORDED.store(true, Ordering::Relaxed);
}

/// Whether spans go to a collector. Where they do not, the busiest ways make none: [`begin_unrecorded`] gives what they carry on.
#[must_use]
pub fn is_recorded() -> bool {
    RECORDED.load(Ordering::Relaxed)
}

/// The `traceparent` of a trace that begins here and that nobody records.
#[must_use]
pub fn begin_unrecorded() -> Option<TraceParent> {
    let ids = RandomIdGenerator::default();
    format!("00-{}-{}-00", ids.new_trace_id(), ids.new_span_id()).parse().ok()
}

/// The present span as a `traceparent`, to store in a row or to send along; none outside of any span, and where telemetry
/// is not set up.
#[must_use]
pub fn current() -> Option<TraceParent> {
    let context = Span::current().context();
    let span = context.span();
    let span = span.span_context();
    if !span.is_valid() {
        return None;
    }
    format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8()).parse().ok()
}

/// Makes `span` part of the trace that `parent` names. Call it before the span is entered.
pub fn follow(span: &Span, parent: &TraceParent) {
    if let Some(parent) = span_context(parent) {
        // Fails where telemetry is not set up: there is nothing to follow then.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
}

/// A `traceparent` in 25 bytes, as rows keep it: trace ID, parent ID, flags.
#[must_use]
pub fn pack(trace: &TraceParent) -> Option<Vec<u8>> {
    hex::decode(trace.as_str().split('-').skip(1).collect::<String>()).ok()
}

/// The `traceparent` that [`pack`] packed; none for any other bytes.
#[must_use]
pub fn unpack(packed: &[u8]) -> Option<TraceParent> {
    let (trace, rest) = packed.split_at_checked(16)?;
    let (parent, flags) = rest.split_at_checked(8)?;
    format!("00-{}-{}-{}", hex::encode(trace), hex::encode(parent), hex::encode(flags)).parse().ok()
}

/// The trace ID of the present span, 32 hexadecimal digits, to find log lines and audit rows by.
#[must_use]
pub fn current_id() -> Option<String> {
    let context = Span::current().context();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| span.trace_id().to_string())
}

fn span_context(parent: &TraceParent) -> Option<SpanContext> {
    let mut parts = parent.as_str().split('-').skip(1);
    let trace = TraceId::from_hex(parts.next()?).ok()?;
    let span = SpanId::from_hex(parts.next()?).ok()?;
    let flags = u8::from_str_radix(parts.next()?, 16).ok()?;
    Some(SpanContext::new(trace, span, TraceFlags::new(flags), true, TraceState::default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
    use proptest::prelude::*;
    use tracing_subscriber::layer::SubscriberExt as _;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_span_that_follows_carries_the_trace_on_also_when_nobody_records_it() {
        let provider = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let span = tracing::info_span!("handle");
            follow(&span, &PARENT.parse().unwrap());
            let carried = span.in_scope(current).unwrap();
            assert_eq!(&carried.as_str()[..36], &PARENT[..36]);
            assert_ne!(carried.as_str(), PARENT);
            assert_eq!(span.in_scope(current_id).as_deref(), Some(&PARENT[3..35]));
        });
    }

    #[test]
    fn a_trace_that_nobody_records_is_a_trace_of_its_own() {
        let (one, other) = (begin_unrecorded().unwrap(), begin_unrecorded().unwrap());
        assert_ne!(one.as_str()[3..35], other.as_str()[3..35]);
        assert!(one.as_str().ends_with("-00"));
    }

    #[test]
    fn outside_of_any_span_there_is_nothing_to_carry() {
        assert_eq!(current(), None);
    }

    proptest! {
        #[test]
        fn a_trace_is_packed_into_25_bytes_and_back(trace in 1u128.., parent in 1u64.., flags: u8) {
            let trace: TraceParent = format!("00-{trace:032x}-{parent:016x}-{flags:02x}").parse().unwrap();
            let packed = pack(&trace).unwrap();
            prop_assert_eq!(packed.len(), 25);
            prop_assert_eq!(unpack(&packed), Some(trace));
            prop_assert_eq!(unpack(&packed[..24]), None);
        }

        #[test]
        fn any_bytes_are_a_trace_or_none(bytes: Vec<u8>) {
            prop_assert!(unpack(&bytes).is_none_or(|trace| pack(&trace) == Some(bytes)));
        }
    }
}
