//! What a caller wants to say, as LINE's own message object, checked before it is queued.

use chassis::grpc::refuse::{self, Violations};
use chassis::postgres::TenantTx;
use contracts::messaging::v1 as wire;
use contracts::messaging::v1::message_content::Kind;
use kernel::{ConversationId, MessageId};
use line_types::message;
use serde_json::{Value, json};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};

use super::{field, wire as from_wire};
use crate::postgres::message as rows;

/// How deep a caller's own message object may nest. Flex bubbles of LINE's own examples nest about 20 deep.
const DEEPEST: usize = 64;

/// A message object that LINE would take, and the message it quotes.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) object: Value,
    pub(super) quotes: Option<MessageId>,
}

/// Reads a request's content and checks it against LINE's limits.
pub(super) async fn read(
    tx: &mut TenantTx,
    conversation: ConversationId,
    content: Option<&wire::MessageContent>,
) -> Result<Object, Status> {
    let Some(kind) = content.and_then(|content| content.kind.as_ref()) else {
        return Err(refuse::invalid("content", "is missing"));
    };
    let mut quotes = None;
    let object = match kind {
        Kind::Text(text) => {
            let mut object = json!({ "type": "text", "text": text.text });
            quotes = field::optional_id("content.text.quote_message_id", &text.quote_message_id)?;
            if let Some(quoted) = quotes {
                object["quoteToken"] = quote_token(tx, conversation, quoted).await?.into();
            }
            object
        }
        Kind::Sticker(sticker) => {
            json!({ "type": "sticker", "packageId": sticker.package_id, "stickerId": sticker.sticker_id })
        }
        Kind::Location(place) => {
            let mut violations = Violations::new();
            violations.check(place.latitude.is_finite(), "content.latitude", "is not a number");
            violations.check(place.longitude.is_finite(), "content.longitude", "is not a number");
            violations.finish()?;
            json!({
                "type": "location", "title": place.title, "address": place.address,
                "latitude": place.latitude, "longitude": place.longitude,
            })
        }
        Kind::LineObject(object) => {
            from_wire::from_struct(object, DEEPEST).map_err(|why| refuse::invalid("content.line_object", why))?
        }
        Kind::Inquiry(_) => {
            return Err(refuse::invalid("content.inquiry", "comes from LINE users only"));
        }
        Kind::Media(_) => {
            return Err(refuse::invalid("content.media", "goes as line_object, with addresses LINE can fetch"));
        }
    };
    check(&object)?;
    Ok(Object { object, quotes })
}

/// Refuses what LINE would refuse, naming every limit that is broken.
fn check(object: &Value) -> Result<(), Status> {
    let violations = message::check(std::slice::from_ref(object));
    if violations.is_empty() {
        return Ok(());
    }
    let mut details =
        ErrorDetails::with_error_info("CONTENT_REFUSED", refuse::DOMAIN, std::collections::HashMap::new());
    for violation in violations {
        let property = violation.property.replacen("messages[0]", "content", 1);
        details.add_bad_request_violation(property, violation.message);
    }
    Err(Status::with_error_details(tonic::Code::InvalidArgument, "LINE would refuse this message", details))
}

/// The token to quote a message with. It works in its own chat only.
async fn quote_token(tx: &mut TenantTx, conversation: ConversationId, quoted: MessageId) -> Result<String, Status> {
    let found = rows::read(tx, &[quoted]).await.map_err(refuse::database)?;
    let found = found.into_iter().find(|found| found.conversation == conversation);
    let Some(found) = found else { return Err(refuse::not_found("MESSAGE")) };
    let received = || found.object.as_ref()?.get("quoteToken")?.as_str().map(str::to_owned);
    let mut violations = Violations::new();
    let token = if found.outbound { found.quote_token.clone() } else { received() };
    violations.check(token.is_some(), "content.text.quote_message_id", "names a message that cannot be quoted");
    violations.finish()?;
    Ok(token.unwrap_or_default())
}
