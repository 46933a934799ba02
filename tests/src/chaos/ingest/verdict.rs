//! Whether everything LINE sent is where it belongs, once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::ensure;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::books::Books;
use super::found::Found;
use super::scene::Scene;
use crate::consumers;
use crate::platform::Platform;

/// How long everything may take to be where it belongs. It takes seconds; a busy machine stretches that.
const SETTLED_WITHIN: Duration = Duration::from_mins(5);
/// How long the neighbour may take to be told of what many kills left to forward: that drains at tens of bodies a second.
const TOLD_WITHIN: Duration = Duration::from_mins(30);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Events that were taken and not published, or set aside by a service that could not handle them, and bodies out of place.
const UNSETTLED: [(&str, &str); 6] = [
    ("commits are not published", "SELECT count(*) FROM ingest.publication"),
    ("bodies are quarantined", "SELECT count(*) FROM ingest.quarantined_body"),
    ("bodies are held", "SELECT count(*) FROM ingest.held_body"),
    ("messages are set aside by messaging-outbox", "SELECT count(*) FROM messaging.parked_message WHERE settled_at IS NULL"),
    ("messages are set aside by identity-linking", "SELECT count(*) FROM identity.parked_message WHERE settled_at IS NULL"),
    (
        "bodies have no event, or no event their place",
        "SELECT count(*) FROM (SELECT body_id FROM ingest.body) b FULL JOIN (SELECT DISTINCT body_id FROM ingest.seen_event) s
         USING (body_id) WHERE b.body_id IS NULL OR s.body_id IS NULL",
    ),
];

/// What is left of the work beside the way of a webhook.
const LEFT: [(&str, &str); 2] = [
    ("bodies are not forwarded", "SELECT count(*) FROM ingest.forwarding"),
    ("erasures were never looked at", "SELECT count(*) FROM ingest.erasure WHERE looks = 0"),
];

/// Events of bodies out of which something was cut, which nobody can forward as LINE signed them.
const CUT: &str =
    "SELECT event_id FROM ingest.seen_event JOIN ingest.body USING (tenant_id, body_id) WHERE redacted_at IS NOT NULL";

/// Nobody is alive who could hold a claim: none is waited for.
const LET_GO: [&str; 2] = [
    "UPDATE ingest.forwarding SET claim = NULL, due_at = now() WHERE claim IS NOT NULL",
    "UPDATE ingest.erasure SET claim = NULL, due_at = now() WHERE claim IS NOT NULL",
];

/// What the consumers of LINE's events have handled.
const HANDLED: [(&str, &str, i32); 2] = [
    (
        "identity-linking",
        "SELECT event_key FROM identity.inbox WHERE tenant_id = $1 AND consumer = $2",
        consumers::IDENTITY_LINKING,
    ),
    (
        "messaging-outbox",
        "SELECT event_key FROM messaging.inbox WHERE tenant_id = $1 AND consumer = $2",
        consumers::MESSAGING_OUTBOX,
    ),
];

impl Scene {
    /// Waits until LINE's books and ours agree: every event once in the archive and handled once by both its consumers, and every
    /// message shown once, to the letter, as its writer's, but for those that were taken back.
    pub(super) async fn settled(&self, platform: &Platform) -> anyhow::Result<()> {
        let stage = platform.stage();
        let mut admin = PgConnection::connect(&platform.admin_url()).await?;
        let mut books = self.books.lock().await;
        waited(SETTLED_WITHIN, async || {
            books.read(&stage, &self.shop).await?;
            self.compare(&mut admin, &books).await
        })
        .await
    }

    /// Has the claims of the dead let go.
    pub(super) async fn let_go(&self, platform: &Platform) -> anyhow::Result<()> {
        let mut admin = PgConnection::connect(&platform.admin_url()).await?;
        for let_go in LET_GO {
            sqlx::query(let_go).execute(&mut admin).await?;
        }
        Ok(())
    }

    /// Waits until the neighbour was told of everything, with LINE's signature, and what was taken back is cut out.
    pub(super) async fn ended(&self, platform: &Platform) -> anyhow::Result<()> {
        let mut admin = PgConnection::connect(&platform.admin_url()).await?;
        let all = &self.books.lock().await.lasting() - &self.unheard;
        waited(TOLD_WITHIN, async || {
            none_of(&mut admin, &LEFT).await?;
            let cut: Vec<Uuid> = sqlx::query_scalar(CUT).fetch_all(&mut admin).await?;
            self.neighbour.has_all(&(&all - &cut.into_iter().collect()))
        })
        .await
    }

    async fn compare(&self, admin: &mut PgConnection, books: &Books) -> anyhow::Result<()> {
        // What is quickly asked first: whoever waits looks often, beside those who work.
        none_of(admin, &UNSETTLED).await?;
        self.found(admin).await?.agrees(books)
    }

    /// What the services keep of what LINE sent.
    async fn found(&self, admin: &mut PgConnection) -> anyhow::Result<Found> {
        let tenant = self.shop.tenant.uuid();
        let seen = sqlx::query_scalar("SELECT event_id FROM ingest.seen_event WHERE tenant_id = $1");
        let seen = seen.bind(tenant).fetch_all(&mut *admin).await?;
        let mut handled = BTreeMap::new();
        for (service, asked, consumer) in HANDLED {
            let events = sqlx::query_scalar(asked).bind(tenant).bind(consumer).fetch_all(&mut *admin).await?;
            handled.insert(service, events);
        }
        let shown = sqlx::query_as(
            "SELECT c.chat_key, m.line_message_id, m.object->>'text'
             FROM messaging.message m JOIN messaging.conversation c USING (tenant_id, conversation_id)
             WHERE m.tenant_id = $1 AND m.direction = 1 AND m.object IS NOT NULL",
        );
        let shown = shown.bind(tenant).fetch_all(admin).await?;
        Ok(Found { seen, handled, shown })
    }
}

async fn waited(within: Duration, mut look: impl AsyncFnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let deadline = Instant::now() + within;
    loop {
        match look().await {
            Ok(()) => return Ok(()),
            Err(problem) if Instant::now() > deadline => return Err(problem),
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

async fn none_of(admin: &mut PgConnection, counts: &[(&str, &'static str)]) -> anyhow::Result<()> {
    for (what, counted) in counts {
        let number: i64 = sqlx::query_scalar(*counted).fetch_one(&mut *admin).await?;
        ensure!(number == 0, "{number} {what}");
    }
    Ok(())
}
