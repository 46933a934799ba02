//! A request's body, gathered under a limit.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body;

/// Why a body was not gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It is larger than the limit, whatever its length header says.
    TooLarge,
    /// The sender went away, or does not speak HTTP.
    Broken,
}

/// Gathers the body, at most `limit` bytes. The usual body comes in one frame, which is passed on without a copy.
///
/// # Errors
/// See [`Cut`].
pub async fn gather<B>(mut body: B, limit: usize) -> Result<Bytes, Cut>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut size = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Cut::Broken)?.into_data() else { continue };
        size += data.len();
        if size > limit {
            return Err(Cut::TooLarge);
        }
        if first.is_empty() {
            first = data;
            continue;
        }
        if rest.is_empty() {
            let expected = usize::try_from(body.size_hint().lower()).unwrap_or(limit);
            rest.reserve((size + expected).min(limit));
            rest.extend_from_slice(&first);
        }
        rest.extend_from_slice(&data);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// Reads what is left of a refused body, at most `limit` bytes, so that the sender reads the answer instead of a reset.
pub async fn drain<B>(mut body: B, limit: usize)
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut size = 0;
    while let Some(Ok(frame)) = body.frame().await {
        size += frame.data_ref().map_or(0, Bytes::len);
        if size > limit {
            return;
        }
    }
}
