//! `RetentionService`.

use chassis::audit::{self, Actor};
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::postgres::{Database, TenantTx};
use chassis::request::etag;
use contracts::ingest::v1::retention_service_server::RetentionService;
use contracts::ingest::v1::{
    GetRetentionRequest, GetRetentionResponse, Retention, UpdateRetentionRequest, UpdateRetentionResponse,
};
use serde_json::json;
use tonic::{Request, Response, Status};
use webhook_ingest_core::{LEAST_BODY_DAYS, MOST_BODY_DAYS, effective_days};

use super::table;

/// The service.
#[derive(Clone, Debug)]
pub(crate) struct Retentions {
    pub(crate) database: Database,
    /// For how many days the platform keeps bodies.
    pub(crate) platform_days: u16,
}

impl Retentions {
    async fn tenant<T>(&self, request: &Request<T>) -> Result<TenantTx, Status> {
        self.database.tenant(Caller::of(request).tenant()).await.map_err(refuse::database)
    }

    fn shown(&self, days: u16, version: i64) -> Retention {
        Retention {
            body_days: i32::from(days),
            effective_body_days: i32::from(effective_days(days, self.platform_days)),
            etag: etag::of(version),
        }
    }
}

#[tonic::async_trait]
impl RetentionService for Retentions {
    async fn get_retention(
        &self,
        request: Request<GetRetentionRequest>,
    ) -> Result<Response<GetRetentionResponse>, Status> {
        let mut tx = self.tenant(&request).await?;
        let (days, version) = table::find(&mut tx).await.map_err(refuse::database)?;
        Ok(Response::new(GetRetentionResponse { retention: Some(self.shown(days, version)) }))
    }

    async fn update_retention(
        &self,
        request: Request<UpdateRetentionRequest>,
    ) -> Result<Response<UpdateRetentionResponse>, Status> {
        let wanted = request.get_ref().retention.clone();
        let wanted = wanted.ok_or_else(|| refuse::invalid("retention", "is missing"))?;
        let days = u16::try_from(wanted.body_days).ok();
        let days = days.filter(|days| *days == 0 || (LEAST_BODY_DAYS..=MOST_BODY_DAYS).contains(days));
        let days =
            days.ok_or_else(|| refuse::invalid("retention.body_days", "must be 0, or lie between 8 and 3650"))?;
        let mut tx = self.tenant(&request).await?;
        let (former, version) = table::find(&mut tx).await.map_err(refuse::database)?;
        etag::check(&wanted.etag, version)?;
        if !table::put(&mut tx, days, version).await.map_err(refuse::database)? {
            return Err(refuse::aborted("ETAG_MISMATCH"));
        }
        let detail = json!({ "former_body_days": former, "body_days": days });
        audit::record(&mut tx, &Actor::of(&Caller::of(&request)), "retention.update", "retention", detail)
            .await
            .map_err(refuse::database)?;
        tx.commit().await.map_err(refuse::database)?;
        Ok(Response::new(UpdateRetentionResponse { retention: Some(self.shown(days, version + 1)) }))
    }
}
