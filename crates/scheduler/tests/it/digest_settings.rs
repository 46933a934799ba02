//! The settings of digests: what can be set, what is refused, and who sees it (F-30).

use chassis::page::Page;
use chrono::{DateTime, Utc};
use contracts::scheduler::v1 as wire;
use contracts::timestamp;
use kernel::Timestamp;
use prost_types::{Duration, FieldMask};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;
use wire::Weekday::{Saturday, Sunday};

use crate::house::House;
use crate::town::{Town, at, staff_of};
use crate::world::Tenant;

async fn update(
    house: &House,
    tenant: &Tenant,
    digest_settings: wire::DigestSettings,
    paths: &[&str],
) -> Result<wire::DigestSettings, Status> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let request = wire::UpdateDigestSettingsRequest {
        digest_settings: Some(digest_settings),
        update_mask: Some(FieldMask { paths }),
    };
    let answer = house.digests(tenant).update_digest_settings(request).await?;
    Ok(answer.into_inner().digest_settings.unwrap())
}

#[expect(clippy::unnecessary_wraps, reason = "as the field of the message has it")]
fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(|word| (*word).to_owned()).collect()
}

/// The fields that a refusal names.
fn wrong(refused: Result<wire::DigestSettings, Status>) -> Vec<String> {
    let status = refused.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert_eq!(status.get_details_error_info().unwrap().reason, "INVALID_FIELD");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.into_iter().map(|violation| violation.field).collect()
}

#[tokio::test]
async fn times_quiet_days_recipients_and_lateness_are_settings() {
    let town = Town::new("settings", "2026-03-06T00:00:00Z").await;
    let house = town.open().await;
    let tenant = town.tenant(&house, "Asia/Tokyo").await;
    let first = house.settings(&tenant).await;
    let wanted = wire::DigestSettings {
        times: words(&["21:30", "09:15"]),
        quiet_weekdays: vec![Saturday.into(), Sunday.into()],
        quiet_dates: words(&["2026-03-09"]),
        recipient_staff_ids: vec![staff_of(&tenant).to_string()],
        late_for: seconds(600),
        send_empty: true,
        etag: first.etag.clone(),
        ..Default::default()
    };
    let set = update(&house, &tenant, wanted.clone(), &["*"]).await.unwrap();
    assert_eq!(set.times, ["09:15", "21:30"]);
    assert_eq!((&set.quiet_weekdays, &set.quiet_dates), (&wanted.quiet_weekdays, &wanted.quiet_dates));
    assert_eq!(
        (&set.recipient_staff_ids, set.late_for, set.send_empty),
        (&wanted.recipient_staff_ids, seconds(600), true)
    );
    assert_ne!(set.etag, first.etag);
    assert_eq!(house.settings(&tenant).await, set);
    // Friday's time has passed, then come a weekend and a quiet Monday.
    assert_eq!(set.next_slot_time, Some(timestamp(at("2026-03-06T00:15:00Z"))));
    town.clock.set(at("2026-03-06T12:30:01Z"));
    let said = town.digests_once(&tenant, 1).await;
    assert_eq!(said, ["2026-03-06T21:30"]);
    let due = town.digests(&tenant).await.remove(0);
    assert_eq!((due.recipient_staff_ids, due.send_empty), (vec![staff_of(&tenant).to_string()], true));
    assert_eq!(due.expire_time, Some(timestamp(at("2026-03-06T12:40:00Z"))));
    let next = house.settings_once(&tenant, |settings| settings.next_slot_time != set.next_slot_time).await;
    assert_eq!(next.next_slot_time, Some(timestamp(at("2026-03-10T00:15:00Z"))));

    // What is named and empty is emptied; what is not named stays.
    let emptied =
        update(&house, &tenant, wire::DigestSettings::default(), &["recipient_staff_ids", "send_empty", "quiet_dates"]);
    let emptied = emptied.await.unwrap();
    assert_eq!((emptied.recipient_staff_ids.len(), emptied.send_empty, emptied.quiet_dates.len()), (0, false, 0));
    assert_eq!((emptied.times, emptied.quiet_weekdays.len()), (words(&["09:15", "21:30"]), 2));
    // Every day of the week quiet: none comes any more.
    let never =
        house.set(&tenant, wire::DigestSettings { quiet_weekdays: (1..=7).collect(), ..Default::default() }).await;
    assert_eq!(never.next_slot_time, None);
    assert_eq!(town.number("SELECT count(*) FROM scheduler.audit WHERE action = 'digest_settings.update'").await, 3);
    // The same again changes nothing.
    let again =
        house.set(&tenant, wire::DigestSettings { quiet_weekdays: (1..=7).collect(), ..Default::default() }).await;
    assert_eq!(again, never);
    house.close().await;
}

