//! Digests in the runs (F-27): slots come due while services die and clocks are wrong, and each must be said once, and reach each staff
//! member for whom something waits once, on LINE.
//!
//! A slot is a minute of the wall clock, and a run does not wait for one: each takes minutes that have passed, as if the schedulers had
//! been away since. They are all within what may be late, however wrong a clock is.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use chrono::{DurationRound as _, TimeDelta};
use contracts::scheduler::v1::digest_schedule_service_client::DigestScheduleServiceClient;
use contracts::scheduler::v1::{DigestSettings, DigestSlotState, UpdateDigestSettingsRequest};
use kernel::{Clock as _, SystemClock, Timestamp};
use messaging_outbox_core::digest::Outcome;
use sqlx::PgPool;
use tsunagi::stage::{Shop, Stage, until};
use uuid::Uuid;

use super::dice::Dice;
use super::load::FRIENDS;
use super::staff::{Heard, Member, PUT_OFF, Staff, WAIT};

/// Slots of a run.
const SLOTS: usize = 2;
/// How long after the run began, or the slot before, a slot comes due.
const BETWEEN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(1_500));
/// How long a caller goes on trying, and how long a slot may take to be over.
const DONE_WITHIN: Duration = Duration::from_mins(2);
/// Minutes that are taken at most. With the farthest a clock jumps they are less than a day, after which a slot would be missed, and the
/// same time of the next day would be a slot.
const MOST: i64 = 16 * 60;
/// Japan's clock, that of a tenant nobody asked for another.
const ZONE: TimeDelta = TimeDelta::hours(9);

/// The minutes that were taken in all runs so far, backwards from the first run.
#[derive(Debug)]
pub(super) struct Slots {
    newest: Timestamp,
    taken: AtomicI64,
}

/// What became of a slot for a staff member: the digest's outcome, how many conversations waited, how many of them put off, its text.
type Made = (Uuid, i16, i64, i64, String);

/// Where a slot is in the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Found {
    /// What scheduler recorded.
    states: Vec<i16>,
    /// How often messaging-outbox has it.
    heard: i64,
    /// What it made of it.
    made: Vec<Made>,
}

impl Slots {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self { newest: SystemClock.now().duration_trunc(TimeDelta::minutes(1))?, taken: AtomicI64::new(0) })
    }

    /// Lets the slots of a run come due, each when the one before is over; which they are.
    pub(super) async fn come(
        &self,
        stage: &Stage,
        shop: &Shop,
        tables: &PgPool,
        seed: u64,
    ) -> anyhow::Result<Vec<Timestamp>> {
        let (mut dice, mut come) = (Dice::new(seed), Vec::new());
        while come.len() < SLOTS {
            tokio::time::sleep(dice.duration(BETWEEN.0, BETWEEN.1)).await;
            let taken = self.taken.fetch_add(1, Ordering::Relaxed);
            ensure!(taken < MOST, "every minute that may be a slot was one");
            let slot = self.newest - TimeDelta::minutes(taken);
            settle_on(stage, shop, slot).await?;
            until(DONE_WITHIN, async || comes_due(shop, tables, slot).await).await?;
            come.push(slot);
        }
        Ok(come)
    }

    /// Whether each of `slots` was said once and reached whom it must; how many came in all runs so far. `heard`: what LINE has pushed
    /// since before they came.
    pub(super) async fn settled(
        &self,
        shop: &Shop,
        tables: &PgPool,
        staff: &Staff,
        slots: &[Timestamp],
        heard: &Heard,
    ) -> anyhow::Result<usize> {
        for slot in slots {
            let found = found(shop, tables, *slot).await?;
            check(*slot, &found, &staff.members, heard)?;
        }
        let said = "SELECT count(*) FROM scheduler.outbox WHERE tenant_id = $1 AND happened = 'digest_due'";
        let said: i64 = sqlx::query_scalar(said).bind(shop.tenant.uuid()).fetch_one(tables).await?;
        let taken = self.taken.load(Ordering::Relaxed);
        ensure!(said == taken, "{said} slots are said of {taken} that came");
        Ok(usize::try_from(said)?)
    }
}

