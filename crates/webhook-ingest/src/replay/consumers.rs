//! Consumers that make anew in a rebuild what they keep of LINE's events.

use std::collections::HashSet;
use std::time::Duration;

use chassis::grpc::Client;
use contracts::identity::v1::rebuild_service_client::RebuildServiceClient;
use contracts::identity::v1::{CheckRebuildRequest, FinishRebuildRequest, PrepareRebuildRequest};
use kernel::TenantId;
use tonic::{Request, Status};
use ulid::Ulid;
use uuid::Uuid;

/// How long one call may take: it does one portion.
const PATIENCE: Duration = Duration::from_secs(10);

/// The way to them: identity-linking. None where the service runs alone.
#[derive(Clone, Debug)]
pub(crate) struct Consumers(pub(crate) Option<Client>);

/// What consumers have not handled of some events.
#[derive(Debug, Default)]
pub(super) struct Unhandled {
    /// Those that never came to them.
    pub(super) missing: HashSet<Ulid>,
    /// How many they keep aside: to be tried again, or dead letters that nobody has dropped.
    pub(super) waiting: i64,
}

/// What came of a rebuild.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcome {
    /// Whether what was made anew takes the place of what was kept.
    pub(super) replaced: bool,
    /// Friendships that were made anew.
    pub(super) renewed: i64,
    /// Friendships that stand as they stood.
    pub(super) kept: i64,
}

impl Consumers {
    /// Has consumers get ready for one more portion; whether they are.
    ///
    /// # Errors
    /// When one is away or refuses; to be repeated.
    pub(super) async fn prepare(&self, tenant: TenantId, replay: Uuid) -> Result<bool, Status> {
        let Some(mut client) = self.client(tenant) else { return Ok(true) };
        let request = PrepareRebuildRequest { replay_id: replay.to_string() };
        Ok(client.prepare_rebuild(patient(request)).await?.into_inner().done)
    }

    /// What consumers have not handled of events that were published, at most 1000.
    ///
    /// # Errors
    /// When one is away or refuses; to be repeated.
    pub(super) async fn check(&self, tenant: TenantId, replay: Uuid, events: &[Ulid]) -> Result<Unhandled, Status> {
        let Some(mut client) = self.client(tenant) else { return Ok(Unhandled::default()) };
        let webhook_event_ids = events.iter().map(ToString::to_string).collect();
        let request = CheckRebuildRequest { replay_id: replay.to_string(), webhook_event_ids };
        let answer = client.check_rebuild(patient(request)).await?.into_inner();
        let missing = answer.missing_webhook_event_ids.iter().filter_map(|id| id.parse().ok()).collect();
        Ok(Unhandled { missing, waiting: answer.waiting_count.into() })
    }

    /// Has consumers end the rebuild, one more portion of it; none: they are not done yet. Where it is `abandoned` what they keep
    /// stays, unless what they made anew had begun to take its place.
    ///
    /// # Errors
    /// When one is away or refuses; to be repeated.
    pub(super) async fn finish(
        &self,
        tenant: TenantId,
        replay: Uuid,
        abandoned: bool,
    ) -> Result<Option<Outcome>, Status> {
        let Some(mut client) = self.client(tenant) else {
            return Ok(Some(Outcome { replaced: !abandoned, ..Outcome::default() }));
        };
        let request = FinishRebuildRequest { replay_id: replay.to_string(), abandoned };
        let answer = client.finish_rebuild(patient(request)).await?.into_inner();
        let (renewed, kept) = (answer.renewed_count, answer.kept_count);
        Ok(answer.done.then_some(Outcome { replaced: answer.replaced, renewed, kept }))
    }

    fn client(&self, tenant: TenantId) -> Option<RebuildServiceClient<Client>> {
        Some(RebuildServiceClient::new(self.0.as_ref()?.for_tenant(tenant)))
    }
}

fn patient<T>(request: T) -> Request<T> {
    let mut request = Request::new(request);
    request.set_timeout(PATIENCE);
    request
}
