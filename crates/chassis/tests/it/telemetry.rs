//! Traces that leave the process, logs that hold no more than they should, and a clock that is turned elsewhere.

use axum::{Json, Router, routing::get};
use chassis::{Host, HostConfig};
use chrono::{DateTime, TimeDelta};
use kernel::{Clock as _, SystemClock};
use testkit::eventually;
use testkit::otlp::Sink;

use crate::process::launch;
use crate::stage::SOON;
use crate::tls::Authority;

#[tokio::test]
async fn every_line_of_the_log_is_json_with_time_level_and_message() {
    let mut process = launch().start().unwrap();
    process.record(SOON, |record| record["message"] == "readiness changed").await.unwrap();
    process.sigterm().unwrap();
    process.exit(SOON).await.unwrap();
    for line in process.lines() {
        let record: serde_json::Value = serde_json::from_str(&line).expect(&line);
        for field in ["timestamp", "level", "message", "target"] {
            assert!(record[field].is_string(), "{field} in {line}");
        }
    }
}

#[tokio::test]
async fn spans_leave_the_process_at_its_end_at_the_latest_in_the_trace_they_follow() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    let sink = Sink::start().await.unwrap();
    let traced = launch()
        .env("TSUNAGI_OTLP_ENDPOINT", sink.endpoint())
        .env("TSUNAGI_SMALLEST_TRACE", format!("00-{TRACE}-b7ad6b7169203331-01"));
    let mut process = traced.start().unwrap();
    process.record(SOON, |record| record["message"] == "readiness changed").await.unwrap();
    process.sigterm().unwrap();
    assert_eq!(process.exit(SOON).await.unwrap().code(), Some(0));
    let spans = sink.trace(TRACE);
    let found: Vec<_> = spans.iter().map(|span| (span.name.as_str(), span.parent_span_id.as_str())).collect();
    assert_eq!(found, [("live", "b7ad6b7169203331")]);
    assert_eq!(spans[0].service, "smallest-service");
}

#[tokio::test]
async fn spans_go_to_an_encrypted_collector_whose_authority_is_trusted_and_to_no_other() {
    const TRACE: &str = "1af7651916cd43dd8448eb211c80319c";
    let (trusted, stranger) = (Authority::new(), Authority::new());
    let (certificate, key) = trusted.certificate();
    let sink = Sink::start_encrypted(&certificate, &key).await.unwrap();
    for (authority, spans) in [(&stranger, 0), (&trusted, 1)] {
        let traced = launch()
            .env("TSUNAGI_OTLP_ENDPOINT", format!("https://localhost:{}", sink.port()))
            .env("TSUNAGI_OTLP_AUTHORITY", &authority.pem)
            .env("TSUNAGI_SMALLEST_TRACE", format!("00-{TRACE}-b7ad6b7169203331-01"));
        let mut process = traced.start().unwrap();
        process.record(SOON, |record| record["message"] == "readiness changed").await.unwrap();
        process.sigterm().unwrap();
        assert_eq!(process.exit(SOON).await.unwrap().code(), Some(0));
        assert_eq!(sink.trace(TRACE).len(), spans);
    }
}

#[tokio::test]
async fn figures_are_kept_up_by_the_process_itself() {
    let host = Host::start("test", HostConfig::loopback()).unwrap();
    let url = format!("http://{}/metrics", host.admin_addr());
    let figures = crate::process::get(&url).await.1;
    assert!(figures.contains("tsunagi_task_running{task=\"telemetry.upkeep\"}"), "{figures}");
    host.stop();
    host.wait().await.unwrap();
}

#[tokio::test]
async fn the_clock_of_a_development_build_can_be_turned() {
    let far: DateTime<chrono::Utc> = "2031-04-05T06:07:08Z".parse().unwrap();
    let router = Router::new().route("/now", get(move || async move { Json(serde_json::json!({ "now": far })) }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/now", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut config = HostConfig::loopback();
    config.clock_url = Some(url.parse().unwrap());
    let host = Host::start("test", config).unwrap();
    tokio::time::timeout(SOON, host.readiness().ready()).await.unwrap();
    let told = eventually(SOON, async || {
        let away = (host.clock().now() - far).abs();
        if away < TimeDelta::seconds(2) { Ok(()) } else { Err(away) }
    });
    told.await.unwrap();
    assert!((SystemClock.now() - far).abs() > TimeDelta::days(1));
    host.stop();
    host.wait().await.unwrap();
}
