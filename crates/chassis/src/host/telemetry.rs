//! Logs, traces and figures, set up once a process.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tonic::transport::{Certificate, ClientTlsConfig};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};
use url::Url;

use crate::config::Settings;

/// What these crates say below `info` or `warn` may hold what passes through them: bodies, statements, headers.
const CAPPED: [&str; 10] = [
    "h2=info",
    "hyper=info",
    "hyper_util=info",
    "tonic=info",
    "tower=info",
    "rustls=info",
    "sqlx=warn",
    "async_nats=info",
    "reqwest=info",
    "rlibphonenumber=info",
];

/// Seconds, from half a millisecond to half a minute.
const DURATION_BUCKETS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();
static FIGURES: OnceLock<PrometheusHandle> = OnceLock::new();

/// What is told, and to whom.
#[derive(Clone, Debug, Default)]
pub(super) struct TelemetryConfig {
    /// Nothing is written when there is no filter: in tests.
    log: Option<String>,
    otlp: Option<Url>,
    /// Whose certificate the collector shows, PEM; one of the machine's authorities if not said.
    otlp_authority: Option<String>,
    sampled: f64,
}

impl TelemetryConfig {
    pub(super) fn read(settings: &mut Settings) -> Self {
        let log = settings.or(
            "TSUNAGI_LOG",
            "info".to_owned(),
            "What is logged, as a filter of tracing-subscriber: info, messaging_outbox=debug,info and so on.",
        );
        if EnvFilter::try_new(&log).is_err() {
            settings.mistake("TSUNAGI_LOG", "is not a filter");
        }
        let otlp: Option<Url> = settings.optional(
            "TSUNAGI_OTLP_ENDPOINT",
            "Where traces are sent by OTLP over gRPC: http://127.0.0.1:4317 for a collector beside the process, https:// \
             for one elsewhere. Absent: nowhere.",
        );
        if otlp.as_ref().is_some_and(|url| !matches!(url.scheme(), "http" | "https")) {
            settings.mistake("TSUNAGI_OTLP_ENDPOINT", "must begin with http:// or https://");
        }
        let otlp_authority = settings.optional(
            "TSUNAGI_OTLP_AUTHORITY",
            "Whose certificates are trusted when traces are sent by https://, PEM. Absent: the machine's authorities.",
        );
        let sampled: f64 = settings.or(
            "TSUNAGI_TRACE_SAMPLED",
            1.0,
            "Which share of the traces that begin here is recorded, 0 to 1. Traces that began elsewhere are recorded \
             as it was decided there.",
        );
        if !(0.0..=1.0).contains(&sampled) {
            settings.mistake("TSUNAGI_TRACE_SAMPLED", "must lie between 0 and 1");
        }
        Self { log: Some(log), otlp, otlp_authority, sampled }
    }
}

/// Sets up logs, traces and figures; the second time in a process it does nothing.
pub(super) fn start(name: &'static str, config: &TelemetryConfig) -> anyhow::Result<()> {
    super::process::started();
    if FIGURES.get().is_none() {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &DURATION_BUCKETS)?
            .build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_ok() {
            let _ = FIGURES.set(handle);
        }
    }
    let Some(log) = &config.log else { return Ok(()) };
    let mut filter = EnvFilter::try_new(log)?;
    for capped in CAPPED {
        filter = filter.add_directive(capped.parse()?);
    }
    let provider = provider(name, config)?;
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("tsunagi")).with_location(false);
    let lines =
        tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
    let registry = tracing_subscriber::registry().with(spans.with_filter(EnvFilter::new("info")));
    if registry.with(lines.with_filter(filter)).try_init().is_ok() {
        let _ = PROVIDER.set(provider);
        if config.otlp.is_some() {
            crate::trace::set_recorded();
        }
        std::panic::set_hook(Box::new(|panic| {
            // Not the message: it may repeat what it choked on.
            let location = panic.location().map(ToString::to_string);
            tracing::error!(location, "panicked");
        }));
    }
    Ok(())
}

/// Traces have IDs also when nobody records them, so that events and rows can carry them on.
fn provider(name: &'static str, config: &TelemetryConfig) -> anyhow::Result<SdkTracerProvider> {
    let builder = SdkTracerProvider::builder().with_resource(Resource::builder_empty().with_service_name(name).build());
    let Some(endpoint) = &config.otlp else {
        return Ok(builder.with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOff))).build());
    };
    let mut exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint.as_str());
    if endpoint.scheme() == "https" {
        let trusted = match &config.otlp_authority {
            Some(authority) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        exporter = exporter.with_tls_config(trusted);
    }
    let exporter = exporter.build().context("the OTLP exporter cannot be made")?;
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sampled)));
    Ok(builder.with_sampler(sampler).with_batch_exporter(exporter).build())
}

/// The figures in Prometheus' text format.
pub(super) fn render() -> String {
    let Some(figures) = FIGURES.get() else { return String::new() };
    figures.run_upkeep();
    figures.render()
}

/// How often samples are folded into the histograms they belong to.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Folds the samples of histograms for ever: where nobody reads the figures, they would pile up one by one.
pub(super) async fn keep_up() {
    let mut turns = tokio::time::interval(UPKEEP_EVERY);
    loop {
        turns.tick().await;
        if let Some(figures) = FIGURES.get() {
            figures.run_upkeep();
        }
    }
}

/// Sends what was not sent yet.
pub(super) async fn flush() {
    let Some(provider) = PROVIDER.get() else { return };
    let flushed = tokio::task::spawn_blocking(|| provider.shutdown_with_timeout(Duration::from_secs(3))).await;
    if !matches!(flushed, Ok(Ok(()))) {
        tracing::warn!("the last traces were not sent");
    }
}
