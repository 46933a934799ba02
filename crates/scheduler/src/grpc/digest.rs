//! `DigestScheduleService`.

use std::collections::BTreeSet;

use chassis::audit::{self, Actor};
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::request::etag;
use chassis::request::fields::Fields;
use chassis::request::mask::Mask;
use chrono::{NaiveDate, Weekday};
use contracts::scheduler::v1::digest_schedule_service_server::DigestScheduleService;
use contracts::scheduler::v1::{
    DigestSettings as WireSettings, DigestSlot as WireSlot, DigestSlotState, GetDigestSettingsRequest,
    GetDigestSettingsResponse, ListDigestSlotsRequest, ListDigestSlotsResponse, UpdateDigestSettingsRequest,
    UpdateDigestSettingsResponse, Weekday as WireWeekday,
};
use contracts::timestamp;
use kernel::{StaffId, Timestamp};
use scheduler_core::LateFor;
use scheduler_core::digest::{DigestSettings, MOST_DATES, MOST_RECIPIENTS, MOST_TIMES, Recipients};
use scheduler_core::slot::{Fate, Quiet, Weekdays};
use scheduler_core::wall_clock::{MinuteOfDay, read_day};
use serde_json::json;
use tonic::{Request, Response, Status};

use super::refusal::Refusal;
use crate::desk::Desk;
use crate::digest as schedules;
use crate::postgres::digest::{self, Schedule, named};
use crate::postgres::digest_slot::{self, PassedSlot};
use crate::postgres::staff;
use crate::postgres::tenant::{self, Tenant};

const CHANGEABLE: &[&str] =
    &["times", "quiet_weekdays", "quiet_dates", "recipient_staff_ids", "late_for", "send_empty"];

/// When tenants' digests come, and what became of them.
pub(crate) struct Digests(pub(crate) Desk);

#[tonic::async_trait]
impl DigestScheduleService for Digests {
    async fn get_digest_settings(
        &self,
        request: Request<GetDigestSettingsRequest>,
    ) -> Result<Response<GetDigestSettingsResponse>, Status> {
        Ok(Response::new(get(&self.0, request).await?))
    }

    async fn update_digest_settings(
        &self,
        request: Request<UpdateDigestSettingsRequest>,
    ) -> Result<Response<UpdateDigestSettingsResponse>, Status> {
        Ok(Response::new(update(&self.0, request).await?))
    }

    async fn list_digest_slots(
        &self,
        request: Request<ListDigestSlotsRequest>,
    ) -> Result<Response<ListDigestSlotsResponse>, Status> {
        Ok(Response::new(list(&self.0, request).await?))
    }
}

fn tell(tenant: &Tenant, schedule: &Schedule) -> WireSettings {
    let Schedule { version, settings, next, .. } = schedule;
    WireSettings {
        times: settings.times.iter().map(ToString::to_string).collect(),
        quiet_weekdays: week().filter(|day| settings.quiet.weekdays.holds(*day)).map(wire_weekday).collect(),
        quiet_dates: settings.quiet.dates.iter().map(ToString::to_string).collect(),
        recipient_staff_ids: named(&settings.recipients).iter().map(ToString::to_string).collect(),
        late_for: Some(prost_types::Duration { seconds: settings.late_for.seconds().into(), nanos: 0 }),
        send_empty: settings.send_empty,
        time_zone: tenant.zone.name().to_owned(),
        next_slot_time: next.map(timestamp),
        etag: etag::of(*version),
    }
}

/// Monday to Sunday.
fn week() -> impl Iterator<Item = Weekday> {
    std::iter::successors(Some(Weekday::Mon), |day| Some(day.succ())).take(7)
}

fn wire_weekday(day: Weekday) -> i32 {
    match day {
        Weekday::Mon => WireWeekday::Monday,
        Weekday::Tue => WireWeekday::Tuesday,
        Weekday::Wed => WireWeekday::Wednesday,
        Weekday::Thu => WireWeekday::Thursday,
        Weekday::Fri => WireWeekday::Friday,
        Weekday::Sat => WireWeekday::Saturday,
        Weekday::Sun => WireWeekday::Sunday,
    }
    .into()
}

fn read_weekday(wire: i32) -> Option<Weekday> {
    week().find(|day| wire_weekday(*day) == wire)
}

