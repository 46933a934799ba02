//! Steps of an evening and the next morning: staff hear at eight and at twenty, put off what must wait, and answer at night for the
//! morning. LINE's clock, by which every process lives here, is turned from one to the next.

use anyhow::{Context as _, ensure};
use chrono::{FixedOffset, NaiveTime, TimeDelta};
use contracts::identity::v1::customer_service_client::CustomerServiceClient;
use contracts::identity::v1::{Activity, ActivityKind, ActivityState, RecordActivityRequest};
use contracts::messaging::v1::message_content::Kind as Content;
use contracts::messaging::v1::{
    ListConversationsRequest, MarkReadRequest, MessageContent, MessageState, PutOffConversationRequest,
    RescheduleMessageRequest, SendMessageRequest, SendMethod, TextContent,
};
use contracts::scheduler::v1::reminder_rule::When;
use contracts::scheduler::v1::reminder_rule_service_client::ReminderRuleServiceClient;
use contracts::scheduler::v1::{CreateReminderRuleRequest, DaysBefore, ReminderRule};
use contracts::timestamp;
use kernel::Timestamp;
use line_simulator::{AccountCard, Method};

use super::steps::WITHIN;
use crate::stage::{Person, Shop, Stage, texts, until};

/// What staff write at night.
const AT_NIGHT: &str = "お問い合わせありがとうございます。土曜の午前でしたら空きがございます";
/// What they make of it before they sleep.
const FOR_THE_MORNING: &str = "おはようございます。土曜の10時でしたら空きがございます";
/// What a digest says of those who are linked to nobody, and of what was put off.
pub(super) const UNLINKED: &str = "顧客と未連携の方: ";
pub(super) const PUT_OFF: &str = "後で通知: 1件";
/// What a customer asks in the evening.
pub(super) const ASKED: &str = "週末の空きはありますか";

/// A shop's staff as LINE sees them.
pub(super) struct Evening<'a> {
    pub(super) shop: &'a Shop,
    /// The account for staff.
    pub(super) account: &'a AccountCard,
    /// The staff member.
    pub(super) member: &'a Person,
}

