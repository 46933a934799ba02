//! The gate in front of a real server, caller by caller.

use std::net::SocketAddr;
use std::sync::Arc;

use chassis::auth::{Caller, Directory};
use chassis::config::Secret;
use chassis::grpc::{Client, GrpcConfig, Server};
use chassis::{Gate, Host};
use contracts::access_proto::v1::Right;
use contracts::identity::v1::ListTenantsRequest;
use contracts::identity::v1::tenant_service_client::TenantServiceClient;
use contracts::messaging::v1::quota_service_client::QuotaServiceClient;
use contracts::messaging::v1::quota_service_server::{QuotaService, QuotaServiceServer};
use contracts::messaging::v1::{GetQuotaRequest, GetQuotaResponse};
use kernel::{Clock as _, SystemClock};
use testkit::eventually;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::caller::{OWN_KEY, Program, known_staff, signed};
use crate::stage::{SOON, Stage, host, tenant};

/// A method that does what its request names, so that one service serves every test.
pub(crate) struct Quota {
    pub(crate) arrived: Notify,
    stopping: CancellationToken,
}

#[tonic::async_trait]
impl QuotaService for Quota {
    async fn get_quota(&self, request: Request<GetQuotaRequest>) -> Result<Response<GetQuotaResponse>, Status> {
        let caller = Caller::of(&request);
        match request.get_ref().account_id.as_str() {
            "tenant" => return Err(Status::aborted(caller.tenant().to_string())),
            "staff" => {
                let staff = caller.staff().map(|staff| format!("{} {}", staff.id, staff.display_name));
                return Err(Status::aborted(
                    Uuid::new_v5(&Uuid::nil(), staff.unwrap_or_default().as_bytes()).to_string(),
                ));
            }
            "panic" => panic!("as it was asked to"),
            "hang" => std::future::pending().await,
            "until stop" => {
                self.arrived.notify_one();
                self.stopping.cancelled().await;
            }
            _ => {}
        }
        Ok(Response::new(GetQuotaResponse::default()))
    }
}

/// A service that serves.
pub(crate) struct Served {
    pub(crate) stage: Stage,
    pub(crate) host: Host,
    pub(crate) directory: Directory,
    pub(crate) gate: Gate,
    pub(crate) quota: Arc<Quota>,
    pub(crate) addr: SocketAddr,
}

impl Served {
    pub(crate) async fn new(hint: &str) -> Self {
        Self::with(hint, |_| {}).await
    }

    pub(crate) async fn with(hint: &str, change: impl FnOnce(&mut GrpcConfig)) -> Self {
        let (stage, host) = (Stage::new(hint).await, host());
        let gate = host.readiness().gate("test");
        let directory = Directory::follow(&host, &stage.database);
        let quota = Arc::new(Quota { arrived: Notify::new(), stopping: host.stopping() });
        let mut config = GrpcConfig::from(SocketAddr::from(([127, 0, 0, 1], 0)));
        change(&mut config);
        let addr = Server::new(&host, config, directory.clone())
            .add(QuotaServiceServer::from_arc(Arc::clone(&quota)))
            .spawn(&host)
            .unwrap();
        Self { stage, host, directory, gate, quota, addr }
    }

