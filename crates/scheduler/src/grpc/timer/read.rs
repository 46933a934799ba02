//! Timers that stand.

use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::postgres::Database;
use chassis::request::fields::Fields;
use contracts::scheduler::v1::{GetTimerRequest, GetTimerResponse, ListTimersRequest, ListTimersResponse};
use scheduler_core::Key;
use tonic::Request;

use super::fields;
use crate::grpc::refusal::Refusal;
use crate::postgres::timer;

pub(super) async fn get(database: &Database, request: Request<GetTimerRequest>) -> Result<GetTimerResponse, Refusal> {
    let (caller, request) = (Caller::of(&request), request.into_inner());
    let mut read = Fields::new();
    let owner = fields::owner(&mut read, &request.owner);
    let key = read.take("key", Key::parse(&request.key));
    let (owner, key) = read.all(|| owner.zip(key))?;
    let mut tx = database.tenant(caller.tenant()).await?;
    let found = timer::find(&mut tx, &owner, &key).await?.ok_or_else(|| refuse::not_found("TIMER"))?;
    tx.rollback().await?;
    Ok(GetTimerResponse { timer: Some(fields::tell(&found)) })
}

pub(super) async fn list(
    database: &Database,
    request: Request<ListTimersRequest>,
) -> Result<ListTimersResponse, Refusal> {
    let (caller, request) = (Caller::of(&request), request.into_inner());
    let mut read = Fields::new();
    let owner = fields::owner(&mut read, &request.owner);
    let prefix = fields::prefix(&mut read, &request.key_prefix);
    let page = read.page::<String>(caller.tenant(), &request);
    // A place that no key has was given by nobody here.
    let after = page.as_ref().and_then(|page| page.after.as_deref()).map(Key::parse).transpose();
    let after = read.take("page_token", after.map_err(|_| "is not a token of this list with these filters"));
    let (owner, page, after) = read.all(|| prefix.and(Some((owner?, page?, after?))))?;
    let mut tx = database.tenant(caller.tenant()).await?;
    let rows = timer::list(&mut tx, &owner, &request.key_prefix, after.as_ref(), page.rows()).await?;
    tx.rollback().await?;
    let (rows, next_page_token) = page.cut(rows, |last| last.key.as_str().to_owned());
    Ok(ListTimersResponse { timers: rows.iter().map(fields::tell).collect(), next_page_token })
}
