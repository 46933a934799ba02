//! Timers that were not said.

use chassis::auth::Caller;
use chassis::postgres::Database;
use chassis::request::fields::Fields;
use contracts::scheduler::v1::{
    ListMissedTimersRequest, ListMissedTimersResponse, MissReason, MissedTimer as WireMissed,
};
use contracts::timestamp;
use scheduler_core::fire::Miss;
use tonic::Request;

use super::fields;
use crate::grpc::refusal::Refusal;
use crate::postgres::missed_timer::{self, Missed};

pub(super) async fn list(
    database: &Database,
    request: Request<ListMissedTimersRequest>,
) -> Result<ListMissedTimersResponse, Refusal> {
    let (caller, request) = (Caller::of(&request), request.into_inner());
    let mut read = Fields::new();
    let owner = fields::owner(&mut read, &request.owner);
    let page = read.page::<i64>(caller.tenant(), &request);
    let (owner, page) = read.all(|| owner.zip(page))?;
    let mut tx = database.tenant(caller.tenant()).await?;
    let rows = missed_timer::list(&mut tx, &owner, page.after, page.rows()).await?;
    tx.rollback().await?;
    let (rows, next_page_token) = page.cut(rows, |last| last.sequence);
    Ok(ListMissedTimersResponse { missed_timers: rows.iter().map(tell).collect(), next_page_token })
}

fn tell(missed: &Missed) -> WireMissed {
    let reason = match missed.reason {
        Miss::TooLate => MissReason::TooLate,
        Miss::Merged => MissReason::Merged,
    };
    WireMissed {
        key: missed.key.as_str().to_owned(),
        generation: missed.generation,
        due_time: Some(timestamp(missed.due)),
        miss_time: Some(timestamp(missed.found_at)),
        reason: reason.into(),
    }
}
