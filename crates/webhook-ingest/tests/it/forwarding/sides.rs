//! Beside the targets: Postgres away, deletion, and addresses that may not be called.

use contracts::access_proto::v1::Right;
use contracts::ingest::v1::erasure_service_client::ErasureServiceClient;
use contracts::ingest::v1::{DeleteForwardingTargetRequest, EraseLineUserRequest, ForwardingFailure, ForwardingState};
use testkit::{eventually, nats, postgres};
use tonic::Code;
use tonic_types::StatusExt as _;

use super::place::{
    eventually_told, eventually_took, from, heard, manager, numbers, pause, resume, start, start_with, target, user,
    wanted,
};
use super::receiver::Receiver;
use crate::stage::{SOON, Stage};

#[tokio::test]
async fn what_came_while_postgres_was_away_is_forwarded_too() {
    let mut server = postgres::Private::start().await.unwrap();
    let stage = Stage::on(&server.cluster().unwrap(), nats::url(), "forward_spill").await;
    let receiver = Receiver::taking().await;
    let replica = start(&stage, &[&receiver]).await;
    let mut client = manager(&stage, &replica).await;
    target(&mut client, &stage.account, &receiver).await;
    heard(&stage, &replica, &stage.account).await;
    assert_eq!(replica.post(&stage.account, from(&[1], 0)).await, 200);
    eventually_took(&receiver, [0]).await;
    server.kill9().await.unwrap();
    let bodies: Vec<_> = (1..20).map(|n| from(&[n % 4, n % 3], n)).collect();
    for body in &bodies {
        assert_eq!(replica.post(&stage.account, body.clone()).await, 200);
    }
    assert_eq!(numbers(&receiver), [0]);
    server.start_again().await.unwrap();
    eventually_took(&receiver, 0..20).await;
    let sent = receiver.taken();
    assert!(bodies.iter().all(|body| sent.iter().any(|call| call.body == *body)), "to the byte");
    eventually(SOON, || async {
        match stage.count("SELECT count(*) FROM ingest.forwarding").await {
            0 => Ok(()),
            left => Err(left),
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn what_waits_for_a_target_goes_with_it() {
    let stage = Stage::new("forward_delete").await;
    let (receiver, kept) = (Receiver::taking().await, Receiver::taking().await);
    let replica = start(&stage, &[&receiver, &kept]).await;
    let mut client = manager(&stage, &replica).await;
    let target_id = target(&mut client, &stage.account, &receiver).await;
    let kept_id = target(&mut client, &stage.account, &kept).await;
    heard(&stage, &replica, &stage.account).await;
    pause(&mut client, &target_id).await;
    pause(&mut client, &kept_id).await;
    let before = receiver.calls().len();
    for n in 0..6 {
        assert_eq!(replica.post(&stage.account, from(&[n], n)).await, 200);
    }
    let request = DeleteForwardingTargetRequest { target_id: target_id.clone(), ..<_>::default() };
    client.delete_forwarding_target(request.clone()).await.unwrap();
    assert_eq!(client.delete_forwarding_target(request).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(replica.post(&stage.account, from(&[9], 9)).await, 200);
    eventually(SOON, || async {
        let targets = stage.count("SELECT count(DISTINCT target_id) FROM ingest.forwarding").await;
        (targets == 1).then_some(()).ok_or(targets)
    })
    .await
    .unwrap();
    resume(&mut client, &kept_id).await;
    eventually_took(&kept, [0, 1, 2, 3, 4, 5, 9]).await;
    assert_eq!(receiver.calls().len(), before, "nothing went to the one that is gone");
}

#[tokio::test]
async fn an_address_inside_is_called_neither_by_number_nor_by_name() {
    let stage = Stage::new("forward_inside").await;
    let receiver = Receiver::taking().await;
    let replica = start_with(&stage, Receiver::egress("", &[&receiver])).await;
    let mut client = manager(&stage, &replica).await;
    let url = receiver.url();
    for url in
        [url.clone(), url.replace("https", "http"), "https://[::1]/x".to_owned(), "https://169.254.169.254/".to_owned()]
    {
        let refused = client.create_forwarding_target(wanted(&stage.account, &url)).await.unwrap_err();
        let violations = refused.get_details_bad_request().unwrap().field_violations;
        assert_eq!((refused.code(), violations[0].field.as_str()), (Code::InvalidArgument, "forwarding_target.url"));
        assert!(!format!("{refused:?} {violations:?}").contains("secret-path"), "{refused:?}");
    }
    // What a name leads to is seen when it is called, each time anew.
    let made = client.create_forwarding_target(wanted(&stage.account, &receiver.url_by_name())).await.unwrap();
    let target_id = made.into_inner().forwarding_target.unwrap().target_id;
    heard(&stage, &replica, &stage.account).await;
    assert_eq!(replica.post(&stage.account, from(&[1], 1)).await, 200);
    let shown = eventually_told(&client, &target_id, |_, figures| figures.consecutive_failures >= 2).await;
    assert_eq!(shown.figures.unwrap().last_failure(), ForwardingFailure::AddressForbidden);
    assert_ne!(shown.state(), ForwardingState::Paused);
    assert!(receiver.calls().is_empty());
    // An operator who allows it lets it through; nothing was lost meanwhile.
    replica.stop().await;
    let replica = start_with(&stage, Receiver::egress("localhost", &[&receiver])).await;
    let mut client = manager(&stage, &replica).await;
    pause(&mut client, &target_id).await;
    resume(&mut client, &target_id).await;
    eventually_took(&receiver, [1]).await;
}

#[tokio::test]
async fn what_is_to_be_erased_and_comes_late_is_not_forwarded() {
    let stage = Stage::new("forward_late").await;
    let receiver = Receiver::taking().await;
    let replica = start(&stage, &[&receiver]).await;
    let mut client = manager(&stage, &replica).await;
    let target_id = target(&mut client, &stage.account, &receiver).await;
    heard(&stage, &replica, &stage.account).await;
    // Every message has one number; the later one was taken back, and looked for. So was everything of one person.
    let [of_person, taken_back, stays] = [(7, "4"), (8, "4711"), (8, "5")].map(|(sender, message)| {
        let text = String::from_utf8(from(&[sender], sender).to_vec()).unwrap();
        text.replace(r#""id":"1""#, &format!(r#""id":"{message}""#)).replace(r#""n":8"#, &format!(r#""n":{message}"#))
    });
    sqlx::query(
        "INSERT INTO ingest.erasure (tenant_id, erasure_id, account_id, unsend_event_id, message_id, looks, looked_at, due_at)
         VALUES ($1, gen_random_uuid(), $2, ingest.first_id(now()), '4711', 1, now(), now() + interval '1 hour')",
    )
    .bind(stage.account.tenant.uuid())
    .bind(stage.account.id.uuid())
    .execute(&mut stage.admin().await)
    .await
    .unwrap();
    let rights = [Right::OperationsRead, Right::OperationsManage, Right::LineUserIdRead];
    let caller = stage.caller(&replica, stage.account.tenant, &rights).await;
    let forget = EraseLineUserRequest { line_user_id: user(7), ..<_>::default() };
    ErasureServiceClient::new(caller).erase_line_user(forget).await.unwrap();
    eventually(SOON, || async {
        (stage.count("SELECT count(*) FROM ingest.erasure WHERE looks = 1").await == 2).then_some(())
    })
    .await
    .unwrap();
    for body in [of_person, taken_back, stays] {
        assert_eq!(replica.post(&stage.account, body).await, 200);
    }
    eventually_told(&client, &target_id, |_, figures| figures.erased_bodies == 2).await;
    eventually_took(&receiver, [5]).await;
}
