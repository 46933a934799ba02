//! What is to be erased, in the stream: copies go, and those of events that stay in part are replaced.

use std::collections::{BTreeMap, HashSet};

use bus::publish::{Again, PublishError, Publisher};
use bus::subject::Subject;
use chrono::TimeDelta;
use contracts::subject_token;
use kernel::{AccountId, BodyId, TenantId, Timestamp};
use ulid::Ulid;
use uuid::Uuid;
use webhook_ingest_core::{Event, body_time, read};

use super::hits::{self, Hit};
use super::shelf::Found;
use super::sweep::{Sweeper, Trouble};
use crate::publish::outbound;
use crate::taken::Taken;

/// How much older than its publication an event is looked for, and how long the stream keeps anything.
const SLACK: TimeDelta = TimeDelta::minutes(5);
const KEPT: TimeDelta = TimeDelta::days(8);
/// Events on their way at once.
const IN_FLIGHT: usize = 64;

/// Whether something of the tenant's was published once more in the time that the stream keeps: then it may hold events of any age.
const REPLAYED: &str = "SELECT EXISTS (SELECT FROM ingest.replay WHERE tenant_id = $1 AND update_time > now() - make_interval(secs => $2))";

impl Sweeper {
    /// Since when copies of events may lie in the stream whose body was received then; none: there are none any more.
    async fn copied_since(&self, tenant: TenantId) -> Result<impl Fn(BodyId) -> Option<Timestamp> + use<>, Trouble> {
        #[expect(clippy::cast_precision_loss, reason = "some days")]
        let seconds = KEPT.num_seconds() as f64;
        let mut tx = self.database.tenant(tenant).await?;
        let replayed = sqlx::query_scalar(REPLAYED).bind(tenant.uuid()).bind(seconds).fetch_one(&mut *tx).await?;
        tx.commit().await?;
        let oldest = self.clock.now() - KEPT;
        Ok(move |body: BodyId| {
            let published = body_time(body).unwrap_or_default().checked_sub_signed(SLACK).unwrap_or_default();
            (published > oldest || replayed).then(|| published.max(oldest))
        })
    }

    /// Cuts these events out of the stream, in every copy.
    pub(super) async fn cut_out_of_stream(&self, tenant: TenantId, hits: &[Hit]) -> Result<(), Trouble> {
        if hits.is_empty() {
            return Ok(());
        }
        let since = self.copied_since(tenant).await?;
        let copies = hits.iter().filter_map(|hit| {
            Some(((hit.account, hit.event_type.clone()), hit.event.as_u128(), since(hit.body.into())?))
        });
        self.erase(tenant, copies, None).await
    }

    /// Cuts out of the stream what goes from these bodies, and replaces what stays in part: the copy without those parts is published,
    /// then the others go. To consumers it is the event they know. To be done before the bodies are changed: from them follows what it is.
    pub(super) async fn replace_in_stream(
        &self,
        tenant: TenantId,
        erasure: Uuid,
        found: &[Found],
    ) -> Result<(), Trouble> {
        if found.is_empty() {
            return Ok(());
        }
        let since = self.copied_since(tenant).await?;
        let publisher = Publisher::new(&self.bus, IN_FLIGHT);
        let mut copies = Vec::new();
        for found in found {
            let (Some(since), Some((_, cut))) = (since(found.body), found.cuts.last()) else { continue };
            let touched: Vec<Event> = read(&found.payload).map(|reading| reading.events).unwrap_or_default();
            let touched = touched
                .into_iter()
                .filter(|event| cut.gone.contains(&event.place) || cut.mended.contains(&event.place));
            let ids: Vec<Uuid> = touched.clone().map(|event| Uuid::from_u128(event.id.0)).collect();
            let mut tx = self.database.tenant(tenant).await?;
            let let_in: HashSet<Uuid> = hits::let_in(&mut tx, found.account, &ids).await?.into_iter().collect();
            tx.commit().await?;
            let touched: Vec<Event> = touched.filter(|event| let_in.contains(&Uuid::from_u128(event.id.0))).collect();
            let left = left(tenant, found, &cut.body);
            for event in left.events.iter().filter(|left| touched.iter().any(|event| event.id == left.id)) {
                let Ok(outbound) = outbound(&left, event, false) else { continue };
                let published = publisher.publish_again(&outbound, Again::Redrive(erasure)).await;
                match async { published?.await }.await {
                    Ok(_) | Err(PublishError::Refused(_)) => {}
                    Err(unavailable) => return Err(Trouble::Publish(unavailable)),
                }
            }
            copies.extend(touched.into_iter().map(|event| ((found.account, event.event_type), event.id.0, since)));
        }
        self.erase(tenant, copies.into_iter(), Some(erasure)).await
    }

    /// Erases every copy but those of a round from the stream: account and type, ID, since when there may be some.
    async fn erase(
        &self,
        tenant: TenantId,
        copies: impl Iterator<Item = ((Uuid, String), u128, Timestamp)>,
        round: Option<Uuid>,
    ) -> Result<(), Trouble> {
        let mut by_subject: BTreeMap<(Uuid, String), (HashSet<String>, Timestamp)> = BTreeMap::new();
        for (subject, event, since) in copies {
            let (events, earliest) = by_subject.entry(subject).or_insert_with(|| (HashSet::new(), since));
            events.insert(Ulid(event).to_string());
            *earliest = since.min(*earliest);
        }
        for ((account, event_type), (events, since)) in by_subject {
            let account = AccountId::from(account);
            let Ok(subject) = Subject::line_webhook(tenant, account, &subject_token(&event_type)) else { continue };
            self.bus.erase(&subject, &events, since, round).await?;
        }
        Ok(())
    }
}

/// A body as it is left.
fn left(tenant: TenantId, found: &Found, payload: &bytes::Bytes) -> Taken {
    Taken {
        tenant,
        account: found.account.into(),
        body: found.body,
        verified_at: found.received_at,
        trace: None,
        payload: payload.clone(),
        signature: None,
        events: read(payload).map(|reading| reading.events).unwrap_or_default(),
        quarantine: None,
    }
}