/// Has the tenant's digest come at the time of day of `slot` alone.
async fn settle_on(stage: &Stage, shop: &Shop, slot: Timestamp) -> anyhow::Result<()> {
    let mut client = DigestScheduleServiceClient::new(shop.staff.connect(&stage.scheduler)?);
    let settings = DigestSettings {
        times: vec![(slot + ZONE).format("%H:%M").to_string()],
        late_for: Some(prost_types::Duration { seconds: 24 * 3_600, nanos: 0 }),
        ..DigestSettings::default()
    };
    let request = UpdateDigestSettingsRequest { digest_settings: Some(settings), ..Default::default() };
    until(DONE_WITHIN, async || client.update_digest_settings(request.clone()).await).await?;
    Ok(())
}

/// Lets nobody have looked at the schedule since `slot` came, unless somebody has by now: ends well when the slot is over.
async fn comes_due(shop: &Shop, tables: &PgPool, slot: Timestamp) -> anyhow::Result<()> {
    let (last, over): (Timestamp, bool) = sqlx::query_as(
        "SELECT last_slot, EXISTS (SELECT FROM scheduler.digest_slot o WHERE o.tenant_id = s.tenant_id AND slot_time = $2)
         FROM scheduler.digest_schedule s WHERE tenant_id = $1",
    )
    .bind(shop.tenant.uuid())
    .bind(slot)
    .fetch_one(tables)
    .await?;
    if over {
        return Ok(());
    }
    // Only what was read is set back: a slot that was said meanwhile stays said.
    let before = slot - TimeDelta::minutes(1);
    sqlx::query(
        "UPDATE scheduler.digest_schedule SET last_slot = $3, next_slot = $2
         WHERE tenant_id = $1 AND last_slot = $4 AND last_slot <> $3",
    )
    .bind(shop.tenant.uuid())
    .bind(slot)
    .bind(before)
    .bind(last)
    .execute(tables)
    .await?;
    anyhow::bail!("the slot of {slot} is neither said nor recorded")
}

async fn found(shop: &Shop, tables: &PgPool, slot: Timestamp) -> anyhow::Result<Found> {
    let tenant = shop.tenant.uuid();
    let states = "SELECT state FROM scheduler.digest_slot WHERE tenant_id = $1 AND slot_time = $2";
    let heard = "SELECT count(*) FROM messaging.digest_slot WHERE tenant_id = $1 AND slot_time = $2";
    let made = "SELECT staff_id, outcome, conversations, put_off, title || E'\\n\\n' || body FROM messaging.digest
         WHERE tenant_id = $1 AND slot_time = $2";
    Ok(Found {
        states: sqlx::query_scalar(states).bind(tenant).bind(slot).fetch_all(tables).await?,
        heard: sqlx::query_scalar(heard).bind(tenant).bind(slot).fetch_one(tables).await?,
        made: sqlx::query_as(made).bind(tenant).bind(slot).fetch_all(tables).await?,
    })
}

/// What each digest of a slot begins with: no other slot of a day has the same.
fn title(slot: Timestamp) -> String {
    format!("未読のお知らせ（{}）", (slot + ZONE).format("%-H:%M"))
}

