//! The account-link dialog: a visitor confirms, and the account hears `ok` or `failed`.
//!
//! <https://developers.line.biz/en/docs/messaging-api/linking-accounts/>

use chrono::{DateTime, Utc};
use serde_json::json;

use super::event::EventParts;
use super::friendship::Friendship;
use super::id::{ChatId, PersonId};
use super::link_token::DialogOutcome;
use super::world::{ActError, World};

impl World {
    /// A person opens the dialog with a link token and a nonce.
    pub(crate) fn open_dialog(
        &mut self,
        now: DateTime<Utc>,
        token: &str,
        nonce: &str,
        visitor: &PersonId,
    ) -> Result<DialogOutcome, ActError> {
        let outcome = match self.link_tokens.open(now, token, nonce, visitor) {
            DialogOutcome::Linked(channel) if !self.is_friend(&channel, visitor) => {
                DialogOutcome::SomebodyElse(channel)
            }
            other => other,
        };
        match &outcome {
            DialogOutcome::Linked(channel) => {
                let user = self.introduce(channel, visitor)?;
                let source = json!({ "type": "user", "userId": user });
                let parts = EventParts::replyable("accountLink", source, ChatId::from(user.as_str()));
                self.emit(now, channel, parts.with("link", json!({ "result": "ok", "nonce": nonce })));
            }
            DialogOutcome::SomebodyElse(channel) => {
                let parts = EventParts::silent("accountLink", None);
                self.emit(now, channel, parts.with("link", json!({ "result": "failed", "nonce": nonce })));
            }
            DialogOutcome::DeadToken | DialogOutcome::BadNonce => {}
        }
        Ok(outcome)
    }

    fn is_friend(&self, channel: &super::id::ChannelId, person: &PersonId) -> bool {
        self.accounts.get(channel).and_then(|a| a.friendships.get(person)).is_some_and(Friendship::is_friend)
    }
}
