//! The program killed (SIGKILL) while somebody links: what was submitted is there once or can be submitted again, and LINE's word
//! decides it once.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt as _;

use contracts::events::v1::AnswerRequested;
use contracts::events::v1::identity_event::Body;
use kernel::{AccountId, Clock as _, SystemClock, TenantId};
use serde_json::{Value, json};
use testkit::eventually;
use url::Url;
use uuid::Uuid;

use crate::customer::yamada;
use crate::friend::user;
use crate::house::{House, SOON};
use crate::killing::{every_event_is_published_once, program};

const BOT: u8 = 100;
const PERSON: u8 = 1;
const ASKED: &str = "来週の土曜日は空いていますか。";

/// Where the program dies while a page is submitted, and whether the submission is there nevertheless.
const SUBMITTING: [(&str, bool); 4] = [
    ("identity.link.before_line", false),
    ("identity.link.after_line", false),
    ("identity.link.placed", false),
    ("identity.after_commit", true),
];

/// Where the program dies while LINE's word is taken, and at which pass.
const CONFIRMING: [(&str, u32); 8] = [
    ("identity.link.confirmed", 1),
    ("identity.link.decided", 1),
    ("identity.before_event", 2),
    ("identity.after_event", 3),
    ("identity.after_commit", 1),
    ("bus.consumer.before_commit", 1),
    ("bus.consumer.after_commit", 1),
    ("bus.relay.after_publish", 1),
];

#[tokio::test]
async fn a_submission_killed_at_any_point_is_there_once_or_can_be_made_again() {
    let mut house = House::open("killed_submitting").await;
    house.messaging.name(&user(PERSON), "はなこ");
    for (place, is_placed) in SUBMITTING {
        let shop = Shop::open(&house).await;
        let form = shop.card(&house, 1).await;
        house.stop().await;
        let mut killed = program(&house, testkit::port::free(), &format!("{place}=kill@1"));
        let page = opened(&form).await;
        let answered = page.submit().await;
        assert!(answered.is_err(), "{place}: nobody answers a browser whose server died: {answered:?}");
        assert_eq!(killed.exit(SOON).await.unwrap().signal(), Some(9), "{place}: {:?}", killed.lines());
        house.start().await;

        let dialog = if is_placed {
            // The inquiry is there, once, and the card is used up: a new one works.
            assert_eq!(shop.inquiries(&house).await, [(1, vec![1])], "{place}");
            assert_eq!(opened_again(&form).await, 404, "{place}");
            opened(&shop.card(&house, 2).await).await.submit().await.unwrap()
        } else {
            assert_eq!(shop.inquiries(&house).await, [], "{place}");
            opened(&form).await.submit().await.unwrap()
        };
        let nonce = nonce(&dialog);
        shop.confirms(&house, &nonce).await;
        shop.linked(&house, place).await;
        let attempts = if is_placed { vec![None, Some("LINKED".to_owned())] } else { vec![Some("LINKED".to_owned())] };
        assert_eq!(shop.outcomes(&house).await, attempts, "{place}");
        // Told as it was written, then with LINE's word.
        let told = if is_placed { vec![(1, vec![1]), (1, vec![1, 2])] } else { vec![(1, vec![1, 2])] };
        let mut inquiries = shop.inquiries(&house).await;
        inquiries.sort_unstable();
        assert_eq!(inquiries, told, "{place}");
    }
    every_event_is_published_once(&house).await;
}

