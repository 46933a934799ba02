//! People who link to their record in a run: a tap, a card, its form, LINE's dialog, whatever happens meanwhile. Who gets no answer
//! does what people do: sends the form again, or taps again for a new card.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use contracts::identity::v1::customer_service_client::CustomerServiceClient;
use contracts::identity::v1::{CreateCustomerRequest, Customer, PersonName, Phone};
use futures::future::try_join_all;
use line_simulator::{Act, BooksQuery, ChatId, Sent};
use reqwest::header::{LOCATION, SET_COOKIE};
use serde_json::Value;
use tsunagi::stage::{Person, Shop, Stage, until};

use super::dice::Dice;
use super::phase::{Course, Timing};

/// What the people of a run do: with the link form and the inquiry form each.
const WAYS: [Way; 3] = [Way::Links, Way::Unlinks, Way::Forwards];
/// How long somebody waits for a card before the next tap.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the pages may be away.
pub(super) const BACK_WITHIN: Duration = Duration::from_secs(90);
/// How long somebody goes on trying.
const DONE_WITHIN: Duration = Duration::from_mins(3);

/// What somebody does with LINE's dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Confirms.
    Links,
    /// Confirms, and unlinks at once.
    Unlinks,
    /// Sends its address to somebody else, who opens it.
    Forwards,
}

/// Somebody who linked, or tried.
#[derive(Clone, Debug)]
pub(super) struct Linker {
    pub(super) person: Person,
    /// To whom the dialog was sent.
    pub(super) stranger: Option<Person>,
    pub(super) way: Way,
    /// The only record that the entry matches.
    pub(super) customer: String,
    /// How often a card was asked for.
    pub(super) taps: usize,
    /// Every text that was sent with an inquiry form; LINE's word was about the last.
    pub(super) texts: Vec<String>,
    pub(super) timing: Timing,
    inquires: bool,
    name: PersonName,
    mobile: String,
    /// The address the browser comes from: people do not share one.
    from: String,
    /// Cards that are used up.
    used: BTreeSet<String>,
}

/// A form in a browser.
#[derive(Clone, Debug)]
pub(super) struct Page {
    cookie: String,
    proof: String,
}

/// Where people link in a run.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) stage: &'a Stage,
    pub(super) shop: &'a Shop,
    pub(super) course: &'a Course,
    pub(super) browser: &'a reqwest::Client,
    pub(super) seed: u64,
}

/// A browser that shows what it is led to.
pub(super) fn browser() -> anyhow::Result<reqwest::Client> {
    let browser = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    Ok(browser.timeout(Duration::from_secs(15)).build()?)
}

/// Lets people link; ends when everybody is through.
pub(super) async fn link(scene: Scene<'_>) -> anyhow::Result<Vec<Linker>> {
    try_join_all((0..2 * WAYS.len()).map(|n| one(scene, n))).await
}

async fn one(scene: Scene<'_>, n: usize) -> anyhow::Result<Linker> {
    let Scene { stage, shop, .. } = scene;
    let mut linker = Linker::new(scene, n, WAYS[n % WAYS.len()]).await?;
    let dialog = linker.form(scene).await.with_context(|| format!("somebody who {:?}", linker.way))?;
    let visitor = linker.stranger.as_ref().unwrap_or(&linker.person);
    scene.course.at_least(linker.timing.confirms).await;
    confirm(stage, visitor, &dialog).await?;
    if linker.way == Way::Unlinks {
        // LINE's timestamps tell milliseconds apart.
        tokio::time::sleep(Duration::from_millis(70)).await;
        tap(stage, shop, &linker.person, "tsunagi:unlink:yes").await?;
    }
    Ok(linker)
}

/// Somebody who adds the account as a friend.
async fn friend(scene: Scene<'_>, name: &str) -> anyhow::Result<Person> {
    let Scene { stage, shop, .. } = scene;
    let person = shop.person(stage, name).await?;
    stage.line.add_friend(&shop.card.channel_id, &person.id).await?;
    Ok(person)
}

