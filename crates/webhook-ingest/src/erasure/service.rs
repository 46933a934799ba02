//! `ErasureService`.

use chassis::audit::{self, Actor};
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::page::Page;
use chassis::postgres::Database;
use chassis::request::fields::Fields;
use chassis::request::repeat;
use contracts::access_proto::v1::Right;
use contracts::ingest::v1::erasure_service_server::ErasureService;
use contracts::ingest::v1::{
    EraseLineUserRequest, EraseLineUserResponse, Erasure, ErasureCause, ErasureState, GetErasureRequest,
    GetErasureResponse, ListErasuresRequest, ListErasuresResponse,
};
use contracts::timestamp;
use kernel::Timestamp;
use line_types::id::UserId;
use serde_json::json;
use tonic::{Request, Response, Status};
use uuid::Uuid;
use webhook_ingest_core::Cause;

use super::matter::{self, Matter};
use crate::vault::Vault;

const ERASE: &str = "EraseLineUser";

/// The service.
#[derive(Clone, Debug)]
pub(crate) struct Erasures {
    pub(crate) database: Database,
    pub(crate) vault: Vault,
}

#[tonic::async_trait]
impl ErasureService for Erasures {
    async fn erase_line_user(
        &self,
        request: Request<EraseLineUserRequest>,
    ) -> Result<Response<EraseLineUserResponse>, Status> {
        let (caller, asked) = (Caller::of(&request), request.get_ref());
        let mut fields = Fields::new();
        let user = UserId::parse(&asked.line_user_id).map_err(|_| "is not a LINE user ID");
        let user = fields.take("line_user_id", user);
        let user = fields.all(|| user)?;
        if !caller.has(Right::LineUserIdRead) {
            return Err(refuse::denied("RIGHT_MISSING"));
        }
        let tenant = caller.tenant();
        self.vault.learn(&self.database, &[tenant]).await.map_err(refuse::envelope)?;
        let mut tx = self.database.tenant(tenant).await.map_err(refuse::database)?;
        if let Some(answer) = repeat::answered(&mut tx, ERASE, &asked.request_id, asked).await? {
            return Ok(Response::new(answer));
        }
        let id = Uuid::new_v4();
        let sealed = self.vault.seal_user(tenant, id, &user).map_err(refuse::envelope)?;
        matter::forget_user(&mut tx, id, &sealed).await.map_err(refuse::database)?;
        audit::record(&mut tx, &Actor::of(&caller), "line_user.erase", &format!("erasure/{id}"), json!({}))
            .await
            .map_err(refuse::database)?;
        let found = matter::find(&mut tx, id).await.map_err(refuse::database)?;
        let answer = EraseLineUserResponse { erasure: found.as_ref().map(erasure) };
        repeat::keep(&mut tx, ERASE, &asked.request_id, &answer).await?;
        tx.commit().await.map_err(refuse::database)?;
        Ok(Response::new(answer))
    }

    async fn get_erasure(&self, request: Request<GetErasureRequest>) -> Result<Response<GetErasureResponse>, Status> {
        let mut fields = Fields::new();
        let id: Option<Uuid> = fields.id("erasure_id", &request.get_ref().erasure_id);
        let id = fields.all(|| id)?;
        let mut tx = self.database.tenant(Caller::of(&request).tenant()).await.map_err(refuse::database)?;
        let found = matter::find(&mut tx, id).await.map_err(refuse::database)?;
        let found = found.ok_or_else(|| refuse::not_found("ERASURE"))?;
        Ok(Response::new(GetErasureResponse { erasure: Some(erasure(&found)) }))
    }

    async fn list_erasures(
        &self,
        request: Request<ListErasuresRequest>,
    ) -> Result<Response<ListErasuresResponse>, Status> {
        let (caller, asked) = (Caller::of(&request), request.get_ref());
        let mut fields = Fields::new();
        let page: Option<Page<(Timestamp, Uuid)>> = fields.page(caller.tenant(), asked);
        let cause = match asked.cause() {
            ErasureCause::Unspecified if asked.cause != 0 => {
                fields.wrong("cause", "is not a cause of an erasure");
                None
            }
            ErasureCause::Unspecified => None,
            ErasureCause::Unsend => Some(Cause::Unsend),
            ErasureCause::LineUser => Some(Cause::LineUser),
        };
        let page = fields.all(|| page)?;
        let mut tx = self.database.tenant(caller.tenant()).await.map_err(refuse::database)?;
        let rows = matter::list(&mut tx, cause, page.after, page.rows()).await.map_err(refuse::database)?;
        let (rows, next_page_token) = page.cut(rows, |last| (last.asked_at, last.id));
        Ok(Response::new(ListErasuresResponse { erasures: rows.iter().map(erasure).collect(), next_page_token }))
    }
}

fn erasure(matter: &Matter) -> Erasure {
    let cause = match matter.cause() {
        Cause::Unsend => ErasureCause::Unsend,
        Cause::LineUser => ErasureCause::LineUser,
    };
    let state = match (matter.complete, matter.looks) {
        (true, _) => ErasureState::Complete,
        (false, 0) => ErasureState::Running,
        (false, _) => ErasureState::Erased,
    };
    Erasure {
        erasure_id: matter.id.to_string(),
        cause: cause.into(),
        account_id: if matter.account.is_nil() { String::new() } else { matter.account.to_string() },
        create_time: Some(timestamp(matter.asked_at)),
        state: state.into(),
        erased_event_count: matter.erased,
        look_time: matter.looked_at.map(timestamp),
    }
}
