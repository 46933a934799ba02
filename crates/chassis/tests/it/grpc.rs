//! The server around the methods: health, reflection, limits, figures, traces, and its end.

use std::time::Duration;

use chassis::grpc::{Client, GrpcConfig, Server, ServerError};
use contracts::access_proto::v1::Right;
use contracts::messaging::v1::quota_service_client::QuotaServiceClient;
use contracts::messaging::v1::{GetQuotaRequest, GetQuotaResponse};
use testkit::eventually;
use tokio_stream::StreamExt as _;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_types::StatusExt as _;

use crate::auth::Served;
use crate::caller::Program;
use crate::stage::{SOON, tenant};

#[tokio::test]
async fn health_needs_no_token_and_follows_readiness() {
    let served = Served::new("health").await;
    let channel = served.channel();
    let mut health = HealthClient::new(channel);
    let service = "tsunagi.messaging.v1.QuotaService";
    for (open, status) in [(false, 2), (true, 1), (false, 2)] {
        served.gate.set(open);
        for name in ["", service] {
            eventually(SOON, async || {
                let asked = HealthCheckRequest { service: name.to_owned() };
                let told = HealthClient::clone(&health).check(asked).await.unwrap().into_inner().status;
                if told == status { Ok(()) } else { Err(told) }
            })
            .await
            .unwrap();
        }
    }
    let unknown = HealthCheckRequest { service: "unknown".to_owned() };
    assert_eq!(health.check(unknown).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn reflection_needs_a_token_and_lists_the_services() {
    let served = Served::new("reflection").await;
    let program = Program::known(&served.stage.database, Some(tenant(1)), &[]).await;
    served.knows(&program).await;
    let ask = || {
        tokio_stream::once(ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        })
    };
    let anonymous = ServerReflectionClient::new(served.channel()).server_reflection_info(ask()).await.unwrap_err();
    assert_eq!(anonymous.code(), Code::Unauthenticated);
    let mut known = ServerReflectionClient::new(served.client(&program));
    let mut answers = known.server_reflection_info(ask()).await.unwrap().into_inner();
    let answer = format!("{:?}", answers.next().await.unwrap().unwrap());
    assert!(answer.contains("tsunagi.messaging.v1.QuotaService"), "{answer}");
}

#[tokio::test]
async fn a_message_over_four_mebibytes_is_refused() {
    let served = Served::new("large").await;
    let program = Program::known(&served.stage.database, Some(tenant(1)), &[Right::ConversationsRead]).await;
    served.knows(&program).await;
    let mut quota = QuotaServiceClient::new(served.client(&program));
    for size in [4 * 1024 * 1024 + 1, 64 * 1024 * 1024] {
        let request = GetQuotaRequest { account_id: "x".repeat(size) };
        assert_eq!(quota.get_quota(request).await.unwrap_err().code(), Code::OutOfRange);
    }
}

#[tokio::test]
async fn the_callers_deadline_is_kept_and_a_panic_is_an_answer() {
    let served = Served::new("deadline").await;
    let program = Program::known(&served.stage.database, Some(tenant(1)), &[Right::ConversationsRead]).await;
    served.knows(&program).await;
    let mut quota = QuotaServiceClient::new(served.client(&program));
    let panics = GetQuotaRequest { account_id: "panic".to_owned() };
    assert_eq!(quota.get_quota(panics).await.unwrap_err().code(), Code::Internal);
    let mut hangs = tonic::Request::new(GetQuotaRequest { account_id: "hang".to_owned() });
    hangs.set_timeout(Duration::from_millis(200));
    let late = quota.get_quota(hangs).await.unwrap_err();
    assert!(matches!(late.code(), Code::Cancelled | Code::DeadlineExceeded), "{late:?}");
}

#[tokio::test]
async fn calls_over_the_limit_are_told_to_come_back() {
    let served = Served::with("limit", |config| config.calls_at_once = std::num::NonZeroU32::MIN).await;
    let program = Program::known(&served.stage.database, Some(tenant(1)), &[Right::ConversationsRead]).await;
    served.knows(&program).await;
    let client = served.client(&program);
    let hanging = tokio::spawn({
        let mut quota = QuotaServiceClient::new(client.clone());
        async move { quota.get_quota(GetQuotaRequest { account_id: "hang".to_owned() }).await }
    });
    let refused = eventually(SOON, async || {
        let mut quota = QuotaServiceClient::new(client.clone());
        quota.get_quota(GetQuotaRequest { account_id: String::new() }).await.err().ok_or("it was answered")
    })
    .await
    .unwrap();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    hanging.abort();
}

#[tokio::test]
async fn a_principal_holds_so_many_streams_and_another_has_its_own() {
    let served = Served::with("streams", |config| config.streams_each = 2).await;
    let database = &served.stage.database;
    let (one, other) = (Program::known(database, None, &[]).await, Program::known(database, None, &[]).await);
    served.knows(&one).await;
    served.knows(&other).await;
    // Asks nothing, and so is not answered to its end until what comes with it is dropped.
    let open = async |program: &Program| {
        let (end, questions) = tokio::sync::mpsc::channel(1);
        let mut reflection = ServerReflectionClient::new(served.client(program));
        let answers = reflection.server_reflection_info(tokio_stream::wrappers::ReceiverStream::new(questions)).await?;
        Ok::<_, tonic::Status>((answers, end))
    };
    let mut held = vec![open(&one).await.unwrap(), open(&one).await.unwrap()];
    let refused = open(&one).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(refused.get_details_error_info().unwrap().reason, "TOO_MANY_STREAMS");
    let others = open(&other).await.unwrap();
    let url = format!("http://{}/metrics", served.host.admin_addr());
    let figures = async |expected: &[&str]| {
        eventually(SOON, async || {
            let text = crate::process::get(&url).await.1;
            if expected.iter().all(|line| text.lines().any(|told| told == *line)) { Ok(()) } else { Err(text) }
        })
        .await
        .unwrap();
    };
    figures(&["tsunagi_grpc_streams_open 3", "tsunagi_calls_refused_total{reason=\"TOO_MANY_STREAMS\"} 1"]).await;
    held.pop();
    held.push(eventually(SOON, || open(&one)).await.unwrap());
    drop((held, others));
    figures(&["tsunagi_grpc_streams_open 0"]).await;
    // Who has no token may watch health, and shares these places with everybody who has none.
    let watch = async || HealthClient::new(served.channel()).watch(HealthCheckRequest { service: String::new() }).await;
    let held = [watch().await.unwrap(), watch().await.unwrap()];
    assert_eq!(watch().await.unwrap_err().code(), Code::ResourceExhausted);
    let unary = HealthClient::new(served.channel()).check(HealthCheckRequest { service: String::new() }).await;
    unary.unwrap();
    drop(held);
    eventually(SOON, watch).await.unwrap();
}

#[tokio::test]
async fn calls_are_counted_and_timed_by_method_and_code() {
    let served = Served::new("figures").await;
    let program = Program::known(&served.stage.database, Some(tenant(1)), &[Right::ConversationsRead]).await;
    served.knows(&program).await;
    QuotaServiceClient::new(served.client(&program))
        .get_quota(GetQuotaRequest { account_id: String::new() })
        .await
        .unwrap();
    let url = format!("http://{}/metrics", served.host.admin_addr());
    let counted = "tsunagi_grpc_calls_total{method=\"/tsunagi.messaging.v1.QuotaService/GetQuota\",code=\"OK\"}";
    let figures = eventually(SOON, async || {
        let text = crate::process::get(&url).await.1;
        if text.contains(counted) { Ok(text) } else { Err(text) }
    })
    .await
    .unwrap();
    for figure in ["tsunagi_grpc_call_seconds_bucket", "process_resident_memory_bytes", "tsunagi_task_running"] {
        assert!(figures.contains(figure), "{figure} in {figures}");
    }
}

#[tokio::test]
async fn a_listener_beyond_loopback_without_a_certificate_does_not_start() {
    let served = Served::new("plaintext").await;
    let everywhere = GrpcConfig::from(std::net::SocketAddr::from(([0, 0, 0, 0], 0)));
    let refused = Server::new(&served.host, everywhere.clone(), served.directory.clone()).spawn(&served.host);
    assert!(matches!(refused, Err(ServerError::Plaintext(_))), "{refused:?}");
}

#[tokio::test]
async fn the_end_waits_for_calls_in_hand_and_takes_no_more() {
    let served = Served::new("drain").await;
    let program = Program::known(&served.stage.database, Some(tenant(1)), &[Right::ConversationsRead]).await;
    served.knows(&program).await;
    let client = served.client(&program);
    let in_hand = tokio::spawn({
        let mut quota = QuotaServiceClient::new(client.clone());
        async move { quota.get_quota(GetQuotaRequest { account_id: "until stop".to_owned() }).await }
    });
    tokio::time::timeout(SOON, served.quota.arrived.notified()).await.unwrap();
    served.host.stop();
    assert_eq!(in_hand.await.unwrap().unwrap().into_inner(), GetQuotaResponse::default());
    served.host.wait().await.unwrap();
    let late = QuotaServiceClient::new(client).get_quota(GetQuotaRequest { account_id: String::new() }).await;
    assert_eq!(late.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_stream_that_does_not_end_is_ended() {
    let served = Served::new("stream").await;
    served.gate.set(true);
    let mut health = HealthClient::new(served.channel());
    let mut watching = health.watch(HealthCheckRequest { service: String::new() }).await.unwrap().into_inner();
    watching.next().await.unwrap().unwrap();
    served.host.stop();
    let ending = async {
        loop {
            match watching.next().await {
                Some(Ok(_)) => {}
                other => break other,
            }
        }
    };
    let ended = tokio::time::timeout(SOON, ending).await.unwrap();
    assert_eq!(ended.unwrap().unwrap_err().code(), Code::Unavailable);
    served.host.wait().await.unwrap();
}

#[tokio::test]
async fn a_client_says_for_whom_it_calls() {
    let served = Served::new("client").await;
    let program = Program::known(&served.stage.database, None, &[Right::ConversationsRead]).await;
    served.knows(&program).await;
    let client: Client = served.client(&program);
    let asked = GetQuotaRequest { account_id: "tenant".to_owned() };
    let unnamed = QuotaServiceClient::new(client.clone()).get_quota(asked.clone()).await.unwrap_err();
    assert_eq!(unnamed.code(), Code::InvalidArgument);
    let told = QuotaServiceClient::new(client.for_tenant(tenant(3))).get_quota(asked).await.unwrap_err();
    assert_eq!(told.message(), tenant(3).to_string());
}
