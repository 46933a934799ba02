//! A request's body, gathered under a limit.

use bytes::Bytes;
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

/// Gathers the body, at most `limit` bytes, into memory of its own. What a connection hands out is part of its read
/// buffer, of 8 KiB at first: kept, a small body would hold all of that, and have the connection make another.
///
/// # Errors
/// See [`Cut`].
pub async fn gather<B>(mut body: B, limit: usize) -> Result<Bytes, Cut>
where
    B: Body<Data = Bytes> + Unpin,
{
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(limit);
    let mut gathered = Vec::with_capacity(expected.min(limit));
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Cut::Broken)?.into_data() else { continue };
        if data.len() > limit - gathered.len() {
            return Err(Cut::TooLarge);
        }
        gathered.extend_from_slice(&data);
    }
    Ok(gathered.into())
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
