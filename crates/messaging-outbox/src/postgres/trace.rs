//! A `traceparent` in 25 bytes: trace ID, parent ID, flags.

use kernel::TraceParent;

/// As a row keeps it.
pub(crate) fn pack(trace: &TraceParent) -> Option<Vec<u8>> {
    hex::decode(trace.as_str().split('-').skip(1).collect::<String>()).ok()
}

/// What [`pack`] packed; none for any other bytes.
pub(crate) fn unpack(packed: &[u8]) -> Option<TraceParent> {
    let (trace, rest) = packed.split_at_checked(16)?;
    let (parent, flags) = rest.split_at_checked(8)?;
    format!("00-{}-{}-{}", hex::encode(trace), hex::encode(parent), hex::encode(flags)).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_comes_back_out_of_25_bytes_and_other_bytes_are_none() {
        let trace: TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap();
        let packed = pack(&trace).unwrap();
        assert_eq!((packed.len(), unpack(&packed)), (25, Some(trace)));
        assert_eq!([&packed[..24], &[0; 25], &[]].map(unpack), [None, None, None]);
    }
}
