//! Digests in the runs (F-27): the next full minute is a slot, over and over, and each that has passed must have been said once, or be
//! recorded as missed where clocks were wrong; never both, and never twice.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use chrono::{DurationRound as _, TimeDelta};
use contracts::scheduler::v1::digest_service_client::DigestServiceClient;
use contracts::scheduler::v1::{
    DigestSettings, DigestSlot, DigestSlotState, GetDigestSettingsRequest, ListDigestSlotsRequest,
    UpdateDigestSettingsRequest,
};
use kernel::{Clock as _, SystemClock, Timestamp};
use sqlx::PgConnection;
use tsunagi::stage::{Shop, Stage, until};

/// How far ahead a slot must be for its settings to be kept before it.
const AHEAD: TimeDelta = TimeDelta::seconds(2);
/// How long a caller goes on trying.
const DONE_WITHIN: Duration = Duration::from_mins(2);
/// Japan's clock, that of a tenant nobody asked for another.
const ZONE: TimeDelta = TimeDelta::hours(9);
/// Most of a page.
const PAGE: i32 = 200;

/// The slots of all runs so far.
#[derive(Debug, Default)]
pub(super) struct Slots(Mutex<Vec<Slot>>);

/// A slot that was settled on before it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    moment: Timestamp,
    /// Whether clocks were wrong when it may have come, so that it may have been too late.
    turned: bool,
}

impl Slots {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a digest come at the next full minute, unless one is to come already. Not while clocks are wrong: a minute of theirs is not
    /// ours.
    pub(super) async fn settle_on_next(&self, stage: &Stage, shop: &Shop, turned: bool) -> anyhow::Result<()> {
        let now = SystemClock.now();
        if turned {
            self.lock().iter_mut().for_each(|slot| slot.turned |= slot.moment > now - TimeDelta::minutes(1));
            return Ok(());
        }
        if self.lock().iter().any(|slot| slot.moment > now) {
            return Ok(());
        }
        let mut client = DigestServiceClient::new(shop.staff.connect(&stage.scheduler)?);
        let minute = TimeDelta::minutes(1);
        let moment = (now + AHEAD).duration_trunc(minute)? + minute;
        let settings =
            DigestSettings { times: vec![(moment + ZONE).format("%H:%M").to_string()], ..DigestSettings::default() };
        let request = UpdateDigestSettingsRequest { digest_settings: Some(settings), ..Default::default() };
        until(DONE_WITHIN, async || client.update_digest_settings(request.clone()).await).await?;
        if SystemClock.now() < moment {
            self.lock().push(Slot { moment, turned });
        }
        Ok(())
    }

    /// Whether each that has passed has come to one end; how many.
    pub(super) async fn settled(&self, stage: &Stage, shop: &Shop, admin: &mut PgConnection) -> anyhow::Result<usize> {
        let now = SystemClock.now();
        let passed: Vec<Slot> = self.lock().iter().copied().filter(|slot| slot.moment < now).collect();
        let mut client = DigestServiceClient::new(shop.staff.connect(&stage.scheduler)?);
        let zone = client.get_digest_settings(GetDigestSettingsRequest {}).await?.into_inner().digest_settings;
        ensure!(zone.context("no settings")?.time_zone == "Asia/Tokyo", "the tenant lives by another clock");
        let request = ListDigestSlotsRequest { page_size: PAGE, ..Default::default() };
        let listed = client.list_digest_slots(request).await?.into_inner().digest_slots;
        for slot in &passed {
            let of_slot = listed
                .iter()
                .filter(|one| one.slot_time.as_ref().and_then(contracts::to_timestamp) == Some(slot.moment));
            let states: Vec<DigestSlotState> = of_slot.map(DigestSlot::state).collect();
            let heard: i64 = sqlx::query_scalar("SELECT count(*) FROM messaging.digest_slot WHERE slot_time = $1")
                .bind(slot.moment)
                .fetch_one(&mut *admin)
                .await?;
            check(slot, &states, heard)?;
        }
        let said: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM scheduler.outbox WHERE tenant_id = $1 AND happened = 'digest_due'",
        )
        .bind(shop.tenant.uuid())
        .fetch_one(&mut *admin)
        .await?;
        let recorded = listed.iter().filter(|slot| slot.state() == DigestSlotState::Said).count();
        ensure!(usize::try_from(said)? == recorded, "{said} slots are said, {recorded} recorded as said");
        Ok(passed.len())
    }
}

/// Whether a slot that has passed was said and heard once, or recorded as missed. `heard`: how often messaging-outbox has it.
fn check(slot: &Slot, states: &[DigestSlotState], heard: i64) -> anyhow::Result<()> {
    let Slot { moment, turned } = slot;
    ensure!(states.len() == 1, "the slot of {moment} is listed {} times", states.len());
    let was_said = states[0] == DigestSlotState::Said;
    ensure!(was_said || *turned, "the slot of {moment} is {}", states[0].as_str_name());
    ensure!(
        heard == i64::from(was_said),
        "the slot of {moment} is {}, and heard {heard} times",
        states[0].as_str_name()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_be_wrong_is_seen() {
        use DigestSlotState::{Said, TooLate};
        let slot = |turned| Slot { moment: SystemClock.now(), turned };
        assert!(check(&slot(false), &[Said], 1).is_ok() && check(&slot(true), &[TooLate], 0).is_ok());
        for (turned, states, heard) in [
            (false, &[][..], 0),
            (false, &[Said, Said], 1),
            (false, &[Said], 0),
            (false, &[Said], 2),
            (false, &[TooLate], 0),
            (true, &[TooLate], 1),
            (true, &[], 0),
        ] {
            assert!(check(&slot(turned), states, heard).is_err(), "{turned} {states:?} {heard}");
        }
    }
}