fn wire_state(fate: Fate) -> DigestSlotState {
    match fate {
        Fate::Said => DigestSlotState::Said,
        Fate::Merged => DigestSlotState::Merged,
        Fate::TooLate => DigestSlotState::TooLate,
        Fate::Suspended => DigestSlotState::Suspended,
    }
}

/// The fate a number asks for: the outer none is a number that does not exist, the inner one asks for all.
#[expect(clippy::option_option, reason = "wrong, left out and given are three things")]
fn read_state(wire: i32) -> Option<Option<Fate>> {
    let asked = |fate: &Fate| i32::from(wire_state(*fate)) == wire;
    if wire == 0 { Some(None) } else { Fate::ALL.into_iter().find(asked).map(Some) }
}

fn tell_slot(slot: &PassedSlot) -> WireSlot {
    WireSlot {
        slot_time: Some(timestamp(slot.moment)),
        local_time: schedules::shown(slot.local),
        state: wire_state(slot.fate).into(),
        record_time: Some(timestamp(slot.record_time)),
        unlisted_before: slot.unlisted_before,
    }
}

async fn get(desk: &Desk, request: Request<GetDigestSettingsRequest>) -> Result<GetDigestSettingsResponse, Refusal> {
    let mut tx = desk.tenant_of(&Caller::of(&request)).await?;
    let tenant = tenant::find(&mut tx).await?.ok_or_else(|| refuse::not_found("TENANT"))?;
    let schedule = digest::find(&mut tx).await?.ok_or_else(|| refuse::not_found("TENANT"))?;
    Ok(GetDigestSettingsResponse { digest_settings: Some(tell(&tenant, &schedule)) })
}

async fn list(desk: &Desk, request: Request<ListDigestSlotsRequest>) -> Result<ListDigestSlotsResponse, Refusal> {
    let caller = Caller::of(&request);
    let mut fields = Fields::new();
    let asked = fields.page::<Timestamp>(caller.tenant(), request.get_ref());
    let state = fields.take("state", read_state(request.get_ref().state).ok_or("does not exist"));
    let (asked, state) = fields.all(|| Some((asked?, state?)))?;
    let mut tx = desk.tenant_of(&caller).await?;
    let rows = digest_slot::list(&mut tx, state, asked.after, asked.rows()).await?;
    let (rows, next_page_token) = asked.cut(rows, |last| last.moment);
    Ok(ListDigestSlotsResponse { digest_slots: rows.iter().map(tell_slot).collect(), next_page_token })
}

/// What every one of a list's texts reads as; a list that is longer than any that is taken is refused unread.
fn each<T: Ord>(
    fields: &mut Fields,
    field: &str,
    most: usize,
    wire: &[String],
    read: impl Fn(&str) -> Result<T, String>,
) -> Option<BTreeSet<T>> {
    if wire.len() > most {
        fields.wrong(field, &format!("must be at most {most}"));
        return None;
    }
    let read: Result<BTreeSet<T>, String> = wire.iter().map(|text| read(text)).collect();
    fields.take(field, read)
}

