//! The NATS configuration that ships: every service can do its work as its own user, and no other's.

use std::path::Path;
use std::time::Duration;

use async_nats::{ConnectOptions, Event};
use tests::{Options, Platform, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

const SOON: Duration = Duration::from_secs(20);

async fn start() -> anyhow::Result<Platform> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/nats/nats.conf");
    Platform::start(Options { nats_configuration: Some(file), simulated_clock: true, ..Options::default() }).await
}

/// The whole story, each service as its own NATS user: nothing it needs is forbidden.
#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_is_done_with_each_services_own_nats_user() -> anyhow::Result<()> {
    let platform = start().await?;
    tsunagi::demo::play(&platform.stage()).await?;
    let log = platform.nats.as_ref().expect("the platform has its own NATS").log();
    let violations: Vec<&str> = log.lines().filter(|line| line.to_lowercase().contains("violation")).collect();
    assert!(violations.is_empty(), "{violations:#?}");
    Ok(())
}

/// What only `service` may publish.
fn own_subjects(service: Service) -> Vec<String> {
    let schema = service.schema();
    let (events, stream) = match service {
        Service::WebhookIngest => ("line.webhook.v1.t.a.message".to_owned(), "LINE_WEBHOOK"),
        Service::IdentityLinking => (format!("{schema}.v1.t.friendship"), "IDENTITY"),
        Service::MessagingOutbox => (format!("{schema}.v1.t.message"), "MESSAGING"),
        Service::Scheduler => (format!("{schema}.v1.t.timer"), "SCHEDULER"),
    };
    let jetstream = ["MSG.DELETE", "UPDATE"].map(|what| format!("$JS.API.STREAM.{what}.{stream}"));
    let spill = ["ingest.spill.v1", "$JS.API.STREAM.UPDATE.INGEST_SPILL", "$JS.API.STREAM.MSG.DELETE.INGEST_SPILL"];
    let spill = spill.map(str::to_owned).into_iter().filter(|_| service == Service::WebhookIngest);
    [events, format!("signal.v1.{schema}.outbox")].into_iter().chain(jetstream).chain(spill).collect()
}

/// A service's user may publish what is its own, and neither what is another's nor what is nobody's; it hears only its own
/// replies.
#[tokio::test(flavor = "multi_thread")]
async fn a_services_nats_user_is_refused_the_subjects_of_the_others() -> anyhow::Result<()> {
    let platform = start().await?;
    let nats = platform.nats.as_ref().expect("the platform has its own NATS");
    let (url, authority) = (nats.url(), nats.authority().expect("it has a certificate").to_owned());
    for service in Service::ALL {
        let (refusals, mut refused) = mpsc::unbounded_channel();
        let password = platform.nats_password(service).unwrap_or_default().to_owned();
        let options = ConnectOptions::with_user_and_password(service.schema().to_owned(), password);
        let options = options.add_root_certificates(authority.clone()).event_callback(move |event| {
            if let Event::ServerError(error) = event {
                refusals.send(error.to_string()).ok();
            }
            std::future::ready(())
        });
        let client = options.connect(url.as_str()).await?;
        let others = Service::ALL.into_iter().filter(|other| *other != service);
        let streams = ["LINE_WEBHOOK", "IDENTITY", "MESSAGING", "SCHEDULER", "INGEST_SPILL"];
        let nobodys = streams
            .into_iter()
            .flat_map(|stream| ["DELETE", "PURGE"].map(|what| format!("$JS.API.STREAM.{what}.{stream}")));
        for subject in others.flat_map(own_subjects).chain(nobodys) {
            client.publish(subject.clone(), "".into()).await?;
            client.flush().await?;
            let told = tokio::time::timeout(SOON, refused.recv()).await?.unwrap_or_default();
            assert!(told.to_lowercase().contains("permissions violation"), "{service:?}, {subject}: {told}");
            assert!(told.to_lowercase().contains(&subject.to_lowercase()), "{service:?}, {subject}: {told}");
        }
        let foreign = if service == Service::Scheduler { "_INBOX.identity.>" } else { "_INBOX.scheduler.>" };
        let _heard = client.subscribe(foreign).await?;
        let told = tokio::time::timeout(SOON, refused.recv()).await?.unwrap_or_default();
        assert!(told.to_lowercase().contains("permissions violation"), "{service:?}, {foreign}: {told}");

        for subject in own_subjects(service) {
            client.publish(subject, "".into()).await?;
        }
        // Errors come in the order of what they answer: a second refusal means that there was none before it.
        client.publish("nobody.may", "".into()).await?;
        client.flush().await?;
        let told = tokio::time::timeout(SOON, refused.recv()).await?.unwrap_or_default();
        assert!(told.to_lowercase().contains("nobody.may"), "{service:?} was refused its own: {told}");
    }
    Ok(())
}

/// Nobody is spoken to in the clear, and nobody without a password of their own.
#[tokio::test(flavor = "multi_thread")]
async fn nats_speaks_tls_alone_and_with_nobody_it_does_not_know() -> anyhow::Result<()> {
    let platform = start().await?;
    let nats = platform.nats.as_ref().expect("the platform has its own NATS");
    let (url, authority) = (nats.url(), nats.authority().expect("it has a certificate"));
    let password = platform.nats_password(Service::Scheduler).unwrap_or_default();
    testkit::nats::connect_as(&url, "scheduler", password, Some(authority)).await?;
    testkit::nats::connect_as(&url, "scheduler", "guessed", Some(authority)).await.expect_err("a wrong password");
    testkit::nats::connect_as(&url, "scheduler", password, None).await.expect_err("an authority nobody trusts");
    ConnectOptions::new().add_root_certificates(authority.to_owned()).connect(&url).await.expect_err("no user");

    // By hand, for any client would encrypt: who says its name in the clear is not answered to.
    let mut socket = tokio::net::TcpStream::connect(url.trim_start_matches("tls://")).await?;
    let (mut told, mut buffer) = (String::new(), [0; 4_096]);
    let greeted = AsyncReadExt::read(&mut socket, &mut buffer).await?;
    told.push_str(&String::from_utf8_lossy(&buffer[..greeted]));
    anyhow::ensure!(told.contains("\"tls_required\":true"), "{told}");
    let clear = format!("CONNECT {{\"user\":\"scheduler\",\"pass\":\"{password}\"}}\r\nPING\r\n");
    AsyncWriteExt::write_all(&mut socket, clear.as_bytes()).await?;
    let mut rest = Vec::new();
    // The connection may be reset: then there is no answer either.
    drop(tokio::time::timeout(SOON, AsyncReadExt::read_to_end(&mut socket, &mut rest)).await?);
    anyhow::ensure!(!String::from_utf8_lossy(&rest).contains("PONG"), "it was answered in the clear");
    Ok(())
}
