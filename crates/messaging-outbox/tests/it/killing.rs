//! The program killed (SIGKILL) wherever it can hurt: nothing is lost, nothing is sent twice.

use std::os::unix::process::ExitStatusExt as _;

use chassis::grpc::Client;
use contracts::messaging::v1 as wire;
use contracts::messaging::v1::message_service_client::MessageServiceClient;
use messaging_outbox_core::state::MessageState;
use testkit::eventually;
use testkit::process::{Launch, Process};
use url::Url;

use crate::world::{MASTER, SOON, Tenant, World, send_request, text};

const PLACES: [&str; 7] =
    ["before_claim", "after_claim", "after_freeze", "before_call", "after_call", "before_settle", "after_settle"];

#[tokio::test]
async fn a_process_killed_at_any_point_of_sending_loses_nothing_and_repeats_nothing() {
    let world = World::new("killed").await;
    for place in PLACES {
        let house = world.open().await;
        let tenant = world.tenant(&house).await;
        let (_, conversation) = house.conversing(&world, &tenant).await;
        house.close().await;
        let before = world.line.counts().delivered_messages;

        let port = testkit::port::free();
        let mut killed = program(&world, port, &format!("messaging.{place}"));
        let mut queued = 0;
        for number in 0..4 {
            // In turn by reply while there are tokens, and by push only; the process may be gone before the last.
            let policy = if number % 2 == 0 { wire::SendPolicy::ReplyFirst } else { wire::SendPolicy::PushOnly };
            let text = format!("{place} {number}");
            let request = send_request(&conversation.conversation_id, &text, policy);
            let sent = eventually(SOON, || {
                let (request, running) = (request.clone(), killed.is_running());
                let mut client = client(&tenant, port);
                async move {
                    match client.send_message(request).await {
                        Ok(_) => Ok(true),
                        Err(_) if !running => Ok(false),
                        Err(status) => Err(status.code()),
                    }
                }
            });
            queued += u64::from(sent.await.unwrap());
        }
        let status = killed.exit(SOON).await.unwrap();
        assert_eq!(status.signal(), Some(9), "{place}: {:?}", killed.lines());

        let next = world.open().await;
        let settled = eventually(SOON, || async {
            let request = wire::ListOutboundMessagesRequest::default();
            let all = next.messages(&tenant).list_outbound_messages(request).await;
            let all = all.map_err(|status| status.to_string())?.into_inner().messages;
            let is = |message: &wire::Message, state: MessageState| message.state == i32::from(state.code());
            let done = |m: &wire::Message| is(m, MessageState::Accepted) || is(m, MessageState::Uncertain);
            if all.iter().all(done) {
                Ok(all)
            } else {
                Err(format!("{:?}", all.iter().map(|m| m.state).collect::<Vec<_>>()))
            }
        });
        let settled = settled.await.unwrap_or_else(|error| panic!("{place}: {error}"));
        assert!(settled.len() as u64 >= queued, "{place}: nothing that was queued is lost");
        let uncertain: Vec<&str> = settled
            .iter()
            .filter(|message| message.state == i32::from(MessageState::Uncertain.code()))
            .map(text)
            .collect();
        assert!(
            uncertain.iter().all(|text| text.ends_with(" 0") || text.ends_with(" 2")),
            "{place}: only a reply can be in doubt: {uncertain:?}"
        );
        assert!(world.line.duplicates().is_empty(), "{place}");
        let delivered = world.line.counts().delivered_messages - before;
        let certain = (settled.len() - uncertain.len()) as u64;
        assert!((certain..=settled.len() as u64).contains(&delivered), "{place}: {delivered} of {}", settled.len());
        next.close().await;
    }
    assert_eq!(world.number("SELECT count(*) FROM messaging.send").await, 0);
}

/// The program, killed when it comes to `place` for the second time.
pub(crate) fn program(world: &World, port: u16, place: &str) -> Process {
    launch(world, port, &format!("{place}=kill@2")).start().unwrap()
}

/// The program, killed as `failpoints` says.
pub(crate) fn program_killed(world: &World, port: u16, failpoints: &str) -> Process {
    launch(world, port, failpoints).start().unwrap()
}

/// The program that kills itself as `failpoints` says, before it is started.
pub(crate) fn launch(world: &World, port: u16, failpoints: &str) -> Launch {
    let mut database: Url = world.database.admin_url().parse().unwrap();
    database.set_username("").unwrap();
    Process::of(env!("CARGO_BIN_EXE_messaging-outbox"))
        .env("TSUNAGI_DATABASE_URL", database.as_str())
        .env("TSUNAGI_NATS_URL", testkit::nats::url())
        .env("TSUNAGI_NATS_PREFIX", &world.prefix)
        .env("TSUNAGI_MESSAGING_GRPC_ADDR", format!("127.0.0.1:{port}"))
        .env("TSUNAGI_MESSAGING_ADMIN_ADDR", "127.0.0.1:0")
        .env("TSUNAGI_IDENTITY_URL", "http://127.0.0.1:9")
        .env("TSUNAGI_MESSAGING_TOKEN", "nobody")
        .env("TSUNAGI_MESSAGING_SEAL_KEY", world.seal_key.reveal().expose())
        .env("TSUNAGI_MASTER_KEYS", MASTER)
        .env("TSUNAGI_LINE_API_URL", world.line.base_url())
        .env("TSUNAGI_LINE_DATA_URL", world.line.base_url())
        .env("TSUNAGI_MESSAGING_CALL_MILLISECONDS", "1500")
        .env("TSUNAGI_MESSAGING_LEASE_MILLISECONDS", "3000")
        .env("TSUNAGI_MESSAGING_RENEW_MILLISECONDS", "500")
        .env("TSUNAGI_FAILPOINTS", failpoints)
}

fn client(tenant: &Tenant, port: u16) -> MessageServiceClient<Client> {
    let url = Url::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    MessageServiceClient::new(Client::on_loopback(&url, &tenant.token.reveal()).unwrap())
}
