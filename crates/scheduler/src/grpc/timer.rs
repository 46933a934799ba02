//! `TimerService`.

mod change;
mod create;
mod fields;
mod missed;
mod read;

use chassis::postgres::Database;
use contracts::scheduler::v1::timer_service_server::TimerService;
use contracts::scheduler::v1::{
    CancelTimersRequest, CancelTimersResponse, CreateTimersRequest, CreateTimersResponse, GetTimerRequest,
    GetTimerResponse, ListMissedTimersRequest, ListMissedTimersResponse, ListTimersRequest, ListTimersResponse,
    MoveTimerRequest, MoveTimerResponse,
};
use tonic::{Request, Response, Status};

/// Timers of a tenant's programs.
pub(crate) struct Timers(pub(crate) Database);

#[tonic::async_trait]
impl TimerService for Timers {
    async fn create_timers(
        &self,
        request: Request<CreateTimersRequest>,
    ) -> Result<Response<CreateTimersResponse>, Status> {
        Ok(Response::new(create::create(&self.0, request).await?))
    }

    async fn get_timer(&self, request: Request<GetTimerRequest>) -> Result<Response<GetTimerResponse>, Status> {
        Ok(Response::new(read::get(&self.0, request).await?))
    }

    async fn list_timers(&self, request: Request<ListTimersRequest>) -> Result<Response<ListTimersResponse>, Status> {
        Ok(Response::new(read::list(&self.0, request).await?))
    }

    async fn move_timer(&self, request: Request<MoveTimerRequest>) -> Result<Response<MoveTimerResponse>, Status> {
        Ok(Response::new(change::shift(&self.0, request).await?))
    }

    async fn cancel_timers(
        &self,
        request: Request<CancelTimersRequest>,
    ) -> Result<Response<CancelTimersResponse>, Status> {
        Ok(Response::new(change::cancel(&self.0, request).await?))
    }

    async fn list_missed_timers(
        &self,
        request: Request<ListMissedTimersRequest>,
    ) -> Result<Response<ListMissedTimersResponse>, Status> {
        Ok(Response::new(missed::list(&self.0, request).await?))
    }
}
