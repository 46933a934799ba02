//! What a message of the spill stream holds: bodies as they were taken. Read and written by this service alone.

use bytes::Bytes;
use kernel::Timestamp;
use prost::Message;
use uuid::Uuid;
use webhook_ingest_core::{QuarantineReason, read};

use crate::taken::Taken;

/// Bodies packed into one message. Fields are only ever added: a version reads what the one before it wrote.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SpilledPack {
    #[prost(message, repeated, tag = "1")]
    pub(crate) bodies: Vec<SpilledBody>,
}

/// One body.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SpilledBody {
    /// 16 bytes.
    #[prost(bytes = "bytes", tag = "1")]
    tenant: Bytes,
    /// 16 bytes.
    #[prost(bytes = "bytes", tag = "2")]
    account: Bytes,
    /// 16 bytes.
    #[prost(bytes = "bytes", tag = "3")]
    body: Bytes,
    /// Microseconds since 1970.
    #[prost(int64, tag = "4")]
    verified_at: i64,
    /// Empty: none.
    #[prost(string, tag = "5")]
    trace: String,
    #[prost(bytes = "bytes", tag = "6")]
    payload: Bytes,
    /// Places of the events to handle.
    #[prost(uint32, repeated, tag = "7")]
    places: Vec<u32>,
    /// 0: not quarantined; 1: wrong destination; 2: unreadable; 3: outside of the window.
    #[prost(uint32, tag = "8")]
    quarantine: u32,
}

impl SpilledBody {
    /// The same, in memory of its own.
    pub(super) fn unshared(self) -> Self {
        Self { payload: Bytes::copy_from_slice(&self.payload), ..self }
    }

    /// Bytes that vary from body to body.
    pub(super) fn size(&self) -> usize {
        self.payload.len() + self.trace.len() + 4 * self.places.len()
    }
}

/// A body of the spill stream that this version cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a spilled body cannot be read")]
pub(crate) struct Unreadable;

const REASONS: [QuarantineReason; 3] =
    [QuarantineReason::WrongDestination, QuarantineReason::Unreadable, QuarantineReason::OutsideWindow];

impl From<&Taken> for SpilledBody {
    fn from(taken: &Taken) -> Self {
        let id = |id: Uuid| Bytes::copy_from_slice(id.as_bytes());
        let reason =
            |reason| REASONS.iter().zip(1u32..).find(|(known, _)| **known == reason).map_or(0, |(_, number)| number);
        Self {
            tenant: id(taken.tenant.uuid()),
            account: id(taken.account.uuid()),
            body: id(taken.body.uuid()),
            verified_at: taken.verified_at.timestamp_micros(),
            trace: taken.trace.as_ref().map(ToString::to_string).unwrap_or_default(),
            payload: taken.payload.clone(),
            places: taken.events.iter().map(|event| u32::from(event.place)).collect(),
            quarantine: taken.quarantine.map_or(0, reason),
        }
    }
}

impl TryFrom<SpilledBody> for Taken {
    type Error = Unreadable;

    fn try_from(body: SpilledBody) -> Result<Self, Unreadable> {
        let id = |bytes: &Bytes| Uuid::from_slice(bytes).map_err(|_| Unreadable);
        // The events follow from the payload; only which of them were let in is remembered.
        let mut events = read(&body.payload).map(|reading| reading.events).unwrap_or_default();
        events.retain(|event| body.places.contains(&u32::from(event.place)));
        if events.len() != body.places.len() {
            return Err(Unreadable);
        }
        let quarantine = match body.quarantine.checked_sub(1) {
            None => None,
            Some(number) => Some(*usize::try_from(number).ok().and_then(|at| REASONS.get(at)).ok_or(Unreadable)?),
        };
        Ok(Self {
            tenant: id(&body.tenant)?.into(),
            account: id(&body.account)?.into(),
            body: id(&body.body)?.into(),
            verified_at: Timestamp::from_timestamp_micros(body.verified_at).ok_or(Unreadable)?,
            trace: body.trace.parse().ok(),
            payload: body.payload,
            events,
            quarantine,
        })
    }
}

#[cfg(test)]
mod tests {
    use kernel::BodyId;

    use super::*;

    fn taken(payload: &str, quarantine: Option<QuarantineReason>) -> Taken {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        let now = Timestamp::from_timestamp_micros(1_700_000_000_123_456).unwrap();
        Taken {
            tenant: Uuid::from_u128(1).into(),
            account: Uuid::from_u128(2).into(),
            body: BodyId::new(now),
            verified_at: now,
            trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().ok(),
            events: read(&payload).map(|reading| reading.events).unwrap_or_default(),
            payload,
            quarantine,
        }
    }

    #[test]
    fn a_body_comes_back_as_it_was_taken() {
        let mut whole =
            taken(r#"{"destination":"U","events":[{"type":"a","timestamp":1},{"type":"b","timestamp":2}]}"#, None);
        whole.events.remove(0);
        let quarantined = taken("not a webhook", Some(QuarantineReason::Unreadable));
        for body in [whole, quarantined] {
            let pack = SpilledPack { bodies: vec![SpilledBody::from(&body)] };
            let read = SpilledPack::decode(&*pack.encode_to_vec()).unwrap();
            let back = Taken::try_from(read.bodies.into_iter().next().unwrap()).unwrap();
            assert_eq!(format!("{back:?}"), format!("{body:?}"));
        }
    }

    #[test]
    fn what_cannot_be_a_body_is_told() {
        let good = SpilledBody::from(&taken("{}", None));
        for wrong in [
            SpilledBody { body: Bytes::from_static(b"short"), ..good.clone() },
            SpilledBody { quarantine: 4, ..good.clone() },
            SpilledBody { places: vec![0], ..good.clone() },
        ] {
            assert_eq!(Taken::try_from(wrong).unwrap_err(), Unreadable);
        }
    }
}
