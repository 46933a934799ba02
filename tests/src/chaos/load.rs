//! The traffic of a run: friends write, staff answer, now or at a time, people come and go, some link, customers book, and a program
//! keeps timers, whatever happens meanwhile.

use std::time::Duration;

use contracts::messaging::v1::message_content::Kind as Content;
use contracts::messaging::v1::{MessageContent, SendMessageRequest, TextContent};
use kernel::Timestamp;
use line_simulator::{Act, Media, Writing};
use sqlx::{PgConnection, PgPool};
use tsunagi::stage::{Person, Shop, Stage, until};

use super::digests::Slots;
use super::handover::{self, Handover};
use super::hurry;
use super::linking::{self, Linker, Scene};
use super::notices::{self, Before};
use super::phase::Course;
use super::reservations::{self, Booked, Guest};
use super::scheduled::{self, Kept};
use super::staff::Staff;
use super::timers::{self, Wanted};
use crate::hearing::Hearing;
use crate::platform::Platform;

/// Friends who write.
pub(super) const FRIENDS: usize = 8;
/// Messages of friends in a run.
const WRITTEN: usize = 60;
/// Messages between two files that friends send.
const A_FILE_EVERY: usize = 10;
/// Answers of staff in a run.
const ANSWERED: usize = 40;
/// People who add the account in a run; every other one blocks it again.
const CAME: usize = 12;
/// How long a caller goes on trying to have an answer queued.
const QUEUED_WITHIN: Duration = Duration::from_mins(2);

/// A shop and its friends, each with a conversation.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) shop: Shop,
    friends: Vec<(Person, String)>,
    /// Customers who book.
    guests: Vec<Guest>,
    /// Who hears of all that, on LINE.
    pub(super) staff: Staff,
    /// The digests' slots of all runs.
    pub(super) slots: Slots,
    /// The database, for its administrator.
    pub(super) tables: PgPool,
    /// Who hears of the timers, from the first run to the last.
    _hearing: Hearing,
}

/// What was said, and where.
type Texts = Vec<(String, String)>;

/// What was written and answered in a run.
#[derive(Debug)]
pub(super) struct Sent {
    /// Texts of friends, with the conversation each belongs to.
    pub(super) written: Vec<(String, String)>,
    /// Names of files that friends sent, with the conversation each belongs to.
    pub(super) files: Vec<(String, String)>,
    /// Texts of staff, with the message each was queued as.
    pub(super) answered: Vec<(String, String)>,
    /// LINE user IDs of people who came, and whether they stayed.
    pub(super) came: Vec<(String, bool)>,
    /// People who linked, or tried.
    pub(super) linkers: Vec<Linker>,
    /// A link that was taken over.
    pub(super) handover: Handover,
    /// The run.
    pub(super) seed: u64,
    /// Replies that were written for a time.
    pub(super) kept: Vec<Kept>,
    /// Timers of a program.
    pub(super) timers: Vec<Wanted>,
    /// Reservations.
    pub(super) booked: Vec<Booked>,
    /// Slots of digests.
    pub(super) slots: Vec<Timestamp>,
    /// Whether somebody's clock was wrong.
    pub(super) turned: bool,
}

impl Load {
    /// Opens the shop, binds its staff on LINE, and has everybody write once.
    pub(super) async fn prepare(platform: &Platform) -> anyhow::Result<Self> {
        let stage = platform.stage();
        let tables = PgPool::connect_lazy(&platform.admin_url())?;
        let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
        let staff = Staff::bind(&stage, &shop, &tables).await?;
        staff.let_wait(&stage, &shop).await?;
        let mut friends = Vec::new();
        for n in 0..FRIENDS {
            let person = shop.person(&stage, &format!("友だち{n}")).await?;
            let hello = format!("はじめまして{n}");
            stage.line.add_friend(&shop.card.channel_id, &person.id).await?;
            stage.line.write_text(&shop.card.channel_id, &person.id, &hello).await?;
            let (conversation, _) = shop.sees(&stage, &hello).await?;
            friends.push((person, conversation.conversation_id));
        }
        let guests = reservations::guests(&stage, &shop).await?;
        let hearing = Hearing::start(platform).await?;
        let load = Self { shop, friends, guests, staff, slots: Slots::new()?, tables, _hearing: hearing };
        until(QUEUED_WITHIN, async || {
            let heard = load.staff.heard(&stage, 0).await?;
            notices::settled(&load.tables, &load.staff, Before::default(), &[], &heard).await
        })
        .await?;
        Ok(load)
    }

