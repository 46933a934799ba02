//! The content of a media message, piece by piece.

use std::pin::Pin;

use chassis::grpc::refuse;
use chassis::postgres::Database;
use contracts::messaging::v1 as wire;
use futures::{Stream, stream};
use kernel::{MessageId, TenantId};
use messaging_outbox_core::media::ContentState;
use tonic::Status;

use crate::content::CHUNK;
use crate::postgres::content::{self, Content};

/// How long a caller should wait for a content that LINE still prepares.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(2);

pub(super) type ContentStream = Pin<Box<dyn Stream<Item = Result<wire::FetchContentResponse, Status>> + Send>>;

/// Opens the content of a message. Each piece is read when the one before has been taken, so that a slow caller holds neither
/// memory nor a transaction; a content that is erased meanwhile ends the stream.
pub(super) async fn open(database: &Database, tenant: TenantId, message: MessageId) -> Result<ContentStream, Status> {
    let mut tx = database.tenant(tenant).await.map_err(refuse::database)?;
    let found = content::read(&mut tx, message).await.map_err(refuse::database)?;
    tx.rollback().await.map_err(refuse::database)?;
    let found = found.ok_or_else(|| refuse::not_found("MESSAGE"))?;
    may_be_read(&found)?;
    let first = Piece { database: database.clone(), tenant, message, part: 0, left: found.size, first: Some(found) };
    Ok(Box::pin(stream::try_unfold(Some(first), |piece| async move {
        let Some(piece) = piece else { return Ok(None) };
        piece.read().await
    })))
}

fn may_be_read(found: &Content) -> Result<(), Status> {
    if found.unsent.is_some() {
        return Err(refuse::precondition("CONTENT_ERASED", "the content was unsent or erased"));
    }
    match found.state {
        Some(ContentState::Stored) => Ok(()),
        Some(ContentState::Pending) => Err(refuse::unavailable("CONTENT_NOT_READY", RETRY_AFTER)),
        Some(ContentState::Gone) => Err(refuse::precondition("CONTENT_ERASED", "LINE has the content no more")),
        Some(ContentState::External | ContentState::Failed) | None => Err(refuse::not_found("CONTENT")),
    }
}

struct Piece {
    database: Database,
    tenant: TenantId,
    message: MessageId,
    part: i32,
    left: i64,
    first: Option<Content>,
}

impl Piece {
    async fn read(mut self) -> Result<Option<(wire::FetchContentResponse, Option<Self>)>, Status> {
        let mut tx = self.database.tenant(self.tenant).await.map_err(refuse::database)?;
        let chunk = content::read_chunk(&mut tx, self.message, self.part).await.map_err(refuse::database)?;
        tx.rollback().await.map_err(refuse::database)?;
        let chunk = match chunk {
            Some(chunk) => chunk,
            None if self.left == 0 => Vec::new(),
            None => return Err(refuse::precondition("CONTENT_ERASED", "the content was erased meanwhile")),
        };
        debug_assert!(chunk.len() <= CHUNK, "pieces are kept as they are told");
        let head = self.first.take();
        self.left -= i64::try_from(chunk.len()).unwrap_or(0);
        self.part += 1;
        let answer = wire::FetchContentResponse {
            content_type: head.as_ref().map(|head| head.content_type.clone()).unwrap_or_default(),
            size: head.map_or(0, |head| head.size),
            chunk: chunk.into(),
        };
        let next = (self.left > 0).then_some(self);
        Ok(Some((answer, next)))
    }
}
