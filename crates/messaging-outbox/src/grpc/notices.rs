//! How staff are told, and what became of notices.

use chassis::audit::{self, Actor};
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::grpc::refuse::Violations;
use chassis::page::Page;
use chassis::postgres::TenantTx;
use contracts::messaging::v1 as wire;
use contracts::messaging::v1::notice_service_server::NoticeService;
use kernel::{StaffId, Timestamp};
use messaging_outbox_core::notice::NoticeKind;
use messaging_outbox_core::notice::channel::{DeliveryState, EmailUse, Rule};
use messaging_outbox_core::notice::{former, recipient};
use serde_json::{Value, json};
use tonic::{Request, Response, Status};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Desk, field};
use crate::notice::signature;
use crate::postgres::notice::list::{self, Listed, Listing};
use crate::postgres::notice::webhook::{self, Webhook};
use crate::postgres::notice::{self as rows, rule};
use crate::postgres::staff;

/// Where a page of notices ended.
type Position = (Timestamp, Uuid);

#[tonic::async_trait]
impl NoticeService for Desk {
    async fn get_notice_settings(
        &self,
        request: Request<wire::GetNoticeSettingsRequest>,
    ) -> Result<Response<wire::GetNoticeSettingsResponse>, Status> {
        let caller = Caller::of(&request);
        let mut tx = self.database().tenant(caller.tenant()).await.map_err(refuse::database)?;
        let settings = settings(&mut tx).await.map_err(refuse::database)?;
        tx.rollback().await.map_err(refuse::database)?;
        Ok(Response::new(wire::GetNoticeSettingsResponse { notice_settings: Some(settings) }))
    }

