//! Rules for reminders: what can be set, what is refused, and who sees it (F-107).

use chrono::TimeDelta;
use contracts::scheduler::v1 as wire;
use futures::future::join_all;
use prost_types::{Duration, FieldMask};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;
use wire::reminder_rule::When;

use crate::house::House;
use crate::town::Town;
use crate::world::Tenant;

const TEXT: &str = "{customer_name}様、{date} {time}に{shop}でお待ちしております。";

#[expect(clippy::unnecessary_wraps, reason = "as the field of the message has it")]
pub(crate) fn before(seconds: i64) -> Option<When> {
    Some(When::Before(Duration { seconds, nanos: 0 }))
}

#[expect(clippy::unnecessary_wraps, reason = "as the field of the message has it")]
pub(crate) fn days_before(days: i32, time: &str) -> Option<When> {
    Some(When::DaysBefore(wire::DaysBefore { days, time_of_day: time.to_owned() }))
}

pub(crate) fn rule(when: Option<When>) -> wire::ReminderRule {
    wire::ReminderRule { template: TEXT.to_owned(), when, active: true, ..Default::default() }
}

async fn create(house: &House, tenant: &Tenant, rule: wire::ReminderRule) -> Result<wire::ReminderRule, Status> {
    let request = wire::CreateReminderRuleRequest { reminder_rule: Some(rule), request_id: String::new() };
    let answer = house.reminders(tenant).create_reminder_rule(request).await?;
    Ok(answer.into_inner().reminder_rule.unwrap())
}

async fn update(
    house: &House,
    tenant: &Tenant,
    rule: wire::ReminderRule,
    paths: &[&str],
) -> Result<wire::ReminderRule, Status> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let request = wire::UpdateReminderRuleRequest { reminder_rule: Some(rule), update_mask: Some(FieldMask { paths }) };
    let answer = house.reminders(tenant).update_reminder_rule(request).await?;
    Ok(answer.into_inner().reminder_rule.unwrap())
}

async fn list(house: &House, tenant: &Tenant) -> Vec<wire::ReminderRule> {
    let answer = house.reminders(tenant).list_reminder_rules(wire::ListReminderRulesRequest::default()).await;
    answer.unwrap().into_inner().reminder_rules
}

/// The fields that a refusal names.
fn wrong<T: std::fmt::Debug>(refused: Result<T, Status>) -> Vec<String> {
    let status = refused.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.into_iter().map(|violation| violation.field).collect()
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}