/// Whether a slot was said and heard once, and LINE pushed it once to each member for whom something waits, with what waits, and to
/// nobody else.
fn check(slot: Timestamp, found: &Found, members: &[Member], heard: &Heard) -> anyhow::Result<()> {
    let Found { states, heard: times, made } = found;
    let said = [DigestSlotState::Said as i16];
    ensure!(states == &said, "the slot of {slot} is recorded as {states:?}");
    ensure!(*times == 1, "the slot of {slot} is heard {times} times");
    ensure!(made.len() == members.len(), "the slot of {slot} made {} digests", made.len());
    let waiting = i64::try_from(FRIENDS + WAIT)?;
    for member in members {
        let name = &member.person.display_name;
        let (_, outcome, conversations, put_off, text) = made
            .iter()
            .find(|one| one.0 == member.id.uuid())
            .with_context(|| format!("{name} has no digest of {slot}"))?;
        let pushed: Vec<&String> =
            heard.get(&member.id).into_iter().flatten().filter(|text| text.starts_with(&title(slot))).collect();
        if member.of_branch {
            ensure!(*outcome == Outcome::Told.code(), "{name}'s digest of {slot} is {outcome}");
            let all = *conversations >= waiting && *put_off == i64::try_from(PUT_OFF)?;
            ensure!(all, "{name}'s digest of {slot} knows of {conversations} conversations, {put_off} put off");
            let counts = [format!("お待ちのトーク: {conversations}件"), format!("後で通知: {put_off}件")];
            ensure!(counts.iter().all(|count| text.contains(count)), "{name}'s digest of {slot} says {text}");
            ensure!(pushed == [text], "{name} is told {} times of the slot of {slot}", pushed.len());
        } else {
            ensure!(*outcome == Outcome::NothingUnread.code(), "{name}'s digest of {slot} is {outcome}");
            ensure!(pushed.is_empty(), "{name}, for whom nothing waits, is told of the slot of {slot}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::staff::tests::members;

    fn found_of(members: &[Member], slot: Timestamp) -> (Found, Heard) {
        let waiting = i64::try_from(FRIENDS + WAIT).unwrap();
        let text = format!("{}\n\nお待ちのトーク: {waiting}件\n　後で通知: 1件", title(slot));
        let made = vec![
            (members[0].id.uuid(), Outcome::Told.code(), waiting, 1, text.clone()),
            (members[1].id.uuid(), Outcome::NothingUnread.code(), 0, 0, "\n\n".to_owned()),
        ];
        let found = Found { states: vec![DigestSlotState::Said as i16], heard: 1, made };
        (found, [(members[0].id, vec!["そのほか".to_owned(), text])].into())
    }

    /// What is done to what is sound.
    type Spoil = fn(&mut Found, &mut Heard, &[Member]);

    #[test]
    fn every_way_to_be_wrong_is_seen() {
        let (slot, members) = (SystemClock.now(), members());
        let (found, heard) = found_of(&members, slot);
        check(slot, &found, &members, &heard).unwrap();
        let spoilt: [(Spoil, &str); 13] = [
            (|found, _, _| found.states.clear(), "recorded as []"),
            (|found, _, _| found.states.push(1), "recorded as [1, 1]"),
            (|found, _, _| found.states[0] = DigestSlotState::TooLate as i16, "recorded as [3]"),
            (|found, _, _| found.heard = 0, "heard 0 times"),
            (|found, _, _| found.heard = 2, "heard 2 times"),
            (|found, _, _| found.made.truncate(1), "made 1 digests"),
            (|found, _, _| found.made[0].0 = Uuid::nil(), "has no digest"),
            (|found, _, _| found.made[0].1 = Outcome::Expired.code(), "digest of"),
            (|found, _, _| found.made[0].2 -= 1, "knows of"),
            (|found, _, _| found.made[0].3 = 0, "0 put off"),
            (|found, _, _| found.made[0].4.truncate(3), "says"),
            (|_, heard, _| heard.values_mut().for_each(|texts| texts.extend(texts.clone())), "told 2 times"),
            (|_, heard, members| drop(heard.remove(&members[0].id)), "told 0 times"),
        ];
        for (spoil, what) in spoilt {
            let (mut found, mut heard) = (found.clone(), heard.clone());
            spoil(&mut found, &mut heard, &members);
            let seen = check(slot, &found, &members, &heard).unwrap_err().to_string();
            assert!(seen.contains(what), "{what}: {seen}");
        }
        let (mut found, mut heard) = (found, heard);
        heard.insert(members[1].id, vec![title(slot)]);
        assert!(check(slot, &found, &members, &heard).unwrap_err().to_string().contains("nothing waits"));
        found.made[1].1 = Outcome::Told.code();
        assert!(check(slot, &found, &members, &heard).is_err());
    }
}
