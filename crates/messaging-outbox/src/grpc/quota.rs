//! What an account may still send this month.

use chassis::auth::Caller;
use chassis::grpc::refuse;
use contracts::messaging::v1 as wire;
use contracts::messaging::v1::quota_service_server::QuotaService;
use kernel::AccountId;
use messaging_outbox_core::quota::QuotaMonth;
use tonic::{Request, Response, Status};

use super::{Desk, field};
use crate::postgres::{account, quota};

#[tonic::async_trait]
impl QuotaService for Desk {
    async fn get_quota(
        &self,
        request: Request<wire::GetQuotaRequest>,
    ) -> Result<Response<wire::GetQuotaResponse>, Status> {
        let caller = Caller::of(&request);
        let id: AccountId = field::id("account_id", &request.get_ref().account_id)?;
        let mut tx = self.database().tenant(caller.tenant()).await.map_err(refuse::database)?;
        let known = account::read(&mut tx, id).await.map_err(refuse::database)?;
        known.ok_or_else(|| refuse::not_found("ACCOUNT"))?;
        let month = QuotaMonth::of(self.tools.clock.now());
        let figures = quota::read(&mut tx, id, month).await.map_err(refuse::database)?;
        tx.rollback().await.map_err(refuse::database)?;
        Ok(Response::new(wire::GetQuotaResponse {
            limited: figures.limited,
            limit: figures.limit,
            used: figures.used,
            read_time: figures.read_time.map(contracts::timestamp),
            sent_by_push: figures.sent_by_push,
            sent_by_reply: figures.sent_by_reply,
        }))
    }
}
