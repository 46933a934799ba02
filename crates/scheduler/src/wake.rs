//! Timers that were made or moved in this process: whoever fires them need not come by to see them. A wake-up is a hint: what it
//! wakes looks for itself.

use std::sync::LazyLock;

use kernel::{TenantId, Timestamp};
use tokio::sync::broadcast;
use uuid::Uuid;

/// Wake-ups that wait for a slow listener at most; it looks everywhere when it missed some.
const DEPTH: usize = 4_096;

/// One channel in each process. It is global because a transaction knows nothing else of the process; several databases in one
/// process, as in tests, only wake each other in vain.
static CHANNEL: LazyLock<broadcast::Sender<Wake>> = LazyLock::new(|| broadcast::Sender::new(DEPTH));

/// There is a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wake {
    /// Whose it is.
    pub(crate) tenant: TenantId,
    /// Its moment.
    pub(crate) due: Timestamp,
}

/// Says that timers of a tenant are committed, the first of them due then.
pub(crate) fn due_at(tenant: TenantId, due: Timestamp) {
    // Nobody listening: nobody fires timers in this process.
    let _ = CHANNEL.send(Wake { tenant, due });
}

/// Hears of timers from now on.
pub(crate) fn listen() -> broadcast::Receiver<Wake> {
    CHANNEL.subscribe()
}

impl Wake {
    /// As it travels to other replicas: 24 bytes.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        [&self.tenant.uuid().as_bytes()[..], &self.due.timestamp_micros().to_be_bytes()[..]].concat()
    }

    /// As it came from another replica; none where it is no wake-up.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (tenant, due) = bytes.split_first_chunk::<16>()?;
        let micros = i64::from_be_bytes(due.try_into().ok()?);
        Some(Self { tenant: Uuid::from_bytes(*tenant).into(), due: Timestamp::from_timestamp_micros(micros)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_wake_up_survives_the_way_to_another_replica(tenant: u128, micros in -62_135_596_800_000_000i64..253_402_300_800_000_000) {
            let tenant = Uuid::from_u128(tenant).into();
            let wake = Wake { tenant, due: Timestamp::from_timestamp_micros(micros).unwrap() };
            prop_assert_eq!(Wake::from_bytes(&wake.to_bytes()), Some(wake));
        }

        #[test]
        fn any_bytes_are_a_wake_up_or_none(bytes: Vec<u8>) {
            let _ = Wake::from_bytes(&bytes);
        }
    }
}
