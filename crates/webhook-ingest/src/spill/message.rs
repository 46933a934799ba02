//! What a message of the spill stream holds: bodies as they were taken. Read and written by this service alone.

use bytes::Bytes;
use chassis::envelope::EnvelopeError;
use kernel::{BodyId, TenantId, Timestamp};
use line_types::signature::Signature;
use prost::Message;
use uuid::Uuid;
use webhook_ingest_core::{QuarantineReason, read};

use crate::taken::Taken;
use crate::vault::Vault;

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
    /// Encrypted under the tenant's data key.
    #[prost(bytes = "bytes", tag = "6")]
    sealed: Bytes,
    /// Places of the events to handle.
    #[prost(uint32, repeated, tag = "7")]
    places: Vec<u32>,
    /// 0: not quarantined; 1: wrong destination; 2: unreadable; 3: outside of the window.
    #[prost(uint32, tag = "8")]
    quarantine: u32,
    /// 32 bytes; empty: not known.
    #[prost(bytes = "bytes", tag = "20")]
    signature: Bytes,
    /// 16 bytes: a digest of what stands beside the body, by the tenant's data key; empty: of the version before.
    #[prost(bytes = "bytes", tag = "21")]
    head_digest: Bytes,
}

impl SpilledBody {
    /// A body as it is spilled: encrypted, in memory of its own.
    ///
    /// # Errors
    /// When its tenant's key is not known.
    pub(super) fn of(taken: &Taken, vault: &Vault) -> Result<Self, EnvelopeError> {
        let reason =
            |reason| REASONS.iter().zip(1u32..).find(|(known, _)| **known == reason).map_or(0, |(_, number)| number);
        let spilled = Self {
            tenant: id(taken.tenant.uuid()),
            account: id(taken.account.uuid()),
            body: id(taken.body.uuid()),
            verified_at: taken.verified_at.timestamp_micros(),
            trace: taken.trace.as_ref().map(ToString::to_string).unwrap_or_default(),
            sealed: vault.seal(taken.tenant, taken.body, &taken.payload)?.into(),
            places: taken.events.iter().map(|event| u32::from(event.place)).collect(),
            quarantine: taken.quarantine.map_or(0, reason),
            signature: taken
                .signature
                .map(|signature| Bytes::copy_from_slice(signature.as_bytes()))
                .unwrap_or_default(),
            head_digest: Bytes::new(),
        };
        Ok(Self { head_digest: id(vault.spilled_head(taken.tenant, &spilled.head())?), ..spilled })
    }

    /// What stands beside the body, as its digest is made of it.
    fn head(&self) -> String {
        let Self { account, body, verified_at, trace, places, quarantine, signature, .. } = self;
        let places: Vec<String> = places.iter().map(u32::to_string).collect();
        format!("{body:x}/{account:x}/{verified_at}/{}/{quarantine}/{signature:x}/{trace}", places.join(","))
    }

    /// The body as it was taken, by the keys that are known.
    pub(super) fn opened(&self, vault: &Vault) -> Result<Taken, Unreadable> {
        let (tenant, body) = (self.tenant().ok_or(Unreadable)?, BodyId::from(uuid(&self.body).ok_or(Unreadable)?));
        let payload = vault.open_known(tenant, body, &self.sealed).map_err(|_| Unreadable)?;
        if !self.head_digest.is_empty() {
            let head = uuid(&self.head_digest).ok_or(Unreadable)?;
            if !vault.spilled_heads(tenant, &self.head()).contains(&head) {
                return Err(Unreadable);
            }
        }
        // The events follow from the payload; only which of them were let in is remembered.
        let mut events = read(&payload).map(|reading| reading.events).unwrap_or_default();
        events.retain(|event| self.places.contains(&u32::from(event.place)));
        if events.len() != self.places.len() {
            return Err(Unreadable);
        }
        let quarantine = match self.quarantine.checked_sub(1) {
            None => None,
            Some(number) => Some(*usize::try_from(number).ok().and_then(|at| REASONS.get(at)).ok_or(Unreadable)?),
        };
        let signature = match &*self.signature {
            [] => None,
            bytes => Some(Signature::from_bytes(bytes).ok_or(Unreadable)?),
        };
        Ok(Taken {
            tenant,
            account: uuid(&self.account).ok_or(Unreadable)?.into(),
            body,
            verified_at: Timestamp::from_timestamp_micros(self.verified_at).ok_or(Unreadable)?,
            trace: self.trace.parse().ok(),
            payload,
            signature,
            events,
            quarantine,
        })
    }

    /// The same with a ciphertext of so many bytes, which opens no more.
    #[cfg(test)]
    pub(super) fn of_bytes(self, bytes: usize) -> Self {
        Self { sealed: vec![0; bytes].into(), ..self }
    }

    /// Whose it is.
    pub(super) fn tenant(&self) -> Option<TenantId> {
        uuid(&self.tenant).map(TenantId::from)
    }

