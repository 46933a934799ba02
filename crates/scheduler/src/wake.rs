//! Timers that were made or moved in this process: whoever fires them need not come by to see them. A wake-up is a hint: what it
//! wakes looks for itself.

use std::sync::LazyLock;

use kernel::Timestamp;
use tokio::sync::broadcast;

/// Wake-ups that wait for a slow listener at most; it looks everywhere when it missed some.
const DEPTH: usize = 4_096;

/// One channel in each process. It is global because a transaction knows nothing else of the process; several databases in one
/// process, as in tests, only wake each other in vain.
static CHANNEL: LazyLock<broadcast::Sender<Wake>> = LazyLock::new(|| broadcast::Sender::new(DEPTH));

/// There is a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wake {
    /// The part its tenant belongs to.
    pub(crate) part: i16,
    /// Its moment.
    pub(crate) due: Timestamp,
}

/// Says that timers of a part are committed, the first of them due then.
pub(crate) fn due_at(part: i16, due: Timestamp) {
    // Nobody listening: nobody fires timers in this process.
    let _ = CHANNEL.send(Wake { part, due });
}

/// Hears of timers from now on.
pub(crate) fn listen() -> broadcast::Receiver<Wake> {
    CHANNEL.subscribe()
}

impl Wake {
    /// As it travels to other replicas: ten bytes.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        [&self.part.to_be_bytes()[..], &self.due.timestamp_micros().to_be_bytes()[..]].concat()
    }

    /// As it came from another replica; none where it is no wake-up.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (part, due) = bytes.split_first_chunk::<2>()?;
        let micros = i64::from_be_bytes(due.try_into().ok()?);
        Some(Self { part: i16::from_be_bytes(*part), due: Timestamp::from_timestamp_micros(micros)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_wake_up_survives_the_way_to_another_replica(part: i16, micros in -62_135_596_800_000_000i64..253_402_300_800_000_000) {
            let wake = Wake { part, due: Timestamp::from_timestamp_micros(micros).unwrap() };
            prop_assert_eq!(Wake::from_bytes(&wake.to_bytes()), Some(wake));
        }

        #[test]
        fn any_bytes_are_a_wake_up_or_none(bytes: Vec<u8>) {
            let _ = Wake::from_bytes(&bytes);
        }
    }
}
