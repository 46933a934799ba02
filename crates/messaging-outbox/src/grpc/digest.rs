//! What staff were told at each digest.

use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::page::Page;
use contracts::messaging::v1 as wire;
use contracts::messaging::v1::digest_service_server::DigestService;
use contracts::timestamp;
use kernel::{StaffId, Timestamp};
use tonic::{Request, Response, Status};

use super::conversations::Position;
use super::{Desk, field};
use crate::postgres::digest::{self, Told};

#[tonic::async_trait]
impl DigestService for Desk {
    async fn list_digests(
        &self,
        request: Request<wire::ListDigestsRequest>,
    ) -> Result<Response<wire::ListDigestsResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let page: Page<Position> = Page::asked(caller.tenant(), &request)?;
        let asked: Option<StaffId> = field::optional_id("staff_id", &request.staff_id)?;
        // The counts of others tell of conversations the member does not see.
        let own = caller.staff().filter(|staff| !staff.administrator).map(|staff| staff.id);
        if asked.is_some() && own.is_some() && asked != own {
            return Err(refuse::not_found("STAFF_MEMBER"));
        }
        let mut tx = self.database().tenant_planning_anew(caller.tenant()).await.map_err(refuse::database)?;
        if let Some(staff) = asked
            && !digest::is_known(&mut tx, staff).await.map_err(refuse::database)?
        {
            return Err(refuse::not_found("STAFF_MEMBER"));
        }
        let found = digest::list(&mut tx, asked.or(own), page.after, page.rows()).await.map_err(refuse::database)?;
        tx.rollback().await.map_err(refuse::database)?;
        let (found, next_page_token) = page.cut(found, |(last, _)| (last.slot_time, last.staff.uuid()));
        let digests = found.iter().map(|(told, made)| self::told(told, *made)).collect();
        Ok(Response::new(wire::ListDigestsResponse { digests, next_page_token }))
    }
}

fn told(of: &Told, made: Timestamp) -> wire::Digest {
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    wire::Digest {
        staff_id: of.staff.to_string(),
        slot_time: Some(timestamp(of.slot_time)),
        outcome: i32::from(of.outcome.code()),
        conversation_count: count(of.waiting.conversations),
        message_count: count(of.waiting.messages),
        unlinked_count: count(of.waiting.unlinked),
        put_off_count: count(of.waiting.put_off),
        oldest_time: of.waiting.oldest.map(timestamp),
        title: of.title.clone(),
        body: of.body.clone(),
        create_time: Some(timestamp(made)),
    }
}