    async fn update_notice_settings(
        &self,
        request: Request<wire::UpdateNoticeSettingsRequest>,
    ) -> Result<Response<wire::UpdateNoticeSettingsResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let rules = rules(&request.rules)?;
        let mut tx = self.database().tenant(caller.tenant()).await.map_err(refuse::database)?;
        let version = rule::raise_version(&mut tx).await.map_err(refuse::database)?;
        if !request.etag.is_empty() && request.etag != etag(version) {
            return Err(refuse::aborted("ETAG_MISMATCH"));
        }
        rule::put(&mut tx, &rules).await.map_err(refuse::database)?;
        let kinds: Vec<&str> = rules.iter().map(|(kind, _)| kind.name()).collect();
        record(&mut tx, &caller, "notice_settings.update", json!({ "kinds": kinds })).await?;
        let settings = settings(&mut tx).await.map_err(refuse::database)?;
        tx.commit().await.map_err(refuse::database)?;
        Ok(Response::new(wire::UpdateNoticeSettingsResponse { notice_settings: Some(settings) }))
    }

    async fn set_notice_webhook(
        &self,
        request: Request<wire::SetNoticeWebhookRequest>,
    ) -> Result<Response<wire::SetNoticeWebhookResponse>, Status> {
        let caller = Caller::of(&request);
        let target = self.egress.target(&request.get_ref().url);
        let target = target.map_err(|error| refuse::invalid("url", &error.to_string()))?;
        let mut tx = self.database().tenant(caller.tenant()).await.map_err(refuse::database)?;
        webhook::lock(&mut tx).await.map_err(refuse::database)?;
        let id = Uuid::new_v4();
        let (secret, ciphertext) = self.new_secret(&mut tx, id).await?;
        let webhook = Webhook {
            id,
            url: target.expose().to_owned(),
            secret: ciphertext,
            former: None,
            create_time: rows::now(&mut tx).await.map_err(refuse::database)?,
            rotate_time: None,
            stop_time: None,
        };
        webhook::put(&mut tx, &webhook).await.map_err(refuse::database)?;
        record(&mut tx, &caller, "notice_webhook.set", json!({ "webhook_id": id })).await?;
        tx.commit().await.map_err(refuse::database)?;
        Ok(Response::new(wire::SetNoticeWebhookResponse {
            webhook: Some(told(&webhook)),
            secret: secret.as_str().to_owned(),
        }))
    }

    async fn delete_notice_webhook(
        &self,
        request: Request<wire::DeleteNoticeWebhookRequest>,
    ) -> Result<Response<wire::DeleteNoticeWebhookResponse>, Status> {
        let caller = Caller::of(&request);
        let mut tx = self.database().tenant(caller.tenant()).await.map_err(refuse::database)?;
        webhook::lock(&mut tx).await.map_err(refuse::database)?;
        if !webhook::remove(&mut tx).await.map_err(refuse::database)? {
            return Err(refuse::not_found("NOTICE_WEBHOOK"));
        }
        record(&mut tx, &caller, "notice_webhook.delete", json!({})).await?;
        tx.commit().await.map_err(refuse::database)?;
        Ok(Response::new(wire::DeleteNoticeWebhookResponse {}))
    }

    async fn rotate_notice_webhook_secret(
        &self,
        request: Request<wire::RotateNoticeWebhookSecretRequest>,
    ) -> Result<Response<wire::RotateNoticeWebhookSecretResponse>, Status> {
        let caller = Caller::of(&request);
        let mut tx = self.database().tenant(caller.tenant()).await.map_err(refuse::database)?;
        webhook::lock(&mut tx).await.map_err(refuse::database)?;
        let known = webhook::read(&mut tx).await.map_err(refuse::database)?;
        let known = known.ok_or_else(|| refuse::not_found("NOTICE_WEBHOOK"))?;
        let (secret, ciphertext) = self.new_secret(&mut tx, known.id).await?;
        let now = rows::now(&mut tx).await.map_err(refuse::database)?;
        let until = former::until(self.tools.clock.now());
        let former = Some((known.secret.clone(), until));
        let webhook = Webhook { secret: ciphertext, former, rotate_time: Some(now), ..known };
        webhook::put(&mut tx, &webhook).await.map_err(refuse::database)?;
        record(&mut tx, &caller, "notice_webhook.rotate", json!({ "webhook_id": webhook.id })).await?;
        tx.commit().await.map_err(refuse::database)?;
        Ok(Response::new(wire::RotateNoticeWebhookSecretResponse {
            webhook: Some(told(&webhook)),
            secret: secret.as_str().to_owned(),
            former_until_time: Some(contracts::timestamp(until)),
        }))
    }

    async fn list_notices(
        &self,
        request: Request<wire::ListNoticesRequest>,
    ) -> Result<Response<wire::ListNoticesResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let page: Page<Position> = Page::asked(caller.tenant(), &request)?;
        let mut violations = Violations::new();
        let kind = optional(request.kind, NoticeKind::from_code);
        violations.check(kind.is_some(), "kind", "is not a kind of notice");
        let state = optional(request.state, DeliveryState::from_code);
        violations.check(state.is_some(), "state", "is not a state of a notice");
        violations.finish()?;
        let asked = field::optional_id::<StaffId>("staff_id", &request.staff_id)?;
        let own = caller.staff().filter(|staff| !staff.administrator).map(|staff| staff.id);
        let staff = recipient::shown(own, asked).map_err(|_| refuse::not_found("STAFF"))?;
        let listing =
            Listing { staff, kind: kind.flatten(), state: state.flatten(), after: page.after, limit: page.rows() };
        let mut tx = self.database().tenant_planning_anew(caller.tenant()).await.map_err(refuse::database)?;
        if let Some(staff) = asked
            && staff::contacts(&mut tx, &[staff.uuid()]).await.map_err(refuse::database)?.is_empty()
        {
            return Err(refuse::not_found("STAFF"));
        }
        let found = list::list(&mut tx, &listing).await.map_err(refuse::database)?;
        tx.rollback().await.map_err(refuse::database)?;
        let place = |last: &Listed| (last.raised.create_time, last.raised.notice.id);
        let (found, next_page_token) = page.cut(found, place);
        Ok(Response::new(wire::ListNoticesResponse { notices: found.iter().map(notice).collect(), next_page_token }))
    }
}

impl Desk {
    /// A new secret of a webhook, and the same encrypted.
    async fn new_secret(&self, tx: &mut TenantTx, webhook: Uuid) -> Result<(Zeroizing<String>, Vec<u8>), Status> {
        let secret = signature::new_secret();
        let encrypted = self.tools.envelope.encrypt(tx, &signature::purpose(webhook), secret.as_bytes()).await;
        Ok((secret, encrypted.map_err(|error| refuse::internal(&error))?))
    }
}