impl Evening<'_> {
    /// Turns the clock to the next time it is `hour:minute` in Tokyo.
    pub(super) async fn turn(&self, stage: &Stage, hour: u32, minute: u32) -> anyhow::Result<Timestamp> {
        let now = stage.line.clock().await?.now;
        let next = next(now, hour, minute)?;
        let now = stage.turn(next - now).await?;
        self.shop.keeps_pace(stage).await?;
        Ok(now)
    }

    pub(super) async fn staff_bind_on_line(&self, stage: &Stage) -> anyhow::Result<String> {
        let said = self.shop.binds_staff(stage, self.account, self.member).await?;
        ensure!(said.method == Method::Reply, "it went by {:?}", said.method);
        Ok(format!("「{}」", texts(&said).join(" ")))
    }

    pub(super) async fn friend_add_is_told(&self, stage: &Stage, person: &Person) -> anyhow::Result<String> {
        let before = Shop::heard(stage, self.account, self.member).await?.len();
        stage.line.add_friend(&self.shop.card.channel_id, &person.id).await?;
        let told = Shop::hears(stage, self.account, self.member, before).await?;
        Ok(format!("「{}」", texts(&told).join(" ").replace('\n', " ")))
    }

    pub(super) async fn bar_turns_yellow(&self, stage: &Stage, person: &Person) -> anyhow::Result<String> {
        self.turn(stage, 19, 50).await?;
        stage.line.write_text(&self.shop.card.channel_id, &person.id, ASKED).await?;
        self.shop.sees(stage, ASKED).await?;
        self.bar(stage, true).await
    }

    async fn bar(&self, stage: &Stage, yellow: bool) -> anyhow::Result<String> {
        until(WITHIN, async || {
            let shown = stage.line.rich_menu(&self.account.channel_id, &self.member.id).await;
            let menu = shown.map_err(|problem| problem.to_string())?.and_then(|shown| shown.menu);
            let name = menu.map(|menu| menu.name).unwrap_or_default();
            if !name.is_empty() && name.contains("unread") == yellow {
                Ok(name)
            } else {
                Err(format!("the menu is {name:?}"))
            }
        })
        .await
    }

    /// Turns the clock to `hour`, whose digest must come as a push with a line that begins so.
    pub(super) async fn digest_comes(&self, stage: &Stage, hour: u32, line: &str) -> anyhow::Result<String> {
        let before = Shop::heard(stage, self.account, self.member).await?.len();
        self.turn(stage, hour, 0).await?;
        let told = Shop::hears(stage, self.account, self.member, before).await?;
        ensure!(told.method == Method::Push, "it went by {:?}", told.method);
        let text = texts(&told).join(" ");
        ensure!(text.lines().any(|one| one.trim().starts_with(line)), "it does not say {line}: {text}");
        Ok(format!("「{}」", text.replace('\n', " ")))
    }

    pub(super) async fn put_off_stays(&self, stage: &Stage) -> anyhow::Result<String> {
        let (conversation, _) = self.shop.sees(stage, ASKED).await?;
        let mut conversations = self.shop.conversations(stage)?;
        let conversation_id = conversation.conversation_id;
        let put_off = PutOffConversationRequest { conversation_id: conversation_id.clone() };
        conversations.put_off_conversation(put_off).await?;
        let read = MarkReadRequest { conversation_id, ..Default::default() };
        let now = conversations.mark_read(read).await?.into_inner().conversation.unwrap_or_default();
        ensure!(now.unread_count == 0 && now.put_off_time.is_some(), "it is not put off");
        self.bar(stage, true).await?;
        Ok("read, put off, and the bar is still yellow".to_owned())
    }

    /// Writes at night what goes at nine; returns the message.
    pub(super) async fn reply_waits_for_the_morning(&self, stage: &Stage) -> anyhow::Result<(String, String)> {
        let now = self.turn(stage, 23, 40).await?;
        let (conversation, _) = self.shop.sees(stage, ASKED).await?;
        let request = SendMessageRequest {
            conversation_id: conversation.conversation_id,
            content: Some(text(AT_NIGHT)),
            request_id: uuid::Uuid::new_v4().to_string(),
            send_time: Some(timestamp(next(now, 9, 0)?)),
            ..Default::default()
        };
        let mut messages = self.shop.messages(stage)?;
        let message = messages.send_message(request).await?.into_inner().message.unwrap_or_default();
        ensure!(message.state() == MessageState::Scheduled, "it is {}", message.state().as_str_name());
        let changed = RescheduleMessageRequest {
            message_id: message.message_id.clone(),
            content: Some(text(FOR_THE_MORNING)),
            ..Default::default()
        };
        messages.reschedule_message(changed).await?;
        Ok((message.message_id, "SCHEDULED for 9:00, and put into other words before bed".to_owned()))
    }

    /// Books `customer_id` for three in the afternoon of tomorrow, to be reminded of at half past eight.
    pub(super) async fn reservation_is_booked(&self, stage: &Stage, customer_id: &str) -> anyhow::Result<String> {
        let rule = ReminderRule {
            template: "{customer_name}様 本日{time}のご予約をお待ちしております".to_owned(),
            when: Some(When::DaysBefore(DaysBefore { days: 0, time_of_day: "08:30".to_owned() })),
            active: true,
            ..Default::default()
        };
        let mut rules = ReminderRuleServiceClient::new(self.shop.staff.connect(&stage.scheduler)?);
        let request = CreateReminderRuleRequest { reminder_rule: Some(rule), ..Default::default() };
        until(WITHIN, async || rules.create_reminder_rule(request.clone()).await).await?;
        let now = stage.line.clock().await?.now;
        let start = next(now, 9, 0)? + TimeDelta::hours(6);
        let activity = Activity {
            customer_id: customer_id.to_owned(),
            kind: ActivityKind::Reservation.into(),
            state: ActivityState::Active.into(),
            external_reference: "R-1001".to_owned(),
            start_time: Some(timestamp(start)),
            ..Default::default()
        };
        let request = RecordActivityRequest { activity: Some(activity), ..Default::default() };
        CustomerServiceClient::new(self.shop.program.connect(&stage.identity)?).record_activity(request).await?;
        Ok("booked for 15:00 of the next day".to_owned())
    }

    pub(super) async fn customer_is_reminded(&self, stage: &Stage, person: &Person) -> anyhow::Result<String> {
        let before = self.shop.sent_to(stage, person).await?.len();
        self.turn(stage, 8, 30).await?;
        let reminded = self.shop.answers_person(stage, person, before).await?;
        ensure!(reminded.method == Method::Push, "it went by {:?}", reminded.method);
        let text = texts(&reminded).first().copied().context("it says nothing")?.to_owned();
        ensure!(text.contains("高橋 健様 本日15:00"), "it says {text}");
        Ok(format!("「{text}」"))
    }

    pub(super) async fn reply_goes_in_the_morning(
        &self,
        stage: &Stage,
        person: &Person,
        message: &str,
    ) -> anyhow::Result<String> {
        let before = self.shop.sent_to(stage, person).await?.len();
        self.turn(stage, 9, 0).await?;
        let sent = self.shop.reaches(stage, message, MessageState::Accepted).await?;
        ensure!(sent.send_method() == SendMethod::Push, "it went by {:?}", sent.send_method());
        let said = self.shop.answers_person(stage, person, before).await?;
        ensure!(texts(&said) == [FOR_THE_MORNING], "it says {:?}", texts(&said));
        let mut conversations = self.shop.conversations(stage)?;
        let unread = ListConversationsRequest { unread_only: true, ..Default::default() };
        for waiting in conversations.list_conversations(unread).await?.into_inner().conversations {
            let read = MarkReadRequest { conversation_id: waiting.conversation_id, ..Default::default() };
            conversations.mark_read(read).await?;
        }
        self.bar(stage, false).await?;
        let by = sent.sender.unwrap_or_default().staff_display_name;
        Ok(format!("「{FOR_THE_MORNING}」 by {by} at 9:00; the rest is read, and the bar is gone"))
    }
}

/// The first moment behind `now` at which it is `hour:minute` in Tokyo.
fn next(now: Timestamp, hour: u32, minute: u32) -> anyhow::Result<Timestamp> {
    let tokyo = FixedOffset::east_opt(9 * 3_600).context("no such zone")?;
    let time = NaiveTime::from_hms_opt(hour, minute, 0).context("no such time")?;
    let today = now.with_timezone(&tokyo).with_time(time).single().context("no such time today")?.to_utc();
    Ok(if today > now { today } else { today + TimeDelta::days(1) })
}

fn text(text: &str) -> MessageContent {
    MessageContent { kind: Some(Content::Text(TextContent { text: text.to_owned(), ..Default::default() })) }
}
