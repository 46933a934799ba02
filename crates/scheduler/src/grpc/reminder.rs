//! `ReminderRuleService`.

use chassis::audit::{self, Actor};
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::postgres::TenantTx;
use chassis::request::fields::Fields;
use chassis::request::mask::Mask;
use chassis::request::{etag, repeat};
use contracts::scheduler::v1::reminder_rule::When as WireWhen;
use contracts::scheduler::v1::reminder_rule_service_server::ReminderRuleService;
use contracts::scheduler::v1::{
    CreateReminderRuleRequest, CreateReminderRuleResponse, DaysBefore, DeleteReminderRuleRequest,
    DeleteReminderRuleResponse, GetReminderRuleRequest, GetReminderRuleResponse, ListReminderRulesRequest,
    ListReminderRulesResponse, ReminderRule as WireRule, UpdateReminderRuleRequest, UpdateReminderRuleResponse,
};
use contracts::timestamp;
use kernel::{ReminderRuleId, Timestamp};
use scheduler_core::reminder::{MOST_RULES, Rule, Template, When};
use scheduler_core::wall_clock::MinuteOfDay;
use serde_json::json;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::refusal::Refusal;
use crate::desk::Desk;
use crate::postgres::reminder_rule::{self, StoredRule};
use crate::postgres::{replanning, tenant};

const CREATE: &str = "/tsunagi.scheduler.v1.ReminderRuleService/CreateReminderRule";

const CHANGEABLE: &[&str] = &["template", "before", "days_before", "active"];

/// By which rules customers are reminded.
pub(crate) struct Reminders(pub(crate) Desk);

#[tonic::async_trait]
impl ReminderRuleService for Reminders {
    async fn create_reminder_rule(
        &self,
        request: Request<CreateReminderRuleRequest>,
    ) -> Result<Response<CreateReminderRuleResponse>, Status> {
        Ok(Response::new(create(&self.0, request).await?))
    }

    async fn get_reminder_rule(
        &self,
        request: Request<GetReminderRuleRequest>,
    ) -> Result<Response<GetReminderRuleResponse>, Status> {
        Ok(Response::new(get(&self.0, request).await?))
    }

    async fn list_reminder_rules(
        &self,
        request: Request<ListReminderRulesRequest>,
    ) -> Result<Response<ListReminderRulesResponse>, Status> {
        Ok(Response::new(list(&self.0, request).await?))
    }

    async fn update_reminder_rule(
        &self,
        request: Request<UpdateReminderRuleRequest>,
    ) -> Result<Response<UpdateReminderRuleResponse>, Status> {
        Ok(Response::new(update(&self.0, request).await?))
    }

    async fn delete_reminder_rule(
        &self,
        request: Request<DeleteReminderRuleRequest>,
    ) -> Result<Response<DeleteReminderRuleResponse>, Status> {
        Ok(Response::new(delete(&self.0, request).await?))
    }
}

fn tell(stored: &StoredRule) -> WireRule {
    let StoredRule { rule, template, version, create_time } = stored;
    let when = match rule.when {
        When::Before(long) => {
            WireWhen::Before(prost_types::Duration { seconds: long.as_secs().cast_signed(), nanos: 0 })
        }
        When::DaysBefore { days, at } => {
            WireWhen::DaysBefore(DaysBefore { days: days.into(), time_of_day: at.to_string() })
        }
    };
    WireRule {
        rule_id: rule.id.to_string(),
        template: template.as_str().to_owned(),
        when: Some(when),
        active: rule.active,
        create_time: Some(timestamp(*create_time)),
        etag: etag::of(*version),
    }
}

fn read_template(fields: &mut Fields, wire: &WireRule) -> Option<Template> {
    fields.take("reminder_rule.template", Template::parse(&wire.template))
}

