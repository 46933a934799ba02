//! The trace collector, fed by the official exporter.

use std::time::Duration;

use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use testkit::otlp::Sink;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_are_kept_with_their_trace_parent_service_and_attributes() {
    let sink = Sink::start().await.unwrap();
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(sink.endpoint()).build().unwrap();
    let resource = Resource::builder().with_service_name("demo").build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    let tracer = provider.tracer("test");
    let outer = tracer.span_builder("outer").with_attributes([KeyValue::new("count", 3)]).start(&tracer);
    let context = Context::new().with_span(outer);
    let trace_id = context.span().span_context().trace_id().to_string();
    let outer_id = context.span().span_context().span_id().to_string();
    drop(tracer.start_with_context("inner", &context));
    drop(context);
    let flushing = tokio::task::spawn_blocking(move || provider.force_flush());
    flushing.await.unwrap().unwrap();

    let spans = sink.eventually(&trace_id, Duration::from_secs(10), |spans| spans.len() == 2).await.unwrap();
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    assert_eq!(named("inner").parent_span_id, outer_id);
    assert_eq!(named("outer").parent_span_id, "");
    assert_eq!(named("outer").attributes["count"], "3");
    assert_eq!(named("outer").service, "demo");
    assert!(sink.trace("00000000000000000000000000000000").is_empty());
    assert_eq!(sink.spans().len(), 2);
}
