//! The traffic of a run: friends write, staff answer, now or at a time, people come and go, some link, and a program keeps timers,
//! whatever happens meanwhile.

use std::time::Duration;

use contracts::messaging::v1::message_content::Kind as Content;
use contracts::messaging::v1::{MessageContent, SendMessageRequest, TextContent};
use line_simulator::{Act, Media, Writing};
use sqlx::PgConnection;
use tsunagi::stage::{Person, Shop, Stage, until};

use super::digests::Slots;
use super::handover::{self, Handover};
use super::hurry;
use super::linking::{self, Linker, Scene};
use super::phase::Course;
use super::scheduled::{self, Kept};
use super::timers::{self, Wanted};
use crate::hearing::Hearing;
use crate::platform::Platform;

/// Friends who write.
const FRIENDS: usize = 8;
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
    /// The digests' slots of all runs.
    pub(super) slots: Slots,
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
    /// Whether somebody's clock was wrong.
    pub(super) turned: bool,
}

impl Load {
    /// Opens the shop and has everybody write once.
    pub(super) async fn prepare(platform: &Platform) -> anyhow::Result<Self> {
        let stage = platform.stage();
        let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
        let mut friends = Vec::new();
        for n in 0..FRIENDS {
            let person = shop.person(&stage, &format!("友だち{n}")).await?;
            let hello = format!("はじめまして{n}");
            stage.line.add_friend(&shop.card.channel_id, &person.id).await?;
            stage.line.write_text(&shop.card.channel_id, &person.id, &hello).await?;
            let (conversation, _) = shop.sees(&stage, &hello).await?;
            friends.push((person, conversation.conversation_id));
        }
        Ok(Self { shop, friends, slots: Slots::default(), _hearing: Hearing::start(platform).await? })
    }

    /// A run's traffic: ends when everything is written, every answer is queued, every timer is made, and whoever links is through,
    /// some of them with steps before the fault, in the middle of it and after it. `hurries` is the database where somebody hurries.
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
        let ((written, files), answered, came, mut linkers, handover, hurried, timers, kept, ()) = tokio::try_join!(
            self.write(stage, seed),
            self.answer(stage, seed),
            self.come_and_go(stage, seed),
            linking::link(scene),
            handover::hand_over(scene),
            hurry,
            timers::keep(stage, &self.shop, seed, turned),
            self.keep(stage, seed),
            self.slots.settle_on_next(stage, &self.shop, turned),
        )?;
        linkers.extend(hurried);
        Ok(Sent { written, files, answered, came, linkers, handover, seed, kept, timers, turned })
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
