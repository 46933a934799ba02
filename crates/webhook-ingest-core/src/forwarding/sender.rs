//! Whose events a body holds.

use bytes::Bytes;
use kernel::AccountId;
use line_types::id::{GroupId, RoomId, UserId};
use line_types::webhook::{Envelope, SourceFacts};
use sha2::{Digest, Sha256};

/// The LINE user, group or room of an event, as a digest: whoever keeps it cannot tell who it is, only whether it is the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sender(pub u128);

impl Sender {
    /// Whoever is behind events that name nobody: they go in one row, too.
    pub const NOBODY: Self = Self(0);
}

/// The senders of a body's events, each once, in one order; never none. In a group or a room it is the whole chat, whoever wrote:
/// what is said there belongs together.
#[must_use]
pub fn senders(account: AccountId, body: &Bytes) -> Vec<Sender> {
    let Ok(envelope) = Envelope::parse(body) else { return vec![Sender::NOBODY] };
    let facts = envelope.events.iter().filter_map(|event| event.facts.as_ref().ok());
    let mut senders: Vec<Sender> = facts.map(|facts| sender(account, facts.source.as_ref())).collect();
    senders.sort_unstable();
    senders.dedup();
    if senders.is_empty() {
        senders.push(Sender::NOBODY);
    }
    senders
}

fn sender(account: AccountId, source: Option<&SourceFacts>) -> Sender {
    let Some(source) = source else { return Sender::NOBODY };
    let chat = source.group_id.as_ref().map(GroupId::as_str).or(source.room_id.as_ref().map(RoomId::as_str));
    let Some(id) = chat.or(source.user_id.as_ref().map(UserId::as_str)) else { return Sender::NOBODY };
    let digest = Sha256::new().chain_update(account.uuid().as_bytes()).chain_update(id).finalize();
    Sender(digest.iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    const USER: &str = "U4af4980629aaaaaaaaaaaaaaaaaaaaaa";
    const OTHER: &str = "U4af4980629bbbbbbbbbbbbbbbbbbbbbb";
    const GROUP: &str = "C4af4980629aaaaaaaaaaaaaaaaaaaaaa";

    fn of(sources: &[String]) -> Vec<Sender> {
        let events = sources.iter().map(|source| format!(r#"{{"type":"a","timestamp":1{source}}}"#));
        let body = format!(r#"{{"destination":"U","events":[{}]}}"#, events.collect::<Vec<_>>().join(","));
        senders(Uuid::from_u128(1).into(), &Bytes::from(body))
    }

    fn user(id: &str) -> String {
        format!(r#","source":{{"type":"user","userId":"{id}"}}"#)
    }

    fn in_group(id: &str) -> String {
        format!(r#","source":{{"type":"group","groupId":"{GROUP}","userId":"{id}"}}"#)
    }

    #[test]
    fn the_same_sender_is_one_in_whatever_body_and_order() {
        assert_eq!(of(&[user(USER)]), of(&[user(USER), user(USER)]));
        assert_eq!(of(&[user(USER), user(OTHER)]), of(&[user(OTHER), user(USER)]));
        assert_eq!(of(&[user(USER), user(OTHER)]).len(), 2);
        let elsewhere = senders(
            Uuid::from_u128(2).into(),
            &Bytes::from(format!(r#"{{"destination":"U","events":[{{"type":"a","timestamp":1{}}}]}}"#, user(USER))),
        );
        assert_ne!(elsewhere, of(&[user(USER)]), "digests of two accounts tell nothing of each other");
    }

    #[test]
    fn in_a_group_the_chat_is_the_sender() {
        assert_eq!(of(&[in_group(USER)]), of(&[in_group(OTHER)]));
        assert_ne!(of(&[in_group(USER)]), of(&[user(USER)]));
    }

    #[test]
    fn what_names_nobody_is_nobodys() {
        let unknown = r#","source":{"type":"planet"}"#.to_owned();
        let refused = r#","source":{"type":"user"}"#.to_owned();
        for sources in [vec![String::new()], vec![], vec![unknown], vec![refused]] {
            assert_eq!(of(&sources), [Sender::NOBODY]);
        }
        assert_eq!(senders(Uuid::nil().into(), &Bytes::from_static(b"no webhook")), [Sender::NOBODY]);
    }

    proptest! {
        #[test]
        fn any_bytes_have_somebody(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(!senders(Uuid::nil().into(), &Bytes::from(bytes)).is_empty());
        }
    }
}