fn read_when(fields: &mut Fields, wire: &WireRule) -> Option<When> {
    match &wire.when {
        None => fields.take("reminder_rule.before", Err("is required, or days_before in its place")),
        Some(WireWhen::Before(before)) => {
            const FIELD: &str = "reminder_rule.before";
            let long = fields.optional_duration(FIELD, Some(before))??;
            let long = fields.take(FIELD, long.to_std().map_err(|_| "is less than ten minutes"))?;
            fields.take(FIELD, When::Before(long).check().map(|()| When::Before(long)))
        }
        Some(WireWhen::DaysBefore(DaysBefore { days, time_of_day })) => {
            let at = fields.take("reminder_rule.days_before.time_of_day", MinuteOfDay::read(time_of_day));
            let days = u16::try_from(*days).map_err(|_| "is not from 0 to 90");
            let days = fields.take("reminder_rule.days_before.days", days);
            let when = When::DaysBefore { days: days?, at: at? };
            fields.take("reminder_rule.days_before.days", when.check().map(|()| when))
        }
    }
}

/// Notes who changed a rule.
async fn note(tx: &mut TenantTx, caller: &Caller, action: &'static str, stored: &StoredRule) -> Result<(), Refusal> {
    let subject = format!("reminder_rule/{}", stored.rule.id);
    audit::record(tx, &Actor::of(caller), action, &subject, json!({ "version": stored.version })).await?;
    Ok(())
}