async fn record(tx: &mut TenantTx, caller: &Caller, action: &'static str, detail: Value) -> Result<(), Status> {
    let subject = format!("notices/{}", tx.tenant());
    audit::record(tx, &Actor::of(caller), action, &subject, detail).await.map_err(refuse::database)
}

/// A filter; none outside where it is no code that is known.
#[expect(clippy::option_option, reason = "wrong, left out and given are three things")]
fn optional<T>(wire: i32, from_code: impl Fn(i16) -> Option<T>) -> Option<Option<T>> {
    match wire {
        0 => Some(None),
        code => i16::try_from(code).ok().and_then(from_code).map(Some),
    }
}

/// The rules of a request, everything that is wrong with them told at once.
fn rules(wires: &[wire::NoticeRule]) -> Result<Vec<(NoticeKind, Rule)>, Status> {
    let mut violations = Violations::new();
    violations.check(!wires.is_empty(), "rules", "are none");
    violations.check(wires.len() <= NoticeKind::ALL.len(), "rules", "are more than there are kinds");
    let mut rules: Vec<(NoticeKind, Rule)> = Vec::new();
    for (place, wire) in wires.iter().take(NoticeKind::ALL.len()).enumerate() {
        let kind = i16::try_from(wire.kind).ok().and_then(NoticeKind::from_code);
        let email = i16::try_from(wire.email).ok().and_then(EmailUse::from_code);
        violations.check(kind.is_some(), &format!("rules[{place}].kind"), "is not a kind of notice");
        violations.check(email.is_some(), &format!("rules[{place}].email"), "does not say when e-mail is used");
        let twice = rules.iter().any(|(known, _)| Some(*known) == kind);
        violations.check(!twice, &format!("rules[{place}].kind"), "is named twice");
        if let Some((kind, email)) = kind.zip(email) {
            rules.push((kind, Rule { line: wire.line, email, webhook: wire.webhook }));
        }
    }
    violations.finish()?;
    Ok(rules)
}

async fn settings(tx: &mut TenantTx) -> Result<wire::NoticeSettings, sqlx::Error> {
    let rule = |(kind, rule): (NoticeKind, Rule)| wire::NoticeRule {
        kind: i32::from(kind.code()),
        line: rule.line,
        email: i32::from(rule.email.code()),
        webhook: rule.webhook,
    };
    Ok(wire::NoticeSettings {
        rules: rule::read(tx).await?.into_iter().map(rule).collect(),
        webhook: webhook::read(tx).await?.as_ref().map(told),
        etag: etag(rule::version(tx).await?),
    })
}

/// In a form callers do not count on (AIP-154, <https://google.aip.dev/154>).
fn etag(version: i64) -> String {
    format!("\"{version:x}\"")
}

fn told(webhook: &Webhook) -> wire::NoticeWebhook {
    wire::NoticeWebhook {
        url: webhook.url.clone(),
        create_time: Some(contracts::timestamp(webhook.create_time)),
        rotate_time: webhook.rotate_time.map(contracts::timestamp),
        stop_time: webhook.stop_time.map(contracts::timestamp),
    }
}

fn notice(listed: &Listed) -> wire::Notice {
    let raised = &listed.raised;
    let delivery = |one: &list::Standing| wire::NoticeDelivery {
        channel: i32::from(one.channel.code()),
        state: i32::from(one.state.code()),
        failure: one.reason.map_or(0, i32::from),
        attempts: i32::from(one.attempts),
        settle_time: one.settle_time.map(contracts::timestamp),
    };
    wire::Notice {
        notice_id: raised.notice.id.to_string(),
        staff_id: raised.notice.staff.to_string(),
        kind: i32::from(raised.notice.kind.code()),
        title: raised.notice.title.clone(),
        body: raised.notice.body.clone(),
        create_time: Some(contracts::timestamp(raised.create_time)),
        expire_time: Some(contracts::timestamp(raised.notice.expire)),
        deliveries: listed.deliveries.iter().map(delivery).collect(),
    }
}