/// Opens LINE's dialog, which may be away as everything of LINE's; once it took somebody's word, it takes no other.
pub(super) async fn confirm(stage: &Stage, visitor: &Person, dialog: &str) -> anyhow::Result<()> {
    let mut lost = false;
    until(BACK_WITHIN, async || {
        let shown = stage.line.open_link(&visitor.id, dialog).await.map(|shown| shown.status);
        if matches!(shown, Ok(200)) || (lost && matches!(shown, Ok(400))) {
            return Ok(());
        }
        lost = true;
        anyhow::bail!("LINE's dialog answers {shown:?}")
    })
    .await
}

pub(super) async fn tap(stage: &Stage, shop: &Shop, person: &Person, data: &str) -> anyhow::Result<()> {
    let tapped = Act::Postback { data: data.to_owned(), params: None };
    stage.line.act(&shop.card.channel_id, &person.id, tapped).await?;
    Ok(())
}

/// The addresses of the forms that a sent message's buttons open.
pub(super) fn addresses(sent: &Sent) -> impl Iterator<Item = &str> {
    let actions = sent.messages.iter().filter_map(|message| message["template"]["actions"].as_array()).flatten();
    actions.filter_map(|action| action["uri"].as_str())
}

/// What LINE's books hold for somebody.
pub(super) async fn sent_to(stage: &Stage, shop: &Shop, person: &Person) -> anyhow::Result<Vec<Sent>> {
    let chat = Some(ChatId::from(person.user_id.as_str()));
    let query = BooksQuery { account: Some(shop.card.channel_id.clone()), chat, ..BooksQuery::default() };
    Ok(stage.line.sent(&query).await?)
}

impl Linker {
    /// The `n`th person of a run, with a record of their own.
    pub(super) async fn new(scene: Scene<'_>, n: usize, way: Way) -> anyhow::Result<Self> {
        let Scene { stage, shop, seed, .. } = scene;
        let name = PersonName { family: "連携".to_owned(), given: format!("{seed}の{n}"), ..PersonName::default() };
        let mobile = format!("0901{:07}", (seed % 1_000_000) * 10 + u64::try_from(n)?);
        let phones = vec![Phone { number: mobile.clone(), kind: 0 }];
        let record = Customer { name: Some(name.clone()), phones, ..Customer::default() };
        let request_id = uuid::Uuid::new_v4().to_string();
        let request = CreateCustomerRequest { customer: Some(record), request_id };
        let mut customers = CustomerServiceClient::new(shop.staff.connect(&stage.identity)?);
        let made = until(BACK_WITHIN, async || customers.create_customer(request.clone()).await).await?.into_inner();
        let stranger = match way {
            Way::Forwards => Some(friend(scene, &format!("他人{seed}-{n}")).await?),
            Way::Links | Way::Unlinks => None,
        };
        Ok(Self {
            person: friend(scene, &format!("連携{seed}-{n}")).await?,
            stranger,
            way,
            customer: made.customer.unwrap_or_default().customer_id,
            taps: 0,
            texts: Vec::new(),
            timing: Timing::draw(&mut Dice::new(seed.wrapping_mul(64).wrapping_add(u64::try_from(n)?))),
            inquires: n >= WAYS.len() && n < 2 * WAYS.len(),
            name,
            mobile,
            from: format!("10.{}.{}.{n}", seed / 256 % 256, seed % 256),
            used: BTreeSet::new(),
        })
    }

    /// Somebody else who types the same; the `n`th person of the run.
    pub(super) async fn double(&self, scene: Scene<'_>, n: usize) -> anyhow::Result<Self> {
        let seed = scene.seed;
        Ok(Self {
            person: friend(scene, &format!("連携{seed}-{n}")).await?,
            stranger: None,
            way: self.way,
            customer: self.customer.clone(),
            taps: 0,
            texts: Vec::new(),
            timing: self.timing,
            inquires: self.inquires,
            name: self.name.clone(),
            mobile: self.mobile.clone(),
            from: format!("10.{}.{}.{n}", seed / 256 % 256, seed % 256),
            used: BTreeSet::new(),
        })
    }