async fn create(
    desk: &Desk,
    request: Request<CreateReminderRuleRequest>,
) -> Result<CreateReminderRuleResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let wanted = request.reminder_rule.clone().unwrap_or_default();
    let mut fields = Fields::new();
    let template = read_template(&mut fields, &wanted);
    let when = read_when(&mut fields, &wanted);
    let request_id: Option<Option<Uuid>> = fields.optional_id("request_id", &request.request_id);
    let (template, when) = fields.all(|| request_id.and(Some((template?, when?))))?;
    let mut tx = desk.tenant_of(&caller).await?;
    if let Some(answer) = repeat::answered(&mut tx, CREATE, &request.request_id, &request).await? {
        return Ok(answer);
    }
    tenant::lock(&mut tx).await?.ok_or_else(|| refuse::not_found("TENANT"))?;
    if reminder_rule::all(&mut tx).await?.len() >= MOST_RULES {
        return Err(
            refuse::precondition("TOO_MANY_RULES", "the tenant has as many reminder rules as it may have").into()
        );
    }
    let now = desk.now(&mut tx).await?;
    let rule = Rule { id: ReminderRuleId::new(now), when, active: wanted.active };
    let stored = StoredRule { rule, template, version: 1, create_time: now };
    reminder_rule::put(&mut tx, &stored).await?;
    replanning::want(&mut tx, now).await?;
    note(&mut tx, &caller, "reminder_rule.create", &stored).await?;
    let answer = CreateReminderRuleResponse { reminder_rule: Some(tell(&stored)) };
    repeat::keep(&mut tx, CREATE, &request.request_id, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

async fn get(desk: &Desk, request: Request<GetReminderRuleRequest>) -> Result<GetReminderRuleResponse, Refusal> {
    let caller = Caller::of(&request);
    let mut fields = Fields::new();
    let id: Option<ReminderRuleId> = fields.id("rule_id", &request.get_ref().rule_id);
    let id = fields.all(|| id)?;
    let mut tx = desk.tenant_of(&caller).await?;
    let found = reminder_rule::find(&mut tx, id).await?.ok_or_else(|| refuse::not_found("REMINDER_RULE"))?;
    Ok(GetReminderRuleResponse { reminder_rule: Some(tell(&found)) })
}

async fn list(desk: &Desk, request: Request<ListReminderRulesRequest>) -> Result<ListReminderRulesResponse, Refusal> {
    let caller = Caller::of(&request);
    let mut fields = Fields::new();
    let asked = fields.page::<(Timestamp, Uuid)>(caller.tenant(), request.get_ref());
    let asked = fields.all(|| asked)?;
    let mut tx = desk.tenant_of(&caller).await?;
    let place = |stored: &StoredRule| (stored.create_time, stored.rule.id.uuid());
    // There are never more than ten.
    let mut rules = reminder_rule::all(&mut tx).await?;
    rules.retain(|stored| asked.after.is_none_or(|after| place(stored) > after));
    let (rules, next_page_token) = asked.cut(rules, place);
    Ok(ListReminderRulesResponse { reminder_rules: rules.iter().map(tell).collect(), next_page_token })
}

async fn update(
    desk: &Desk,
    request: Request<UpdateReminderRuleRequest>,
) -> Result<UpdateReminderRuleResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let wanted = request.reminder_rule.unwrap_or_default();
    let mut fields = Fields::new();
    let id: Option<ReminderRuleId> = fields.id("reminder_rule.rule_id", &wanted.rule_id);
    let mask = Mask::read(&mut fields, request.update_mask, CHANGEABLE);
    let template = mask.covers("template", !wanted.template.is_empty()).then(|| read_template(&mut fields, &wanted));
    // Naming one of the two is naming both: they take each other's place.
    let sets = |named: fn(&WireWhen) -> bool| wanted.when.as_ref().is_some_and(named);
    let timed = mask.covers("before", sets(|when| matches!(when, WireWhen::Before(_))))
        || mask.covers("days_before", sets(|when| matches!(when, WireWhen::DaysBefore(_))));
    let when = timed.then(|| read_when(&mut fields, &wanted));
    let active = mask.covers("active", wanted.active).then_some(wanted.active);
    let id = fields.all(|| id)?;
    let mut tx = desk.tenant_of(&caller).await?;
    tenant::lock(&mut tx).await?.ok_or_else(|| refuse::not_found("REMINDER_RULE"))?;
    let known = reminder_rule::find(&mut tx, id).await?.ok_or_else(|| refuse::not_found("REMINDER_RULE"))?;
    etag::check(&wanted.etag, known.version)?;
    let rule =
        Rule { id, when: when.flatten().unwrap_or(known.rule.when), active: active.unwrap_or(known.rule.active) };
    let template = template.flatten().unwrap_or_else(|| known.template.clone());
    let stored = StoredRule { rule, template, ..known.clone() };
    if stored == known {
        return Ok(UpdateReminderRuleResponse { reminder_rule: Some(tell(&known)) });
    }
    let stored = StoredRule { version: known.version + 1, ..stored };
    reminder_rule::put(&mut tx, &stored).await?;
    if stored.rule != known.rule {
        let now = desk.now(&mut tx).await?;
        replanning::want(&mut tx, now).await?;
    }
    note(&mut tx, &caller, "reminder_rule.update", &stored).await?;
    tx.commit().await?;
    Ok(UpdateReminderRuleResponse { reminder_rule: Some(tell(&stored)) })
}

async fn delete(
    desk: &Desk,
    request: Request<DeleteReminderRuleRequest>,
) -> Result<DeleteReminderRuleResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let mut fields = Fields::new();
    let id: Option<ReminderRuleId> = fields.id("rule_id", &request.rule_id);
    let id = fields.all(|| id)?;
    let mut tx = desk.tenant_of(&caller).await?;
    tenant::lock(&mut tx).await?.ok_or_else(|| refuse::not_found("REMINDER_RULE"))?;
    let known = reminder_rule::find(&mut tx, id).await?.ok_or_else(|| refuse::not_found("REMINDER_RULE"))?;
    etag::check(&request.etag, known.version)?;
    reminder_rule::delete(&mut tx, id).await?;
    let now = desk.now(&mut tx).await?;
    replanning::want(&mut tx, now).await?;
    note(&mut tx, &caller, "reminder_rule.delete", &known).await?;
    tx.commit().await?;
    Ok(DeleteReminderRuleResponse {})
}