/// The settings as they will be.
fn changed(fields: &mut Fields, mask: &Mask, wanted: &WireSettings, known: &DigestSettings) -> Option<DigestSettings> {
    let times = if mask.covers("times", !wanted.times.is_empty()) {
        let read = |text: &str| MinuteOfDay::read(text).map_err(|unfit| unfit.to_string());
        each(fields, "digest_settings.times", MOST_TIMES, &wanted.times, read)
    } else {
        Some(known.times.clone())
    };
    let weekdays = if mask.covers("quiet_weekdays", !wanted.quiet_weekdays.is_empty()) {
        let days: Option<Weekdays> = wanted.quiet_weekdays.iter().map(|wire| read_weekday(*wire)).collect();
        fields.take("digest_settings.quiet_weekdays", days.ok_or("does not exist"))
    } else {
        Some(known.quiet.weekdays)
    };
    let dates: Option<BTreeSet<NaiveDate>> = if mask.covers("quiet_dates", !wanted.quiet_dates.is_empty()) {
        let read = |text: &str| read_day(text).map_err(|unfit| unfit.to_string());
        each(fields, "digest_settings.quiet_dates", MOST_DATES, &wanted.quiet_dates, read)
    } else {
        Some(known.quiet.dates.clone())
    };
    let recipients = if mask.covers("recipient_staff_ids", !wanted.recipient_staff_ids.is_empty()) {
        let read = |text: &str| text.parse::<StaffId>().map_err(|_| "is not a UUID".to_owned());
        each(fields, "digest_settings.recipient_staff_ids", MOST_RECIPIENTS, &wanted.recipient_staff_ids, read)
            .map(Recipients::named)
    } else {
        Some(known.recipients.clone())
    };
    let late_for = if mask.covers("late_for", wanted.late_for.is_some()) {
        late_for(fields, wanted.late_for.as_ref())
    } else {
        Some(known.late_for)
    };
    let send_empty = if mask.covers("send_empty", wanted.send_empty) { wanted.send_empty } else { known.send_empty };
    let changed = DigestSettings {
        times: times?,
        quiet: Quiet { weekdays: weekdays?, dates: dates? },
        recipients: recipients?,
        late_for: late_for?,
        send_empty,
    };
    if let Err(unsettable) = changed.check() {
        fields.wrong(&format!("digest_settings.{}", unsettable.field), &unsettable.unfit.to_string());
    }
    Some(changed)
}

fn late_for(fields: &mut Fields, wire: Option<&prost_types::Duration>) -> Option<LateFor> {
    let chosen = fields.optional_duration("digest_settings.late_for", wire)?;
    let chosen = chosen.ok_or("is required").and_then(|chosen| chosen.to_std().map_err(|_| "is negative"));
    let read = chosen.map_err(str::to_owned).and_then(|chosen| LateFor::parse(chosen).map_err(|why| why.to_string()));
    fields.take("digest_settings.late_for", read)
}

async fn update(
    desk: &Desk,
    request: Request<UpdateDigestSettingsRequest>,
) -> Result<UpdateDigestSettingsResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let wanted = request.digest_settings.unwrap_or_default();
    let mut fields = Fields::new();
    let mask = Mask::read(&mut fields, request.update_mask, CHANGEABLE);
    let mut tx = desk.tenant_of(&caller).await?;
    // The tenant first, as whoever changes its zone takes them.
    let tenant = tenant::share(&mut tx).await?.ok_or_else(|| refuse::not_found("TENANT"))?;
    let known = digest::lock(&mut tx).await?.ok_or_else(|| refuse::not_found("TENANT"))?;
    let settings = changed(&mut fields, &mask, &wanted, &known.settings);
    let settings = fields.all(|| settings)?;
    etag::check(&wanted.etag, known.version)?;
    if settings == known.settings {
        return Ok(UpdateDigestSettingsResponse { digest_settings: Some(tell(&tenant, &known)) });
    }
    let staff: Vec<_> = named(&settings.recipients).into_iter().map(StaffId::uuid).collect();
    if settings.recipients != known.settings.recipients && !staff::are_known(&mut tx, &staff).await? {
        return Err(refuse::not_found("STAFF_MEMBER").into());
    }
    let known = Schedule { version: known.version + 1, ..known };
    let (now, version) = (desk.now(&mut tx).await?, known.version);
    let kept = schedules::change(&mut tx, &tenant, tenant.zone, known, settings, now).await?;
    let subject = format!("digest_settings/{}", tx.tenant());
    audit::record(&mut tx, &Actor::of(&caller), "digest_settings.update", &subject, json!({ "version": version }))
        .await?;
    tx.commit().await?;
    Ok(UpdateDigestSettingsResponse { digest_settings: Some(tell(&tenant, &kept)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_and_the_wire_know_the_same_words() {
        assert!(week().all(|day| read_weekday(wire_weekday(day)) == Some(day)));
        assert_eq!(week().collect::<Weekdays>().bits(), 127);
        assert_eq!((read_weekday(0), read_weekday(8)), (None, None));
        for fate in Fate::ALL {
            assert_eq!(read_state(wire_state(fate).into()), Some(Some(fate)));
            assert_eq!(i32::from(fate.code()), i32::from(wire_state(fate)));
        }
        assert_eq!((read_state(0), read_state(5)), (Some(None), None));
    }
}
