//! A program that sets targets up, and bodies to forward.

use bytes::Bytes;
use chassis::HostConfig;
use chassis::egress::EgressConfig;
use chassis::grpc::Client;
use contracts::access_proto::v1::Right;
use contracts::ingest::v1::forwarding_service_client::ForwardingServiceClient;
use contracts::ingest::v1::{
    CreateForwardingTargetRequest, ForwardingFigures, ForwardingTarget, GetForwardingTargetRequest,
    PauseForwardingTargetRequest, ResumeForwardingTargetRequest,
};
use kernel::TenantId;
use testkit::eventually;

use super::receiver::Receiver;
use crate::stage::{Replica, SOON, Stage, TestAccount, body, new_id, now};

pub(super) type Forwarding = ForwardingServiceClient<Client>;

/// A replica that may call loopback, and trusts these receivers.
pub(super) async fn start(stage: &Stage, receivers: &[&Receiver]) -> Replica {
    start_with(stage, Receiver::egress("127.0.0.1", receivers)).await
}

/// A replica that may call what `egress` says.
pub(super) async fn start_with(stage: &Stage, egress: EgressConfig) -> Replica {
    let config = webhook_ingest::Config { egress, ..stage.config() };
    let replica = stage.start_with(config, HostConfig::loopback()).await;
    replica.ready().await;
    replica
}

/// A client of the replica, as a program of `tenant` with `rights`.
pub(super) async fn client(stage: &Stage, replica: &Replica, tenant: TenantId, rights: &[Right]) -> Forwarding {
    ForwardingServiceClient::new(stage.caller(replica, tenant, rights).await)
}

/// The same for the stage's own account, with every right it takes.
pub(super) async fn manager(stage: &Stage, replica: &Replica) -> Forwarding {
    client(stage, replica, stage.account.tenant, &[Right::AccountsRead, Right::AccountsManage]).await
}

/// A replica that forwards the stage's account to one receiver, and has nothing left to forward; who manages it, and the target's ID.
pub(super) async fn forwarding(stage: &Stage, receiver: &Receiver) -> (Replica, Forwarding, String) {
    let replica = start(stage, &[receiver]).await;
    let mut client = manager(stage, &replica).await;
    let target_id = target(&mut client, &stage.account, receiver).await;
    heard(stage, &replica, &stage.account).await;
    quiet(stage).await;
    (replica, client, target_id)
}

/// A request for a target.
pub(super) fn wanted(account: &TestAccount, url: &str) -> CreateForwardingTargetRequest {
    let target = ForwardingTarget {
        account_id: account.id.to_string(),
        url: url.to_owned(),
        display_name: "予約システム".to_owned(),
        ..ForwardingTarget::default()
    };
    CreateForwardingTargetRequest { forwarding_target: Some(target), request_id: String::new() }
}

/// Makes a target; its ID.
pub(super) async fn target(client: &mut Forwarding, account: &TestAccount, receiver: &Receiver) -> String {
    let made = client.create_forwarding_target(wanted(account, &receiver.url())).await.unwrap().into_inner();
    made.forwarding_target.unwrap().target_id
}

pub(super) async fn pause(client: &mut Forwarding, target_id: &str) -> ForwardingTarget {
    let request = PauseForwardingTargetRequest { target_id: target_id.to_owned(), etag: String::new() };
    client.pause_forwarding_target(request).await.unwrap().into_inner().forwarding_target.unwrap()
}

pub(super) async fn resume(client: &mut Forwarding, target_id: &str) -> ForwardingTarget {
    let request = ResumeForwardingTargetRequest { target_id: target_id.to_owned(), etag: String::new() };
    client.resume_forwarding_target(request).await.unwrap().into_inner().forwarding_target.unwrap()
}