#[tokio::test]
async fn every_setting_out_of_its_bounds_is_refused_by_name() {
    let town = Town::new("bounds", "2026-03-06T00:00:00Z").await;
    let house = town.open().await;
    let tenant = town.tenant(&house, "Asia/Tokyo").await;
    let before = house.settings(&tenant).await;
    let set = |change: fn(&mut wire::DigestSettings), path: &'static str| {
        let mut settings = wire::DigestSettings::default();
        change(&mut settings);
        let (house, tenant) = (&house, &tenant);
        async move { wrong(update(house, tenant, settings, &[path]).await) }
    };
    for text in ["24:00", "8:00", "x", ""] {
        let settings = wire::DigestSettings { times: words(&[text]), ..Default::default() };
        assert_eq!(wrong(update(&house, &tenant, settings, &["times"]).await), ["digest_settings.times"], "{text}");
    }
    assert_eq!(set(|_| {}, "times").await, ["digest_settings.times"]);
    assert_eq!(set(|s| s.times = words(&["08:00", "08:29"]), "times").await, ["digest_settings.times"]);
    assert_eq!(set(|s| s.times = vec!["08:00".to_owned(); 25], "times").await, ["digest_settings.times"]);
    let weekdays = ["digest_settings.quiet_weekdays"];
    assert_eq!(set(|s| s.quiet_weekdays = vec![8], "quiet_weekdays").await, weekdays);
    assert_eq!(set(|s| s.quiet_weekdays = vec![0], "quiet_weekdays").await, weekdays);
    let dates = ["digest_settings.quiet_dates"];
    assert_eq!(set(|s| s.quiet_dates = words(&["2026-02-30"]), "quiet_dates").await, dates);
    assert_eq!(set(|s| s.quiet_dates = vec!["2026-02-01".to_owned(); 367], "quiet_dates").await, dates);
    let staff = ["digest_settings.recipient_staff_ids"];
    assert_eq!(set(|s| s.recipient_staff_ids = words(&["x"]), "recipient_staff_ids").await, staff);
    let many = |s: &mut wire::DigestSettings| s.recipient_staff_ids = vec![Uuid::nil().to_string(); 1_001];
    assert_eq!(set(many, "recipient_staff_ids").await, staff);
    let late = ["digest_settings.late_for"];
    assert_eq!(set(|s| s.late_for = seconds(-1), "late_for").await, late);
    assert_eq!(set(|s| s.late_for = seconds(0), "late_for").await, late);
    assert_eq!(set(|s| s.late_for = seconds(24 * 3_600 + 1), "late_for").await, late);
    assert_eq!(set(|s| s.late_for = Some(Duration { seconds: 1, nanos: 5 }), "late_for").await, late);
    assert_eq!(set(|_| {}, "late_for").await, late);
    assert_eq!(set(|_| {}, "time_zone").await, ["update_mask"]);
    let all = set(|s| (s.times, s.quiet_dates) = (words(&["x"]), words(&["y"])), "*").await;
    assert_eq!(all, ["digest_settings.times", "digest_settings.quiet_dates", "digest_settings.late_for"]);
    let list = wire::ListDigestSlotsRequest { state: 9, page_size: -1, ..Default::default() };
    let refused = house.digests(&tenant).list_digest_slots(list).await.map(drop).unwrap_err();
    let violations = refused.get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations.iter().map(|one| one.field.as_str()).collect::<Vec<_>>(), ["page_size", "state"]);

    let stale = wire::DigestSettings { send_empty: true, etag: "\"7\"".to_owned(), ..Default::default() };
    let refused = update(&house, &tenant, stale, &["send_empty"]).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.get_details_error_info().unwrap().reason),
        (Code::Aborted, "ETAG_MISMATCH".to_owned())
    );
    assert_eq!(house.settings(&tenant).await, before);
    house.close().await;
}

#[tokio::test]
async fn another_tenant_sees_and_changes_nothing() {
    let town = Town::new("others", "2026-03-06T00:00:00Z").await;
    let house = town.open().await;
    let (ours, theirs) = (town.tenant(&house, "Asia/Tokyo").await, town.tenant(&house, "Asia/Tokyo").await);
    town.clock.set(at("2026-03-06T11:00:01Z"));
    town.digests_once(&ours, 1).await;
    house
        .set(
            &ours,
            wire::DigestSettings { recipient_staff_ids: vec![staff_of(&ours).to_string()], ..Default::default() },
        )
        .await;
    assert_eq!(house.settings(&theirs).await.recipient_staff_ids.len(), 0);
    // Our staff are unknown to them.
    let settings =
        wire::DigestSettings { recipient_staff_ids: vec![staff_of(&ours).to_string()], ..Default::default() };
    let refused = update(&house, &theirs, settings, &["recipient_staff_ids"]).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let request = wire::ListDigestSlotsRequest { page_size: 1, ..Default::default() };
    town.clock.set(at("2026-03-06T23:00:01Z"));
    town.digests_once(&ours, 2).await;
    let page = house.digests(&ours).list_digest_slots(request.clone()).await.unwrap().into_inner();
    assert_eq!((page.digest_slots.len(), page.next_page_token.is_empty()), (1, false));
    let next = wire::ListDigestSlotsRequest { page_token: page.next_page_token.clone(), ..request };
    let rest = house.digests(&ours).list_digest_slots(next.clone()).await.unwrap().into_inner();
    assert_eq!((rest.digest_slots[0].local_time.as_str(), rest.next_page_token.as_str()), ("2026-03-06T20:00", ""));
    let refused = house.digests(&theirs).list_digest_slots(next).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "a page token of ours leads nowhere");
    house.close().await;
}

#[tokio::test]
async fn a_token_that_names_a_moment_no_slot_can_have_is_no_token_of_the_list() {
    let town = Town::new("slot_tokens", "2026-03-06T00:00:00Z").await;
    let house = town.open().await;
    let tenant = town.tenant(&house, "Asia/Tokyo").await;
    let behind = |moment: Timestamp| {
        let first = wire::ListDigestSlotsRequest::default();
        let page_token = Page::<Timestamp>::asked(tenant.id, &first).unwrap().token(&moment);
        wire::ListDigestSlotsRequest { page_token, ..first }
    };
    let refused = house.digests(&tenant).list_digest_slots(behind(DateTime::<Utc>::MIN_UTC)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(refused.get_details_bad_request().unwrap().field_violations[0].field, "page_token");
    assert!(house.digests(&tenant).list_digest_slots(behind(DateTime::<Utc>::MAX_UTC)).await.is_ok());
    house.close().await;
}