    /// Fills the form of a card in and sends it, with as many cards as it takes; where LINE's dialog is.
    pub(super) async fn form(&mut self, scene: Scene<'_>) -> anyhow::Result<String> {
        let Scene { stage, shop, course, browser, .. } = scene;
        course.at_least(self.timing.opens).await;
        let mut tried = Duration::ZERO;
        loop {
            let begun = Instant::now();
            let Some(address) = self.card(stage, shop).await? else {
                tried += begun.elapsed();
                ensure!(tried < DONE_WITHIN, "got no card with {} taps", self.taps);
                continue;
            };
            while let Some(page) = self.open(browser, &address).await? {
                course.at_least(self.timing.submits).await;
                tokio::time::sleep(self.timing.lingers).await;
                let dialog = self.submit(browser, &address, &page).await;
                if let Some(dialog) = dialog {
                    self.used.insert(address);
                    return Ok(dialog);
                }
            }
            // What was sent with it has come, though nobody said so.
            self.used.insert(address);
            tried += begun.elapsed();
            ensure!(tried < DONE_WITHIN, "got through to no dialog with {} taps", self.taps);
        }
    }

    /// Taps, and waits for a card that is not used up; none where that takes too long.
    async fn card(&mut self, stage: &Stage, shop: &Shop) -> anyhow::Result<Option<String>> {
        self.taps += 1;
        let data = if self.inquires { "tsunagi:inquiry" } else { "tsunagi:reservations" };
        tap(stage, shop, &self.person, data).await?;
        let card = until(PATIENCE, async || {
            let sent = sent_to(stage, shop, &self.person).await?;
            let card = sent.iter().flat_map(addresses).find(|address| !self.used.contains(*address));
            card.map(str::to_owned).context("no card")
        });
        Ok(card.await.ok())
    }

    /// Opens a form, once the pages are there; none where its card is used up.
    async fn open(&self, browser: &reqwest::Client, address: &str) -> anyhow::Result<Option<Page>> {
        until(BACK_WITHIN, async || {
            let answer = browser.get(address).header("x-forwarded-for", &self.from).send().await?;
            if answer.status() == 404 {
                return Ok(None);
            }
            ensure!(answer.status() == 200, "the form answers {}", answer.status());
            let cookie = answer.headers().get(SET_COOKIE).and_then(|cookie| cookie.to_str().ok()).unwrap_or_default();
            let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
            let html = answer.text().await?;
            let proof = html.split_once("name=\"proof\" value=\"").and_then(|(_, rest)| rest.split_once('"'));
            let proof = proof.context("no form on the page")?.0.to_owned();
            Ok::<_, anyhow::Error>(Some(Page { cookie, proof }))
        })
        .await
    }

    /// Sends a form; none where LINE's dialog does not come of it.
    async fn submit(&mut self, browser: &reqwest::Client, address: &str, page: &Page) -> Option<String> {
        let text = format!("お問い合わせ {} {}", self.name.given, self.texts.len());
        let answer = self.filled_in(browser, address, page, &text).send().await;
        if self.inquires {
            self.texts.push(text);
        }
        let dialog = answer.ok()?.headers().get(LOCATION)?.to_str().ok()?.to_owned();
        Some(dialog)
    }

    fn filled_in(&self, browser: &reqwest::Client, address: &str, page: &Page, text: &str) -> reqwest::RequestBuilder {
        let asked = if self.inquires { ("text", text) } else { ("mobile", self.mobile.as_str()) };
        let typed = [("family", self.name.family.as_str()), ("given", &self.name.given), asked, ("proof", &page.proof)];
        let request = browser.post(address).header("x-forwarded-for", &self.from).header("cookie", &page.cookie);
        request.form(&typed)
    }
}

/// The text of a message in LINE's books, or what stands for it in a list of chats.
pub(super) fn said(message: &Value) -> &str {
    message["altText"].as_str().or(message["text"].as_str()).unwrap_or_default()
}