#[tokio::test]
async fn rules_are_made_read_changed_and_deleted() {
    let town = Town::new("rules", "2026-03-01T00:00:00Z").await;
    let house = town.open().await;
    let tenant = town.tenant(&house, "Asia/Tokyo").await;
    let evening = create(&house, &tenant, rule(days_before(1, "18:00"))).await.unwrap();
    assert_eq!(
        (evening.template.as_str(), evening.when.clone(), evening.active),
        (TEXT, days_before(1, "18:00"), true)
    );
    // The list is in the order of their making.
    town.clock.turn(TimeDelta::seconds(1));
    let request = wire::CreateReminderRuleRequest {
        reminder_rule: Some(rule(before(10_800))),
        request_id: Uuid::new_v4().to_string(),
    };
    let mut client = house.reminders(&tenant);
    let soon = client.create_reminder_rule(request.clone()).await.unwrap().into_inner();
    assert_eq!(
        client.create_reminder_rule(request.clone()).await.unwrap().into_inner(),
        soon,
        "the first answer again"
    );
    let other = wire::CreateReminderRuleRequest { reminder_rule: Some(rule(before(600))), ..request };
    let refused = client.create_reminder_rule(other).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::Aborted, "REQUEST_ID_REUSED".to_owned()));
    let soon = soon.reminder_rule.unwrap();
    assert_eq!(list(&house, &tenant).await, [evening.clone(), soon.clone()]);
    let page = wire::ListReminderRulesRequest { page_size: 1, ..Default::default() };
    let first = client.list_reminder_rules(page.clone()).await.unwrap().into_inner();
    let next = wire::ListReminderRulesRequest { page_token: first.next_page_token, ..page };
    let second = client.list_reminder_rules(next).await.unwrap().into_inner();
    assert_eq!((first.reminder_rules, second.reminder_rules), (vec![evening.clone()], vec![soon.clone()]));
    assert_eq!(second.next_page_token, "");

    // What is named changes: an offset takes the place of a time of day; a rule is switched off by naming it.
    let changed = wire::ReminderRule { when: before(7_200), active: false, ..evening.clone() };
    let changed = update(&house, &tenant, changed, &["before"]).await.unwrap();
    assert_eq!((changed.when.clone(), changed.active), (before(7_200), true));
    let off = wire::ReminderRule { active: false, etag: changed.etag.clone(), ..changed.clone() };
    let off = update(&house, &tenant, off, &["active"]).await.unwrap();
    assert!(!off.active && off.etag != changed.etag);
    let unchanged = wire::ReminderRule { template: TEXT.to_owned(), ..off.clone() };
    assert_eq!(update(&house, &tenant, unchanged, &["template"]).await.unwrap(), off, "the same again changes nothing");
    let stale =
        update(&house, &tenant, wire::ReminderRule { etag: evening.etag, ..off.clone() }, &["*"]).await.unwrap_err();
    assert_eq!((stale.code(), reason(&stale)), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    let get = wire::GetReminderRuleRequest { rule_id: off.rule_id.clone() };
    assert_eq!(client.get_reminder_rule(get.clone()).await.unwrap().into_inner().reminder_rule, Some(off.clone()));

    let stale = wire::DeleteReminderRuleRequest { rule_id: off.rule_id.clone(), etag: changed.etag };
    assert_eq!(client.delete_reminder_rule(stale).await.unwrap_err().code(), Code::Aborted);
    let delete = wire::DeleteReminderRuleRequest { rule_id: off.rule_id.clone(), etag: off.etag };
    client.delete_reminder_rule(delete.clone()).await.unwrap();
    assert_eq!(client.delete_reminder_rule(delete).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(client.get_reminder_rule(get).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(list(&house, &tenant).await, [soon]);
    let noted = "SELECT count(*) FROM scheduler.audit WHERE action LIKE 'reminder_rule.%'";
    assert_eq!(town.number(noted).await, 5);
    house.close().await;
}

#[tokio::test]
async fn every_field_of_a_rule_out_of_its_bounds_is_refused_by_name() {
    let town = Town::new("rule_bounds", "2026-03-01T00:00:00Z").await;
    let house = town.open().await;
    let tenant = town.tenant(&house, "Asia/Tokyo").await;
    for template in ["", "  ", "{name}様", "{", "a}", &"あ".repeat(501), "a\u{7}"] {
        let refused =
            create(&house, &tenant, wire::ReminderRule { template: template.to_owned(), ..rule(before(600)) });
        assert_eq!(wrong(refused.await), ["reminder_rule.template"], "{template:?}");
    }
    let fraction = Some(When::Before(Duration { seconds: 700, nanos: 1 }));
    for when in [None, before(599), before(-1), before(90 * 86_400 + 1), before(i64::MAX), fraction] {
        assert_eq!(wrong(create(&house, &tenant, rule(when.clone())).await), ["reminder_rule.before"], "{when:?}");
    }
    let days = ["reminder_rule.days_before.days"];
    for when in [days_before(-1, "08:00"), days_before(91, "08:00"), days_before(70_000, "08:00")] {
        assert_eq!(wrong(create(&house, &tenant, rule(when)).await), days);
    }
    let time = ["reminder_rule.days_before.time_of_day"];
    for when in [days_before(1, ""), days_before(1, "24:00"), days_before(1, "8:00")] {
        assert_eq!(wrong(create(&house, &tenant, rule(when)).await), time);
    }
    let both = wire::ReminderRule { template: String::new(), ..rule(days_before(99, "x")) };
    let fields = ["reminder_rule.template", "reminder_rule.days_before.time_of_day"];
    assert_eq!(wrong(create(&house, &tenant, both).await), fields);
    let mut client = house.reminders(&tenant);
    let request =
        wire::CreateReminderRuleRequest { reminder_rule: Some(rule(before(600))), request_id: "x".to_owned() };
    assert_eq!(wrong(client.create_reminder_rule(request).await), ["request_id"]);
    assert_eq!(wrong(client.get_reminder_rule(wire::GetReminderRuleRequest::default()).await), ["rule_id"]);
    let delete = wire::DeleteReminderRuleRequest { rule_id: "x".to_owned(), ..Default::default() };
    assert_eq!(wrong(client.delete_reminder_rule(delete).await), ["rule_id"]);
    let page = wire::ListReminderRulesRequest { page_size: -1, page_token: "x".to_owned() };
    assert_eq!(wrong(client.list_reminder_rules(page).await), ["page_size", "page_token"]);
    let made = create(&house, &tenant, rule(before(600))).await.unwrap();
    let named = |change: fn(&mut wire::ReminderRule)| {
        let mut rule = made.clone();
        change(&mut rule);
        rule
    };
    assert_eq!(
        wrong(update(&house, &tenant, named(|rule| rule.rule_id.clear()), &["*"]).await),
        ["reminder_rule.rule_id"]
    );
    assert_eq!(
        wrong(update(&house, &tenant, named(|rule| rule.when = None), &["before"]).await),
        ["reminder_rule.before"]
    );
    assert_eq!(wrong(update(&house, &tenant, made.clone(), &["create_time"]).await), ["update_mask"]);
    let template = named(|rule| rule.template = "{x}".to_owned());
    assert_eq!(wrong(update(&house, &tenant, template, &["template"]).await), ["reminder_rule.template"]);
    house.close().await;
}

#[tokio::test]
async fn a_tenant_has_at_most_ten_rules_also_when_all_are_made_at_once() {
    let town = Town::new("ten_rules", "2026-03-01T00:00:00Z").await;
    let house = town.open().await;
    let tenant = town.tenant(&house, "Asia/Tokyo").await;
    let made = join_all((0..14).map(|number| create(&house, &tenant, rule(before(600 + number))))).await;
    let refused: Vec<Status> = made.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 4, "{refused:?}");
    assert!(
        refused.iter().all(|status| status.code() == Code::FailedPrecondition && reason(status) == "TOO_MANY_RULES")
    );
    assert_eq!(list(&house, &tenant).await.len(), 10);
    house.close().await;
}

#[tokio::test]
async fn another_tenants_rules_are_as_unknown_as_none() {
    let town = Town::new("other_rules", "2026-03-01T00:00:00Z").await;
    let house = town.open().await;
    let (ours, theirs) = (town.tenant(&house, "Asia/Tokyo").await, town.tenant(&house, "Asia/Tokyo").await);
    let made = create(&house, &ours, rule(before(600))).await.unwrap();
    let mut client = house.reminders(&theirs);
    assert!(list(&house, &theirs).await.is_empty());
    let get = wire::GetReminderRuleRequest { rule_id: made.rule_id.clone() };
    assert_eq!(client.get_reminder_rule(get).await.unwrap_err().code(), Code::NotFound);
    let refused = update(&house, &theirs, wire::ReminderRule { active: false, ..made.clone() }, &["active"]).await;
    assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    let delete = wire::DeleteReminderRuleRequest { rule_id: made.rule_id.clone(), etag: String::new() };
    assert_eq!(client.delete_reminder_rule(delete).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(list(&house, &ours).await, [made]);
    house.close().await;
}