#[tokio::test]
async fn a_confirmation_killed_at_any_point_decides_once() {
    let mut house = House::open("killed_confirming").await;
    house.messaging.name(&user(PERSON), "はなこ");
    for (place, pass) in CONFIRMING {
        let shop = Shop::open(&house).await;
        let form = shop.card(&house, 1).await;
        let dialog = opened(&form).await.submit().await.unwrap();
        let answers = shop.answers(&house).await.len();
        house.stop().await;

        let mut killed = program(&house, testkit::port::free(), &format!("{place}=kill@{pass}"));
        // Twice, as LINE may send it again.
        let word = shop.confirms(&house, &nonce(&dialog)).await;
        shop.says(&house, std::slice::from_ref(&word)).await;
        assert_eq!(killed.exit(SOON).await.unwrap().signal(), Some(9), "{place}: {:?}", killed.lines());
        house.start().await;

        shop.linked(&house, place).await;
        assert_eq!(shop.outcomes(&house).await, [Some("LINKED".to_owned())], "{place}");
        assert_eq!(shop.inquiries(&house).await, [(1, vec![1, 2])], "{place}");
        assert_eq!(shop.answers(&house).await.len(), answers + 1, "{place}: one answer to LINE's word");
        let audit = house.audit(shop.tenant).await;
        for action in ["link.begin", "link_attempt.decide"] {
            assert_eq!(audit.iter().filter(|noted| *noted == action).count(), 1, "{place}: {action}");
        }
    }
    every_event_is_published_once(&house).await;
}

/// A tenant with an account, a customer, and the LINE user who is that customer.
struct Shop {
    tenant: TenantId,
    account: AccountId,
    customer: String,
}

impl Shop {
    async fn open(house: &House) -> Self {
        let tenant = house.tenant().await;
        let (_, account) = house.account(tenant, &user(BOT)).await;
        let created = house.at(tenant).customers().create_customer(yamada("C-1")).await.unwrap().into_inner();
        let shop = Self { tenant, account, customer: created.customer.unwrap().customer_id };
        shop.says(house, &[event("follow", &json!({}))]).await;
        // Nothing is left to do but what the test has done, so that a place is reached by that.
        let named = eventually(SOON, || async {
            let told = house.told(Some(tenant)).await;
            let named = |body: &Body| matches!(body, Body::LineUser(user) if !user.display_name.is_empty());
            if told.iter().any(named) { Ok(()) } else { Err(told.len()) }
        });
        named.await.unwrap();
        shop
    }

