//! Reservations in a run (F-107): a booking system makes, moves and cancels those of customers who are linked, each so that its reminder
//! comes due in the run.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use chrono::{SubsecRound as _, TimeDelta};
use contracts::identity::v1::customer_service_client::CustomerServiceClient;
use contracts::identity::v1::{Activity, ActivityKind, ActivityState, RecordActivityRequest};
use contracts::messaging::v1::ListConversationsRequest;
use contracts::scheduler::v1::reminder_rule::When;
use contracts::scheduler::v1::reminder_rule_service_client::ReminderRuleServiceClient;
use contracts::scheduler::v1::{CreateReminderRuleRequest, ReminderRule};
use futures::future::try_join_all;
use kernel::{Clock as _, SystemClock, Timestamp};
use sqlx::PgPool;
use tsunagi::stage::{Connection, Person, Shop, Stage, until};
use uuid::Uuid;

use super::dice::Dice;
use super::linking::{self, BACK_WITHIN, Linker, Scene, Way};
use super::phase::{Course, Phase};
use super::timers::Ends;

/// What every reminder begins with; the time of day at which the reservation begins follows.
pub(super) const REMINDS: &str = "ご予約のお知らせ ";
/// How long before a reservation customers are reminded: the shortest there is.
pub(super) const BEFORE: TimeDelta = TimeDelta::minutes(10);
/// How soon a reminder is due.
const AHEAD: (Duration, Duration) = (Duration::from_millis(1_500), Duration::from_secs(5));
/// How soon a reservation begins for which no reminder is in time.
const BEGINS: TimeDelta = TimeDelta::milliseconds(1_500);
/// The pause between two customers.
const BETWEEN: Duration = Duration::from_millis(150);
/// How long a caller goes on trying.
const DONE_WITHIN: Duration = Duration::from_mins(2);
/// How often a reservation is moved at most until its reminder is known in time.
const TRIES: usize = 30;
/// The seed of no run, by which the customers are named.
const NOBODYS: u64 = 999_999;

/// What becomes of the reservation of each customer, by the person's number among all who link.
const FATES: [(usize, Fate); 6] =
    [(0, Fate::Stands), (1, Fate::Stands), (2, Fate::Moved), (6, Fate::Moved), (7, Fate::Cancelled), (8, Fate::Begins)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stands,
    Moved,
    Cancelled,
    /// It begins at once.
    Begins,
}

/// A customer who is linked, and what becomes of the customer's reservations.
#[derive(Debug)]
pub(super) struct Guest {
    person: Person,
    customer: String,
    fate: Fate,
}

/// A reservation of a run.
#[derive(Clone, Debug)]
pub(super) struct Booked {
    pub(super) person: Person,
    pub(super) activity: String,
    /// When it was to begin, and how often its customer is reminded of that.
    pub(super) starts: Vec<(Timestamp, Ends)>,
}

/// Has customers reminded, and links those who will be.
pub(super) async fn guests(stage: &Stage, shop: &Shop) -> anyhow::Result<Vec<Guest>> {
    let rule = ReminderRule {
        template: format!("{REMINDS}{{time}}"),
        when: Some(When::Before(prost_types::Duration { seconds: BEFORE.num_seconds(), nanos: 0 })),
        active: true,
        ..ReminderRule::default()
    };
    let mut rules = ReminderRuleServiceClient::new(shop.staff.connect(&stage.scheduler)?);
    let request = CreateReminderRuleRequest { reminder_rule: Some(rule), ..CreateReminderRuleRequest::default() };
    until(BACK_WITHIN, async || rules.create_reminder_rule(request.clone()).await).await?;
    let (course, browser) = (Course::new(), linking::browser()?);
    course.reach(Phase::After);
    let scene = Scene { stage, shop, course: &course, browser: &browser, seed: NOBODYS };
    try_join_all(FATES.map(|(n, fate)| guest(scene, n, fate))).await
}

/// Links a customer, and waits until messaging knows where to write.
async fn guest(scene: Scene<'_>, n: usize, fate: Fate) -> anyhow::Result<Guest> {
    let Scene { stage, shop, .. } = scene;
    let mut linker = Linker::new(scene, n, Way::Links).await?;
    let dialog = linker.form(scene).await?;
    linking::confirm(stage, &linker.person, &dialog).await?;
    let mut conversations = shop.conversations(stage)?;
    until(BACK_WITHIN, async || {
        let request = ListConversationsRequest { customer_id: linker.customer.clone(), ..Default::default() };
        let found = conversations.list_conversations(request).await?.into_inner().conversations;
        ensure!(found.len() == 1, "messaging knows of {} conversations of the customer", found.len());
        Ok(())
    })
    .await?;
    Ok(Guest { person: linker.person, customer: linker.customer, fate })
}

