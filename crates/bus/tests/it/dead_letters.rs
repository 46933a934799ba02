//! The operator's view of what was given up.

use chassis::auth::{Directory, Token};
use chassis::grpc::Client;
use contracts::access_proto::v1::Right;
use contracts::events::v1::PrincipalReplica;
use contracts::operations::v1::dead_letter_service_client::DeadLetterServiceClient;
use contracts::operations::v1::{
    DeadLetter, DeadLetterState, DropDeadLetterRequest, GetDeadLetterRequest, ListDeadLettersRequest,
    ReplayDeadLetterRequest,
};
use kernel::TenantId;
use testkit::eventually;
use tonic::Code;
use uuid::Uuid;

use crate::consuming::{outbound, publish};
use crate::world::{Recorder, SOON, Side, World, spec, tenant};

type Operator = DeadLetterServiceClient<Client>;

/// A program that may operate messaging for `tenant`.
async fn operator(side: &Side, address: std::net::SocketAddr, owner: TenantId) -> Operator {
    let token = Token::generate(Some(owner), Uuid::new_v4().into()).unwrap();
    let replica = PrincipalReplica {
        principal_id: token.principal.to_string(),
        version: 1,
        tenant_id: owner.to_string(),
        token_hash: token.hash().to_vec(),
        rights: vec![Right::OperationsRead.into(), Right::OperationsManage.into()],
        ..Default::default()
    };
    let mut tx = side.messaging.tenant(owner).await.unwrap();
    chassis::auth::replica::put_principal(&mut tx, "messaging", &replica).await.unwrap();
    tx.commit().await.unwrap();
    let mut settings = chassis::config::Settings::from_map([("X".to_owned(), format!("http://{address}"))].into());
    let client = Client::on_loopback(&settings.required("X", "messaging"), &token.reveal()).unwrap();
    DeadLetterServiceClient::new(client)
}