    async fn says(&self, house: &House, events: &[(&'static str, String)]) {
        house.webhooks(self.tenant, self.account, events).await;
    }

    /// The address of the form on the card that answers the `number`th tap.
    async fn card(&self, house: &House, number: usize) -> Url {
        self.says(house, &[event("postback", &json!({ "postback": { "data": "tsunagi:inquiry" } }))]).await;
        let card = eventually(SOON, || async {
            let cards: Vec<Url> = self.answers(house).await.iter().filter_map(form).collect();
            if cards.len() == number { cards.last().cloned().ok_or(0) } else { Err(cards.len()) }
        });
        card.await.unwrap()
    }

    /// LINE says that the LINE user confirmed.
    async fn confirms(&self, house: &House, nonce: &str) -> (&'static str, String) {
        let word = event("accountLink", &json!({ "link": { "result": "ok", "nonce": nonce } }));
        self.says(house, std::slice::from_ref(&word)).await;
        word
    }

    /// Waits until the LINE user is linked to the customer and everything LINE said is handled; the link was told once.
    async fn linked(&self, house: &House, place: &str) {
        let admin = house.admin().await;
        let links = eventually(SOON, || async {
            let links: Vec<(String, Option<Uuid>)> = sqlx::query_as(
                "SELECT customer_id::text, link_attempt_id FROM identity.link WHERE tenant_id = $1 AND end_time IS NULL",
            )
            .bind(self.tenant.uuid())
            .fetch_all(&admin)
            .await
            .unwrap();
            if links.is_empty() { Err("nobody is linked") } else { Ok(links) }
        });
        let links = links.await.unwrap_or_else(|none| panic!("{place}: {none}"));
        assert_eq!(links.len(), 1, "{place}");
        assert_eq!(links[0].0, self.customer, "{place}");
        assert!(links[0].1.is_some(), "{place}: an attempt made it");
        let told = house.told(Some(self.tenant)).await;
        let versions: Vec<i64> = told
            .iter()
            .filter_map(|body| if let Body::Link(link) = body { Some(link.version) } else { None })
            .collect();
        assert_eq!(versions, [1], "{place}: the link is told once");
    }

    /// What became of the attempts, in their order; none: they wait.
    async fn outcomes(&self, house: &House) -> Vec<Option<String>> {
        sqlx::query_scalar("SELECT outcome FROM identity.link_attempt WHERE tenant_id = $1 ORDER BY submit_time")
            .bind(self.tenant.uuid())
            .fetch_all(&house.admin().await)
            .await
            .unwrap()
    }

    /// Of each inquiry, how often it is kept, and the versions that were told of it.
    async fn inquiries(&self, house: &House) -> Vec<(i64, Vec<i64>)> {
        let mut told: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for body in house.told(Some(self.tenant)).await {
            if let Body::Inquiry(inquiry) = body {
                assert_eq!(inquiry.text, ASKED);
                told.entry(inquiry.inquiry_id).or_default().push(inquiry.version);
            }
        }
        let admin = house.admin().await;
        let mut found = Vec::new();
        for (id, versions) in told {
            let kept = sqlx::query_scalar("SELECT count(*) FROM identity.inquiry WHERE inquiry_id = $1::uuid")
                .bind(id)
                .fetch_one(&admin)
                .await
                .unwrap();
            found.push((kept, versions));
        }
        found
    }

    /// The answers that were asked for. One that is asked for again is the same answer: its ID follows from the event.
    async fn answers(&self, house: &House) -> Vec<AnswerRequested> {
        let told = house.told(Some(self.tenant)).await.into_iter();
        let answers =
            told.filter_map(|body| if let Body::AnswerRequested(answer) = body { Some(answer) } else { None });
        let mut known = BTreeSet::new();
        answers.filter(|answer| known.insert(answer.answer_id.clone())).collect()
    }
}

/// An event of the LINE user that happens now.
fn event(kind: &'static str, more: &Value) -> (&'static str, String) {
    let mut event = json!({
        "type": kind,
        "mode": "active",
        "timestamp": SystemClock.now().timestamp_millis(),
        "source": { "type": "user", "userId": user(PERSON) },
    });
    for (name, value) in more.as_object().unwrap() {
        event[name] = value.clone();
    }
    (kind, event.to_string())
}

/// The form that a card opens; none where the answer is no such card.
fn form(answer: &AnswerRequested) -> Option<Url> {
    let card: Value = serde_json::from_str(answer.line_objects.first()?).ok()?;
    card["template"]["actions"].as_array()?.iter().find_map(|action| action["uri"].as_str()?.parse().ok())
}

/// A form in a browser.
struct Page {
    address: Url,
    cookie: String,
    proof: String,
}

/// Opens a form, once somebody listens there.
async fn opened(form: &Url) -> Page {
    let answer = eventually(SOON, || async { reqwest::get(form.clone()).await }).await.unwrap();
    assert_eq!(answer.status(), 200);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let html = answer.text().await.unwrap();
    let proof = html.split("name=\"proof\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    Page { address: form.clone(), cookie, proof }
}

/// The status of a form that was opened before.
async fn opened_again(form: &Url) -> u16 {
    reqwest::get(form.clone()).await.unwrap().status().as_u16()
}

impl Page {
    /// Submits what the LINE user types; where LINE's dialog is, or what was seen instead.
    async fn submit(&self) -> Result<Url, String> {
        let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let typed = [("family", "山田"), ("given", "花子"), ("text", ASKED), ("proof", &*self.proof)];
        let request = browser.post(self.address.clone()).header("cookie", &self.cookie).form(&typed);
        let answer = request.send().await.map_err(|error| error.to_string())?;
        match answer.headers().get("location") {
            Some(dialog) => Ok(dialog.to_str().unwrap().parse().unwrap()),
            None => Err(answer.status().to_string()),
        }
    }
}

fn nonce(dialog: &Url) -> String {
    dialog.query_pairs().find(|(name, _)| name == "nonce").unwrap().1.into_owned()
}
