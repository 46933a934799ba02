//! Tapping a button on a card the account sent.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::act::Scene;
use super::event::Done;
use super::id::{ChannelId, ChatId};
use super::world::{ActError, World};
use super::writing::Writing;

impl World {
    /// Finds the button by its label anywhere in the message and does what its action says.
    pub(super) fn tap(
        &mut self,
        now: DateTime<Utc>,
        scene: &Scene,
        message_id: &str,
        label: &str,
    ) -> Result<Done, ActError> {
        let message = self
            .books
            .sent
            .iter()
            .rev()
            .filter(|sent| sent.account == scene.channel && sent.chats.contains(&scene.chat))
            .find_map(|sent| {
                let at = sent.message_ids.iter().position(|id| id == message_id)?;
                sent.messages.get(at)
            })
            .ok_or(ActError::Unknown("message in that chat"))?;
        let action = find_action(message, label).cloned().ok_or(ActError::Unknown("button"))?;
        self.follow_action(now, scene, &action)
    }

    /// The newest message the account sent to a chat that has a button with this label.
    pub(crate) fn newest_with_button(&self, channel: &ChannelId, chat: &ChatId, label: &str) -> Option<String> {
        let sent = self.books.sent.iter().rev();
        let mut of_chat = sent.filter(|sent| sent.account == *channel && sent.chats.contains(chat));
        of_chat.find_map(|sent| {
            let at = sent.messages.iter().rposition(|message| find_action(message, label).is_some())?;
            sent.message_ids.get(at).cloned()
        })
    }

    /// What a tap on anything with this action does.
    pub(super) fn follow_action(
        &mut self,
        now: DateTime<Utc>,
        scene: &Scene,
        action: &Value,
    ) -> Result<Done, ActError> {
        let text = |name: &str| action.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        match action.get("type").and_then(Value::as_str) {
            Some("postback" | "datetimepicker") => Ok(self.postback(now, scene, &text("data"), None)),
            Some("message") => self.write(now, scene, Writing::Text { text: text("text"), extra: None }),
            Some("uri") => Ok(Done { uri: Some(text("uri")), ..Done::default() }),
            _ => Err(ActError::Impossible("nothing follows from tapping this button")),
        }
    }
}

/// The action object with this label, anywhere inside.
fn find_action<'a>(inside: &'a Value, label: &str) -> Option<&'a Value> {
    match inside {
        Value::Object(fields) => {
            let is_it = fields.get("label").and_then(Value::as_str) == Some(label) && fields.contains_key("type");
            if is_it { Some(inside) } else { fields.values().find_map(|value| find_action(value, label)) }
        }
        Value::Array(items) => items.iter().find_map(|item| find_action(item, label)),
        _ => None,
    }
}