/// Makes a reservation for each customer, and moves and cancels some. `turned`: somebody's clock is wrong meanwhile, so that a reminder
/// may be too late by it.
pub(super) async fn book(
    stage: &Stage,
    shop: &Shop,
    tables: &PgPool,
    guests: &[Guest],
    (seed, turned): (u64, bool),
) -> anyhow::Result<Vec<Booked>> {
    let client = CustomerServiceClient::new(shop.program.connect(&stage.identity)?);
    try_join_all(guests.iter().zip(0u32..).map(|(guest, n)| {
        let (client, dice) = (client.clone(), Dice::new(seed.wrapping_mul(64).wrapping_add(n.into())));
        async move {
            tokio::time::sleep(BETWEEN * n).await;
            let told = Activity {
                customer_id: guest.customer.clone(),
                kind: ActivityKind::Reservation.into(),
                external_reference: format!("予約{seed}-{n}"),
                ..Activity::default()
            };
            let mut desk = Desk { client, tables, told, dice, turned, starts: Vec::new() };
            desk.serve(guest.fate).await?;
            Ok(Booked { person: guest.person.clone(), activity: desk.told.activity_id, starts: desk.starts })
        }
    }))
    .await
}

/// Whoever books for one customer.
struct Desk<'a> {
    client: CustomerServiceClient<Connection>,
    tables: &'a PgPool,
    told: Activity,
    dice: Dice,
    turned: bool,
    starts: Vec<(Timestamp, Ends)>,
}

impl Desk<'_> {
    async fn serve(&mut self, fate: Fate) -> anyhow::Result<()> {
        if fate == Fate::Begins {
            let start = (SystemClock.now() + BEGINS).trunc_subsecs(3);
            self.record(ActivityState::Active, start).await?;
            self.starts.push((start, Ends::Never));
            return Ok(());
        }
        let start = self.stands().await?;
        tokio::time::sleep(AHEAD.0 / 3).await;
        match fate {
            Fate::Moved => self.stands().await.map(drop),
            Fate::Cancelled => self.record(ActivityState::Cancelled, start).await.map(drop),
            Fate::Stands | Fate::Begins => Ok(()),
        }
    }

    /// Has the reservation begin at a new time whose reminder is known before it is due; which it is.
    async fn stands(&mut self) -> anyhow::Result<Timestamp> {
        for _ in 0..TRIES {
            let ahead = TimeDelta::from_std(self.dice.duration(AHEAD.0, AHEAD.1))?;
            let start = (SystemClock.now() + BEFORE + ahead).trunc_subsecs(3);
            let known = self.record(ActivityState::Active, start).await?;
            let in_time = known < start - BEFORE;
            self.starts.push((start, if in_time && !self.turned { Ends::Once } else { Ends::AtMostOnce }));
            if in_time || self.turned {
                return Ok(start);
            }
        }
        anyhow::bail!("no reminder was known before it was due, {TRIES} times")
    }

    /// Tells the reservation as it is now, and when scheduler knew it so, by the database's clock: what is due after that is reminded of as
    /// it was told, and nothing else is.
    async fn record(&mut self, state: ActivityState, start: Timestamp) -> anyhow::Result<Timestamp> {
        self.told.state = state.into();
        self.told.start_time = Some(contracts::timestamp(start));
        let activity = Some(Activity { activity_id: String::new(), ..self.told.clone() });
        let request = RecordActivityRequest { activity, request_id: Uuid::new_v4().to_string() };
        let recorded = until(DONE_WITHIN, async || self.client.record_activity(request.clone()).await).await?;
        self.told.activity_id = recorded.into_inner().activity.unwrap_or_default().activity_id;
        let activity: Uuid = self.told.activity_id.parse()?;
        let known = until(DONE_WITHIN, async || {
            let known = "SELECT clock_timestamp() FROM scheduler.reservation
                 WHERE activity_id = $1 AND start_time = $2 AND active = $3";
            let known = sqlx::query_scalar(known).bind(activity).bind(start).bind(state == ActivityState::Active);
            known.fetch_optional(self.tables).await?.context("scheduler does not know the reservation")
        })
        .await?;
        for (former, ends) in &mut self.starts {
            let in_time = !self.turned && known < *former - BEFORE;
            *ends = if in_time { Ends::Never } else { Ends::AtMostOnce };
        }
        Ok(known)
    }
}