    /// A run's traffic: ends when everything is written, every answer is queued, every timer is made, every reservation known, every slot
    /// over, and whoever links is through, some of them with steps before the fault, in the middle of it and after it. `hurries` is the
    /// database where somebody hurries.
    pub(super) async fn traffic(
        &self,
        stage: &Stage,
        course: &Course,
        seed: u64,
        hurries: Option<PgConnection>,
    ) -> anyhow::Result<Sent> {
        let browser = linking::browser()?;
        let turned = hurries.is_some();
        let scene = Scene { stage, shop: &self.shop, course, browser: &browser, seed };
        let hurry = async {
            match hurries {
                Some(mut admin) => hurry::link(scene, &mut admin).await.map(Some),
                None => Ok(None),
            }
        };
        let ((written, files), answered, came, mut linkers, handover, hurried, timers, kept, booked, slots) = tokio::try_join!(
            self.write(stage, seed),
            self.answer(stage, seed),
            self.come_and_go(stage, seed),
            linking::link(scene),
            handover::hand_over(scene),
            hurry,
            timers::keep(stage, &self.shop, seed, turned),
            self.keep(stage, seed),
            reservations::book(stage, &self.shop, &self.tables, &self.guests, (seed, turned)),
            self.slots.come(stage, &self.shop, &self.tables, seed),
        )?;
        linkers.extend(hurried);
        Ok(Sent { written, files, answered, came, linkers, handover, seed, kept, timers, booked, slots, turned })
    }

    async fn keep(&self, stage: &Stage, seed: u64) -> anyhow::Result<Vec<Kept>> {
        let conversations: Vec<&str> = self.friends.iter().map(|(_, conversation)| conversation.as_str()).collect();
        scheduled::keep(stage, &self.shop, seed, &conversations).await
    }

    async fn come_and_go(&self, stage: &Stage, seed: u64) -> anyhow::Result<Vec<(String, bool)>> {
        let mut came = Vec::new();
        for n in 0..CAME {
            let person = self.shop.person(stage, &format!("来店{seed}-{n}")).await?;
            let stays = n % 2 == 0;
            stage.line.add_friend(&self.shop.card.channel_id, &person.id).await?;
            // LINE's timestamps tell milliseconds apart: nobody blocks in the one they came in.
            tokio::time::sleep(Duration::from_millis(70)).await;
            if !stays {
                stage.line.block(&self.shop.card.channel_id, &person.id).await?;
            }
            came.push((person.user_id.as_str().to_owned(), stays));
        }
        Ok(came)
    }

    async fn write(&self, stage: &Stage, seed: u64) -> anyhow::Result<(Texts, Texts)> {
        let (mut written, mut files) = (Vec::new(), Vec::new());
        for n in 0..WRITTEN {
            let (person, conversation) = &self.friends[n % FRIENDS];
            let text = format!("受信{seed}-{n}");
            stage.line.write_text(&self.shop.card.channel_id, &person.id, &text).await?;
            written.push((text, conversation.clone()));
            if n % A_FILE_EVERY == 0 {
                let name = format!("資料{seed}-{n}");
                let file = Act::Write(Writing::File { file_name: name.clone(), media: Media::default() });
                stage.line.act(&self.shop.card.channel_id, &person.id, file).await?;
                files.push((name, conversation.clone()));
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        Ok((written, files))
    }

    async fn answer(&self, stage: &Stage, seed: u64) -> anyhow::Result<Vec<(String, String)>> {
        let mut answered = Vec::new();
        for n in 0..ANSWERED {
            let text = format!("返信{seed}-{n}");
            let message = answer(stage, &self.shop, &self.friends[n % FRIENDS].1, &text).await?;
            answered.push((text, message));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(answered)
    }
}

/// Has an answer queued, as a careful caller does: the same request ID until the call succeeds.
async fn answer(stage: &Stage, shop: &Shop, conversation: &str, text: &str) -> anyhow::Result<String> {
    let text = TextContent { text: text.to_owned(), ..Default::default() };
    let request = SendMessageRequest {
        conversation_id: conversation.to_owned(),
        content: Some(MessageContent { kind: Some(Content::Text(text)) }),
        request_id: uuid::Uuid::new_v4().to_string(),
        ..Default::default()
    };
    let mut messages = shop.messages(stage)?;
    let queued = until(QUEUED_WITHIN, async || messages.send_message(request.clone()).await).await?;
    Ok(queued.into_inner().message.unwrap_or_default().message_id)
}