/// Waits until the replica knows that the account has targets.
pub(super) async fn heard(stage: &Stage, replica: &Replica, account: &TestAccount) {
    // A body that comes too early is not forwarded, and does no harm: nobody looks at it.
    const CAME: &str = "SELECT count(*) FROM ingest.forwarding_target t WHERE t.account_id = $1
        AND (t.delivered + t.failures > 0 OR EXISTS (SELECT FROM ingest.forwarding f WHERE f.target_id = t.target_id))";
    eventually(SOON, || async {
        assert_eq!(replica.post(account, warming()).await, 200);
        let mut admin = stage.admin().await;
        let came: i64 = sqlx::query_scalar(CAME).bind(account.id.uuid()).fetch_one(&mut admin).await.unwrap();
        (came > 0).then_some(())
    })
    .await
    .unwrap();
}

/// Waits until nothing waits to be forwarded, so that what comes next is not taken among what came before.
pub(super) async fn quiet(stage: &Stage) {
    eventually(SOON, || async {
        match stage.count("SELECT count(*) FROM ingest.forwarding").await {
            0 => Ok(()),
            left => Err(left),
        }
    })
    .await
    .unwrap();
}

/// A body of nobody's; [`is_warming`] tells it from the others.
fn warming() -> Bytes {
    let at = now().timestamp_millis();
    body(&[format!(r#"{{"type":"warming","mode":"active","timestamp":{at},"webhookEventId":"{}"}}"#, new_id())])
}

pub(super) fn is_warming(bytes: &[u8]) -> bool {
    bytes.windows(9).any(|nine| nine == br#""warming""#)
}

/// A LINE user of a number.
pub(super) fn user(number: usize) -> String {
    format!("U{number:032x}")
}

/// A body with one event for each of these users, that says `n`.
pub(super) fn from(users: &[usize], n: usize) -> Bytes {
    let at = now().timestamp_millis();
    let event = |number: &usize| {
        let head = format!(r#""type":"message","mode":"active","timestamp":{at},"webhookEventId":"{}""#, new_id());
        let source = format!(r#""source":{{"type":"user","userId":"{}"}}"#, user(*number));
        format!(r#"{{{head},"n":{n},{source},"message":{{"id":"1","type":"text","text":"こんにちは"}}}}"#)
    };
    body(&users.iter().map(event).collect::<Vec<_>>())
}

/// The numbers a receiver took, in the order it took them.
pub(super) fn numbers(receiver: &Receiver) -> Vec<usize> {
    let taken = receiver.taken();
    taken.iter().filter(|call| !is_warming(&call.body)).map(super::receiver::Call::number).collect()
}

/// Waits until the receiver took these numbers, in whatever order, and nothing else.
pub(super) async fn eventually_took(receiver: &Receiver, wanted: impl IntoIterator<Item = usize>) {
    let mut wanted: Vec<usize> = wanted.into_iter().collect();
    wanted.sort_unstable();
    eventually(SOON, || async {
        let mut took = numbers(receiver);
        took.sort_unstable();
        if took == wanted { Ok(()) } else { Err(took) }
    })
    .await
    .unwrap();
}

/// A target as it is told.
pub(super) async fn told(client: &mut Forwarding, target_id: &str) -> (ForwardingTarget, ForwardingFigures) {
    let request = GetForwardingTargetRequest { target_id: target_id.to_owned() };
    let target = client.get_forwarding_target(request).await.unwrap().into_inner().forwarding_target.unwrap();
    let figures = target.figures.unwrap();
    (target, figures)
}

/// Waits until a target is told as `is` wants it.
pub(super) async fn eventually_told(
    client: &Forwarding,
    target_id: &str,
    is: impl Fn(&ForwardingTarget, &ForwardingFigures) -> bool,
) -> ForwardingTarget {
    eventually(SOON, || {
        let mut client = client.clone();
        let is = &is;
        async move {
            let (target, figures) = told(&mut client, target_id).await;
            if is(&target, &figures) { Ok(target) } else { Err(target) }
        }
    })
    .await
    .unwrap()
}