    /// Bytes that vary from body to body.
    pub(super) fn size(&self) -> usize {
        self.sealed.len() + self.trace.len() + 4 * self.places.len()
    }
}

fn id(id: Uuid) -> Bytes {
    Bytes::copy_from_slice(id.as_bytes())
}

fn uuid(bytes: &Bytes) -> Option<Uuid> {
    Uuid::from_slice(bytes).ok()
}

/// A body of the spill stream that this version cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a spilled body cannot be read")]
pub(crate) struct Unreadable;

const REASONS: [QuarantineReason; 3] =
    [QuarantineReason::WrongDestination, QuarantineReason::Unreadable, QuarantineReason::OutsideWindow];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vault::known;

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
            signature: Signature::from_bytes(&[7; 32]),
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
            let vault = known(&[body.tenant]);
            let pack = SpilledPack { bodies: vec![SpilledBody::of(&body, &vault).unwrap()] };
            let spilled = pack.encode_to_vec();
            assert!(!spilled.windows(8).any(|window| body.payload.windows(8).any(|part| part == window)), "in clear");
            let back = SpilledPack::decode(&*spilled).unwrap().bodies[0].opened(&vault).unwrap();
            assert_eq!(format!("{back:?}"), format!("{body:?}"));
        }
    }

    #[test]
    fn what_the_version_before_wrote_has_no_signature_and_is_a_body() {
        let taken = taken("{}", None);
        let vault = known(&[taken.tenant]);
        let new = SpilledBody::of(&taken, &vault).unwrap();
        let old = SpilledBody { signature: Bytes::new(), head_digest: Bytes::new(), ..new };
        assert_eq!(old.opened(&vault).unwrap().signature, None);
    }

    #[test]
    fn what_cannot_be_a_body_is_told() {
        let taken = taken("{}", None);
        let vault = known(&[taken.tenant]);
        let good = SpilledBody::of(&taken, &vault).unwrap();
        for wrong in [
            SpilledBody { body: Bytes::from_static(b"short"), ..good.clone() },
            SpilledBody { quarantine: 4, ..good.clone() },
            SpilledBody { places: vec![0], ..good.clone() },
            SpilledBody { sealed: Bytes::from_static(b"{}"), ..good.clone() },
            SpilledBody { signature: Bytes::from_static(b"short"), ..good.clone() },
        ] {
            // As if it had been written so.
            let wrong =
                SpilledBody { head_digest: id(vault.spilled_head(taken.tenant, &wrong.head()).unwrap()), ..wrong };
            assert_eq!(wrong.opened(&vault).unwrap_err(), Unreadable);
        }
    }

    /// So many bytes from a place on become these; most often one becomes another, which leaves the message one that can be read.
    fn any_damage() -> impl Strategy<Value = (prop::sample::Index, usize, Vec<u8>)> {
        let place = any::<prop::sample::Index>;
        prop_oneof![
            9 => (place(), Just(1), prop::collection::vec(any::<u8>(), 1)),
            1 => (place(), 0usize..40, prop::collection::vec(any::<u8>(), 0..40)),
        ]
    }

    fn damaged(message: &[u8], (place, gone, instead): (prop::sample::Index, usize, Vec<u8>)) -> Vec<u8> {
        let from = place.index(message.len());
        let (before, behind) = (&message[..from], &message[(from + gone).min(message.len())..]);
        [before, &instead, behind].concat()
    }

    proptest! {
        #[test]
        fn bytes_that_nobody_sealed_are_no_body(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            let vault = known(&[Uuid::nil().into()]);
            let bodies = SpilledPack::decode(&*bytes).map(|pack| pack.bodies).unwrap_or_default();
            let by_chance = SpilledBody { tenant: id(Uuid::nil()), body: id(Uuid::nil()), sealed: bytes.into(), ..SpilledBody::default() };
            for body in bodies.iter().chain([&by_chance]) {
                prop_assert_eq!(body.opened(&vault).unwrap_err(), Unreadable);
            }
        }

        /// Where the damage takes the head away as well, the message reads like one of the version before.
        #[test]
        fn a_damaged_message_gives_the_body_that_was_taken_or_none(
            damage in any_damage(),
            is_quarantined in any::<bool>(),
        ) {
            let mut whole =
                taken(r#"{"destination":"U","events":[{"type":"a","timestamp":1},{"type":"b","timestamp":2}]}"#, None);
            whole.events.remove(0);
            whole.quarantine = is_quarantined.then_some(QuarantineReason::OutsideWindow);
            let vault = known(&[whole.tenant]);
            let message = SpilledPack { bodies: vec![SpilledBody::of(&whole, &vault).unwrap()] }.encode_to_vec();
            let bodies = SpilledPack::decode(&*damaged(&message, damage)).map(|pack| pack.bodies).unwrap_or_default();
            for body in bodies.iter().filter(|body| !body.head_digest.is_empty()) {
                if let Ok(back) = body.opened(&vault) {
                    prop_assert_eq!(format!("{back:?}"), format!("{whole:?}"));
                }
            }
        }
    }
}