async fn list(operator: &mut Operator, state: DeadLetterState) -> Vec<DeadLetter> {
    let request = ListDeadLettersRequest { state: state.into(), ..Default::default() };
    operator.list_dead_letters(request).await.unwrap().into_inner().dead_letters
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_replayed_and_dropped_inside_their_tenant_only() {
    let world = World::new("dead_letters").await;
    let side = world.side().await;
    let directory = Directory::follow(&side.host, &side.messaging);
    let server = chassis::grpc::Server::new(&side.host, std::net::SocketAddr::from(([127, 0, 0, 1], 0)), directory);
    let address = server.add(bus::dead_letter::service(&side.messaging)).spawn(&side.host).unwrap();
    let (mut ours, mut theirs) = (operator(&side, address, tenant(1)).await, operator(&side, address, tenant(2)).await);
    let recorder = Recorder::default();
    side.consume(spec(), recorder.clone());
    for (id, word) in [("1", "fail"), ("2", "never"), ("3", "never")] {
        publish(&side, &outbound(tenant(1), id, "a", word)).await;
    }
    // The directory learns of the new programs within about a second.
    let waiting = eventually(SOON, || {
        let mut operator = ours.clone();
        async move {
            let request = ListDeadLettersRequest::default();
            let letters = operator.list_dead_letters(request).await.map_err(|status| status.to_string())?;
            let letters = letters.into_inner().dead_letters;
            if letters.len() == 3 { Ok(letters) } else { Err(format!("{} letters", letters.len())) }
        }
    })
    .await
    .unwrap();
    let find = |id: &str| waiting.iter().find(|letter| letter.event_id == id).unwrap().dead_letter_id.clone();
    let (failing, never, other) = (find("1"), find("2"), find("3"));
    assert!(waiting.iter().all(|letter| letter.consumer == "words" && letter.state() == DeadLetterState::Waiting));
    assert!(waiting.is_sorted_by_key(|letter| std::cmp::Reverse(letter.create_time.unwrap().seconds)));

    let get = |id: &str| GetDeadLetterRequest { dead_letter_id: id.to_owned() };
    let read = ours.get_dead_letter(get(&never)).await.unwrap().into_inner().dead_letter.unwrap();
    assert!(waiting.contains(&read) && read.dead_letter_id == never);
    assert_eq!(ours.get_dead_letter(get("x")).await.unwrap_err().code(), Code::InvalidArgument);

    // Pages.
    let request = ListDeadLettersRequest { page_size: 2, ..Default::default() };
    let page = ours.list_dead_letters(request.clone()).await.unwrap().into_inner();
    let request = ListDeadLettersRequest { page_token: page.next_page_token, ..request };
    let rest = ours.list_dead_letters(request.clone()).await.unwrap().into_inner();
    let filtered = ListDeadLettersRequest { state: DeadLetterState::Waiting.into(), ..request.clone() };
    assert_eq!(ours.list_dead_letters(filtered).await.unwrap_err().code(), Code::InvalidArgument, "of another filter");
    assert_eq!((page.dead_letters.len(), rest.dead_letters.len(), rest.next_page_token.as_str()), (2, 1, ""));

    // Another tenant sees and changes nothing.
    eventually(SOON, || {
        let mut operator = theirs.clone();
        async move { operator.list_dead_letters(ListDeadLettersRequest::default()).await.map(drop) }
    })
    .await
    .unwrap();
    assert_eq!(theirs.list_dead_letters(request).await.unwrap_err().code(), Code::InvalidArgument, "of another tenant");
    assert!(list(&mut theirs, DeadLetterState::Unspecified).await.is_empty());
    assert_eq!(theirs.get_dead_letter(get(&never)).await.unwrap_err().code(), Code::NotFound);
    let foreign = theirs.replay_dead_letter(ReplayDeadLetterRequest { dead_letter_id: failing.clone() }).await;
    assert_eq!(foreign.unwrap_err().code(), Code::NotFound);
    let foreign = theirs.drop_dead_letter(DropDeadLetterRequest { dead_letter_id: failing.clone() }).await;
    assert_eq!(foreign.unwrap_err().code(), Code::NotFound);

    // A replay that fails again puts it back; one that works leaves a record without content.
    let tries = recorder.tries("fail").len();
    ours.replay_dead_letter(ReplayDeadLetterRequest { dead_letter_id: failing.clone() }).await.unwrap();
    eventually(SOON, || std::future::ready((recorder.tries("fail").len() == tries + 1).then_some(()))).await.unwrap();
    world.until("SELECT count(*) FROM messaging.parked_message WHERE state = 'waiting'", 3).await;
    recorder.cure("fail");
    ours.replay_dead_letter(ReplayDeadLetterRequest { dead_letter_id: failing.clone() }).await.unwrap();
    world.until_effects(1).await;
    let handled = list(&mut ours, DeadLetterState::Handled).await;
    assert_eq!(handled.iter().map(|letter| &letter.dead_letter_id).collect::<Vec<_>>(), [&failing]);
    let again = ours.replay_dead_letter(ReplayDeadLetterRequest { dead_letter_id: failing }).await.unwrap_err();
    assert_eq!(again.code(), Code::FailedPrecondition);

    // Dropping erases; dropping again changes nothing.
    for _ in 0..2 {
        let request = DropDeadLetterRequest { dead_letter_id: never.clone() };
        let dropped = ours.drop_dead_letter(request).await.unwrap().into_inner().dead_letter.unwrap();
        assert_eq!(dropped.state(), DeadLetterState::Dropped);
    }
    let contents = "SELECT count(*) FROM messaging.parked_message WHERE payload IS NOT NULL OR headers IS NOT NULL";
    assert_eq!(world.number(contents).await, 1);
    assert_eq!(world.number("SELECT count(*) FROM messaging.audit WHERE action = 'dead_letter.drop'").await, 1);
    assert_eq!(world.number("SELECT count(*) FROM messaging.audit WHERE action = 'dead_letter.replay'").await, 2);

    // Content that must go everywhere goes here too, and its event never comes again.
    let mut tx = side.messaging.tenant(tenant(2)).await.unwrap();
    assert_eq!(bus::dead_letter::erase(&mut tx, "3").await.unwrap(), 0, "not theirs");
    tx.commit().await.unwrap();
    let mut tx = side.messaging.tenant(tenant(1)).await.unwrap();
    assert_eq!(bus::dead_letter::erase(&mut tx, "3").await.unwrap(), 1);
    tx.commit().await.unwrap();
    assert_eq!(world.number(contents).await, 0);
    let erased = ours.replay_dead_letter(ReplayDeadLetterRequest { dead_letter_id: other }).await.unwrap_err();
    assert_eq!(erased.code(), Code::FailedPrecondition);
    side.stop().await;
}
