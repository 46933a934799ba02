//! A trace collector on loopback that keeps the spans it is sent over OTLP/gRPC.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use crate::{NotReached, eventually};

/// A span as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// `service.name` of the process that made it.
    pub service: String,
    /// What it is called.
    pub name: String,
    /// 32 hexadecimal digits, as in a `traceparent`.
    pub trace_id: String,
    /// 16 hexadecimal digits.
    pub span_id: String,
    /// The span above it; empty for a trace's first one.
    pub parent_span_id: String,
    /// Attributes; numbers and truth values as text, anything else as its debug form.
    pub attributes: BTreeMap<String, String>,
}

/// The collector. It stops when dropped.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    spans: Spans,
    serving: tokio::task::JoinHandle<()>,
}

type Spans = Arc<Mutex<Vec<Span>>>;

impl Sink {
    /// Listens on a free loopback port.
    pub async fn start() -> anyhow::Result<Self> {
        Self::serve(Server::builder()).await
    }

    /// The same by TLS, with this certificate of `localhost` and its key, PEM.
    pub async fn start_encrypted(certificate: &str, key: &str) -> anyhow::Result<Self> {
        let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
        Self::serve(Server::builder().tls_config(tls).context("the certificate cannot be used")?).await
    }

    async fn serve(mut server: Server) -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot listen")?;
        let address = listener.local_addr().context("the listener has no address")?;
        let spans = Spans::default();
        let service = TraceServiceServer::new(Collector(Arc::clone(&spans)));
        let serving = tokio::spawn(async move {
            // Ends with the task; what went wrong before shows as spans that never arrive.
            server.add_service(service).serve_with_incoming(TcpListenerStream::new(listener)).await.ok();
        });
        Ok(Self { address, spans, serving })
    }

    /// The address to export to, for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Every span received.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The spans of one trace received so far.
    #[must_use]
    pub fn trace(&self, trace_id: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.trace_id == trace_id).collect()
    }

    /// Waits until `complete` holds of the spans of one trace; exporters send them late and in any order.
    pub async fn eventually(
        &self,
        trace_id: &str,
        within: Duration,
        complete: impl Fn(&[Span]) -> bool,
    ) -> Result<Vec<Span>, NotReached> {
        eventually(within, || {
            let spans = self.trace(trace_id);
            std::future::ready(if complete(&spans) { Ok(spans) } else { Err(spans) })
        })
        .await
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Collector(Spans);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let received: Vec<Span> = request.into_inner().resource_spans.into_iter().flat_map(spans_of).collect();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(received);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn spans_of(resource: opentelemetry_proto::tonic::trace::v1::ResourceSpans) -> impl Iterator<Item = Span> {
    let described = attributes(resource.resource.map(|resource| resource.attributes).unwrap_or_default());
    let service = described.get("service.name").cloned().unwrap_or_default();
    resource.scope_spans.into_iter().flat_map(|scope| scope.spans).map(move |span| Span {
        service: service.clone(),
        name: span.name,
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent_span_id: hex(&span.parent_span_id),
        attributes: attributes(span.attributes),
    })
}

fn attributes(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    pairs.into_iter().map(|pair| (pair.key, text(pair.value))).collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        None => String::new(),
        Some(Value::StringValue(text)) => text,
        Some(Value::BoolValue(truth)) => truth.to_string(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(other) => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").ok();
        text
    })
}