    pub(crate) fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.addr)).unwrap().connect_lazy()
    }

    pub(crate) fn client(&self, program: &Program) -> Client {
        self.client_with(&program.token.reveal())
    }

    fn client_with(&self, token: &Secret) -> Client {
        Client::on_loopback(&format!("http://{}", self.addr).parse().unwrap(), token).unwrap()
    }

    /// Waits until the directory knows `program`: until its token is not what a call is refused for.
    pub(crate) async fn knows(&self, program: &Program) {
        let client = self.client(program);
        eventually(SOON, async || {
            match QuotaServiceClient::new(client.clone()).get_quota(GetQuotaRequest::default()).await {
                Err(status) if status.code() == Code::Unauthenticated => Err(status),
                _ => Ok(()),
            }
        })
        .await
        .unwrap();
    }

    /// How a call with these metadata ends.
    async fn call(&self, token: &Secret, metadata: &[(&'static str, &str)]) -> Result<(), Status> {
        self.call_method(token, metadata, "").await
    }

    async fn call_method(&self, token: &Secret, metadata: &[(&'static str, &str)], what: &str) -> Result<(), Status> {
        let mut request = Request::new(GetQuotaRequest { account_id: what.to_owned() });
        for (name, value) in metadata {
            request.metadata_mut().insert(*name, value.parse().unwrap());
        }
        QuotaServiceClient::new(self.client_with(token)).get_quota(request).await.map(drop)
    }
}

fn reason(status: &Status) -> (Code, String) {
    (status.code(), status.get_details_error_info().map(|info| info.reason).unwrap_or_default())
}

fn is(outcome: Result<(), Status>, code: Code, why: &str) {
    assert_eq!(reason(&outcome.unwrap_err()), (code, why.to_owned()));
}

/// Waits until the directory knows enough to refuse for this reason.
async fn becomes<F: Future<Output = Result<(), Status>>>(mut call: impl FnMut() -> F, code: Code, why: &str) {
    eventually(SOON, || {
        let call = call();
        async move {
            match call.await {
                Err(status) if reason(&status) == (code, why.to_owned()) => Ok(()),
                other => Err(other),
            }
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn who_brings_no_good_token_is_nobody() {
    let served = Served::new("token").await;
    let program = Program::known(&served.stage.database, Some(tenant(1)), &[Right::ConversationsRead]).await;
    served.knows(&program).await;
    served.call(&program.token.reveal(), &[]).await.unwrap();

    let anonymous = QuotaServiceClient::new(served.channel()).get_quota(GetQuotaRequest::default()).await.map(drop);
    is(anonymous, Code::Unauthenticated, "TOKEN_REFUSED");
    let other = chassis::auth::Token::generate(program.token.tenant, program.token.principal).unwrap().reveal();
    is(served.call(&other, &[]).await, Code::Unauthenticated, "TOKEN_REFUSED");
    let garbage = Secret::new("garbage".to_owned());
    is(served.call(&garbage, &[]).await, Code::Unauthenticated, "TOKEN_REFUSED");
}

#[tokio::test]
async fn another_tenant_does_not_exist_and_a_right_must_be_held() {
    let served = Served::new("tenant_right").await;
    let database = &served.stage.database;
    let reader = Program::known(database, Some(tenant(1)), &[Right::ConversationsRead]).await;
    let sender = Program::known(database, Some(tenant(1)), &[Right::MessagesSend]).await;
    served.knows(&reader).await;
    served.knows(&sender).await;
    let (own, other) = (tenant(1).to_string(), tenant(2).to_string());
    let token = reader.token.reveal();
    served.call(&token, &[("tsunagi-tenant", &own)]).await.unwrap();
    is(served.call(&token, &[("tsunagi-tenant", &other)]).await, Code::NotFound, "NOT_FOUND");
    is(served.call(&token, &[("tsunagi-tenant", "x")]).await, Code::InvalidArgument, "INVALID_FIELD");
    is(served.call(&sender.token.reveal(), &[]).await, Code::PermissionDenied, "RIGHT_MISSING");
    // Platform methods are refused before anybody asks whether this server has them.
    let mut tenants = TenantServiceClient::new(served.client(&reader));
    let refused = tenants.list_tenants(ListTenantsRequest::default()).await.unwrap_err();
    assert_eq!(reason(&refused), (Code::PermissionDenied, "PLATFORM_ONLY".to_owned()));
}

#[tokio::test]
async fn a_list_of_methods_and_an_end_are_kept() {
    let served = Served::new("listed").await;
    let database = &served.stage.database;
    let mut listed = Program::known(database, Some(tenant(1)), &[Right::ConversationsRead]).await;
    listed.change(database, |replica| replica.methods = vec!["/other/Method".to_owned()]).await;
    let mut expired = Program::known(database, Some(tenant(1)), &[Right::ConversationsRead]).await;
    expired.change(database, |replica| replica.expire_time = Some(contracts::timestamp(SystemClock.now()))).await;
    let unexpired = Program::known(database, Some(tenant(1)), &[Right::ConversationsRead]).await;
    served.knows(&unexpired).await;
    let (listed, expired) = (listed.token.reveal(), expired.token.reveal());
    becomes(|| served.call(&listed, &[]), Code::PermissionDenied, "METHOD_NOT_LISTED").await;
    becomes(|| served.call(&expired, &[]), Code::Unauthenticated, "TOKEN_REFUSED").await;
}

#[tokio::test]
async fn staff_act_by_a_good_assertion_and_with_the_rights_both_hold() {
    let served = Served::new("staff").await;
    let database = &served.stage.database;
    let program = Program::known(database, Some(tenant(1)), &[Right::ConversationsRead]).await;
    let reader = known_staff(database, tenant(1), &[Right::ConversationsRead, Right::Master]).await;
    let powerless = known_staff(database, tenant(1), &[Right::MessagesSend]).await;
    let elsewhere = known_staff(database, tenant(2), &[Right::ConversationsRead]).await;
    served.knows(&program).await;
    let token = program.token.reveal();
    let call = async |claims: serde_json::Value, seed| {
        served.call_method(&token, &[("tsunagi-staff-assertion", &signed(&claims, seed))], "staff").await
    };
    let good = program.claims(tenant(1), reader);
    eventually(SOON, async || {
        let told = call(good.clone(), OWN_KEY).await.unwrap_err();
        let expected = Uuid::new_v5(&Uuid::nil(), format!("{reader} 花子").as_bytes()).to_string();
        if told.message() == expected { Ok(()) } else { Err(told) }
    })
    .await
    .unwrap();
    let without_the_right = program.claims(tenant(1), powerless);
    becomes(|| call(without_the_right.clone(), OWN_KEY), Code::PermissionDenied, "RIGHT_MISSING").await;

    let mut wrong = vec![(good.clone(), 8), (program.claims(tenant(1), elsewhere), OWN_KEY)];
    let now = SystemClock.now().timestamp();
    for (iat, exp) in [(now - 120, now - 1), (now - 10, now + 291), (now + 100, now + 200)] {
        let mut claims = good.clone();
        claims["iat"] = iat.into();
        claims["exp"] = exp.into();
        wrong.push((claims, OWN_KEY));
    }
    for (claim, value) in [("iss", Uuid::new_v4().to_string()), ("tenant", tenant(2).to_string())] {
        let mut claims = good.clone();
        claims[claim] = value.into();
        wrong.push((claims, OWN_KEY));
    }
    for (claims, seed) in wrong {
        is(call(claims, seed).await, Code::Unauthenticated, "ASSERTION_REFUSED");
    }
}
