//! Digests and reminders: a rule of the first tenant's, and the calls that name it.

use std::time::Duration;

use anyhow::Context as _;
use contracts::scheduler::v1::digest_schedule_service_client::DigestScheduleServiceClient;
use contracts::scheduler::v1::reminder_rule_service_client::ReminderRuleServiceClient;
use contracts::scheduler::v1::{
    CreateReminderRuleRequest, DaysBefore, GetDigestSettingsRequest, ReminderRule, reminder_rule,
};
use serde_json::{Value, json};
use tsunagi::stage::{Shop, Stage, until};

use super::Must::{self, NotFind, ShowNothing};
use super::World;

/// How long the scheduler may take to hear of a tenant.
const KNOWN_WITHIN: Duration = Duration::from_secs(20);

/// Waits until the scheduler knows the shop.
pub(super) async fn known(stage: &Stage, shop: &Shop) -> anyhow::Result<()> {
    let mut digests = DigestScheduleServiceClient::new(shop.staff.connect(&stage.scheduler)?);
    until(KNOWN_WITHIN, async || digests.get_digest_settings(GetDigestSettingsRequest {}).await).await?;
    Ok(())
}

/// Makes a rule; its ID.
pub(super) async fn rule(stage: &Stage, shop: &Shop) -> anyhow::Result<String> {
    known(stage, shop).await?;
    let when = reminder_rule::When::DaysBefore(DaysBefore { days: 1, time_of_day: "18:00".to_owned() });
    let rule =
        ReminderRule { template: "{date} {time}".to_owned(), when: Some(when), active: true, ..Default::default() };
    let request = CreateReminderRuleRequest { reminder_rule: Some(rule), request_id: String::new() };
    let mut rules = ReminderRuleServiceClient::new(shop.staff.connect(&stage.scheduler)?);
    let made = rules.create_reminder_rule(request).await?.into_inner();
    Ok(made.reminder_rule.context("no rule")?.rule_id)
}

pub(super) fn bodies(world: &World) -> Vec<(&'static str, Must, Value)> {
    let World { rule, staff, .. } = world;
    let wanted = json!({ "template": "{shop}", "before": "3600s", "active": true });
    vec![
        ("/tsunagi.scheduler.v1.DigestScheduleService/GetDigestSettings", ShowNothing, json!({})),
        (
            "/tsunagi.scheduler.v1.DigestScheduleService/UpdateDigestSettings",
            NotFind,
            json!({ "digestSettings": { "recipientStaffIds": [staff] } }),
        ),
        ("/tsunagi.scheduler.v1.DigestScheduleService/ListDigestSlots", ShowNothing, json!({})),
        (
            "/tsunagi.scheduler.v1.ReminderRuleService/CreateReminderRule",
            ShowNothing,
            json!({ "reminderRule": wanted }),
        ),
        ("/tsunagi.scheduler.v1.ReminderRuleService/GetReminderRule", NotFind, json!({ "ruleId": rule })),
        ("/tsunagi.scheduler.v1.ReminderRuleService/ListReminderRules", ShowNothing, json!({})),
        (
            "/tsunagi.scheduler.v1.ReminderRuleService/UpdateReminderRule",
            NotFind,
            json!({ "reminderRule": { "ruleId": rule, "template": "{time}" } }),
        ),
        ("/tsunagi.scheduler.v1.ReminderRuleService/DeleteReminderRule", NotFind, json!({ "ruleId": rule })),
    ]
}
