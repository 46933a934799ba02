//! Our types against LINE's OpenAPI files (`tests/line-openapi`): a refreshed file shows here what we do not know yet.
#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod examples;
mod schema;

use std::collections::BTreeSet;

use line_types::{
    api, message, rich_menu,
    webhook::{
        BeaconKind, Content, Envelope, Event, EventKind, LinkResult, MembershipKind, MentioneeKind, Mode, ModuleKind,
        SourceKind, StickerResourceType,
    },
};
use schema::Document;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

fn webhook() -> Document {
    Document::read("webhook.yml")
}

fn messaging() -> Document {
    Document::read("messaging-api.yml")
}

fn insight() -> Document {
    Document::read("insight.yml")
}

fn tokens() -> Document {
    Document::read("channel-access-token.yml")
}

#[test]
fn every_event_of_line_is_known_and_read() {
    let document = webhook();
    let events = document.variants("Event");
    assert!(events.len() >= 19, "the file has the events it had");
    for (name, mut event) in events {
        assert!(Event::KNOWN_TYPES.contains(&name.as_str()), "event {name} is not known");
        event["type"] = json!(name);
        let parsed = Event::parse(&event.to_string()).unwrap();
        assert_ne!(parsed.kind, EventKind::Other, "event {name} is not read: {event}");
        assert!(parsed.webhook_event_id.is_some() && parsed.source.is_some(), "{name}");
        let body = json!({"destination": schema::USER, "events": [event]}).to_string();
        let envelope = Envelope::parse(body.as_bytes()).unwrap();
        let facts = envelope.events[0].facts.as_ref().unwrap();
        assert_eq!(facts.event_type, name);
        assert_eq!(facts.message_id.is_some(), matches!(name.as_str(), "message" | "unsend"), "{name}");
    }
}

#[test]
fn every_message_content_of_line_is_known_and_read() {
    let document = webhook();
    let event = document.variants("Event").remove("message").unwrap();
    let contents = document.variants("MessageContent");
    let known: BTreeSet<_> = Content::KNOWN.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(contents.keys().cloned().collect::<BTreeSet<_>>(), known);
    for (name, mut content) in contents {
        let mut event = event.clone();
        content["type"] = json!(name);
        event["type"] = json!("message");
        event["message"] = content;
        let EventKind::Message(message) = Event::parse(&event.to_string()).unwrap().kind else { panic!("{name}") };
        assert_eq!(message.content.kind(), name);
        assert!(!matches!(message.content, Content::Other { .. }), "content {name} is not read");
        assert!(message.mark_as_read_token.is_some(), "{name}");
    }
}

#[test]
fn every_enumeration_of_webhooks_is_known() {
    let document = webhook();
    let named = |schema: &str| document.variants(schema).into_keys().collect::<Vec<_>>();
    let listed = |pointer: &str| document.words(pointer);
    let table = [
        (Mode::KNOWN, listed("/EventMode/enum")),
        (SourceKind::KNOWN, named("Source")),
        (MentioneeKind::KNOWN, named("Mentionee")),
        (StickerResourceType::KNOWN, listed("/StickerMessageContent/allOf/1/properties/stickerResourceType/enum")),
        (BeaconKind::KNOWN, listed("/BeaconContent/properties/type/enum")),
        (LinkResult::KNOWN, listed("/LinkContent/properties/result/enum")),
        (MembershipKind::KNOWN, named("MembershipContent")),
        (ModuleKind::KNOWN, named("ModuleContent")),
    ];
    for (known, values) in table {
        assert!(!values.is_empty());
        for value in values {
            assert!(known.contains(&value.as_str()), "{value} is not one of {known:?}");
        }
    }
}

#[test]
fn every_message_object_of_line_is_known_and_taken() {
    let document = messaging();
    let examples = examples::all();
    for (base, name, example) in &examples {
        assert_eq!(message::check(std::slice::from_ref(example)), [], "{base} {name}");
    }
    let have: BTreeSet<_> = examples.iter().map(|(base, name, _)| format!("{base} {name}")).collect();
    // Rich menus alone may switch rich menus; no message may.
    let elsewhere = ["Action richmenuswitch"];
    for base in examples.iter().map(|(base, ..)| *base).collect::<BTreeSet<_>>() {
        for name in document.mapping(base).into_keys().map(|name| format!("{base} {name}")) {
            assert!(have.contains(&name) || elsewhere.contains(&name.as_str()), "{name} is not known");
        }
    }
    let types: BTreeSet<_> = document.mapping("Message").into_keys().collect();
    assert_eq!(types, message::KNOWN_TYPES.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn every_action_of_line_is_judged_in_a_rich_menu() {
    let elsewhere = ["camera", "cameraRoll", "location"];
    for (name, mut action) in messaging().variants("Action") {
        action["type"] = json!(name);
        let area = json!({"bounds": {"x": 0, "y": 0, "width": 1, "height": 1}, "action": action});
        let menu = json!({"size": {"width": 2500, "height": 843}, "selected": false, "name": "n", "chatBarText": "c",
            "areas": [area]});
        let found = rich_menu::check(&menu);
        let known = !found.iter().any(|violation| violation.property == "areas[0].action.type");
        assert_eq!(known, !elsewhere.contains(&name.as_str()), "{name}: {found:?}");
    }
}

/// Every property that LINE's schema has survives our type, so none is missing or misspelt.
fn round_trip<T: Serialize + DeserializeOwned>(document: &Document, schema: &str) {
    let sample = document.sample(schema);
    let typed: T =
        serde_json::from_value(sample.clone()).unwrap_or_else(|fault| panic!("{schema}: {fault} in {sample}"));
    assert_eq!(serde_json::to_value(typed).unwrap(), sample, "{schema}");
}

#[test]
fn our_shapes_have_every_property_of_lines() {
    let messaging = messaging();
    round_trip::<api::Profile>(&messaging, "UserProfileResponse");
    round_trip::<api::Profile>(&messaging, "GroupUserProfileResponse");
    round_trip::<api::Profile>(&messaging, "RoomUserProfileResponse");
    round_trip::<api::GroupSummary>(&messaging, "GroupSummaryResponse");
    round_trip::<api::FollowerIds>(&messaging, "GetFollowersResponse");
    round_trip::<api::BotInfo>(&messaging, "BotInfoResponse");
    round_trip::<api::LinkToken>(&messaging, "IssueLinkTokenResponse");
    round_trip::<api::LoadingStart>(&messaging, "ShowLoadingAnimationRequest");
    round_trip::<api::MarkAsRead>(&messaging, "MarkMessagesAsReadByTokenRequest");
    round_trip::<api::Transcoding>(&messaging, "GetMessageContentTranscodingResponse");
    round_trip::<api::WebhookEndpoint>(&messaging, "GetWebhookEndpointResponse");
    round_trip::<api::WebhookEndpointAddress>(&messaging, "SetWebhookEndpointRequest");
    round_trip::<api::WebhookEndpointAddress>(&messaging, "TestWebhookEndpointRequest");
    round_trip::<api::WebhookTest>(&messaging, "TestWebhookEndpointResponse");
    round_trip::<api::Quota>(&messaging, "MessageQuotaResponse");
    round_trip::<api::Consumption>(&messaging, "QuotaConsumptionResponse");
    round_trip::<api::ReplyRequest>(&messaging, "ReplyMessageRequest");
    round_trip::<api::PushRequest>(&messaging, "PushMessageRequest");
    round_trip::<api::MulticastRequest>(&messaging, "MulticastRequest");
    round_trip::<api::ValidateRequest>(&messaging, "ValidateMessageRequest");
    round_trip::<api::SentMessages>(&messaging, "ReplyMessageResponse");
    round_trip::<api::SentMessages>(&messaging, "PushMessageResponse");
    round_trip::<api::ErrorBody>(&messaging, "ErrorResponse");
    round_trip::<api::RichMenu>(&messaging, "RichMenuRequest");
    round_trip::<api::RichMenuKnown>(&messaging, "RichMenuResponse");
    round_trip::<api::RichMenuList>(&messaging, "RichMenuListResponse");
    round_trip::<api::RichMenuCreated>(&messaging, "RichMenuIdResponse");
    round_trip::<api::RichMenuBulkLink>(&messaging, "RichMenuBulkLinkRequest");
    round_trip::<api::RichMenuBulkUnlink>(&messaging, "RichMenuBulkUnlinkRequest");
    round_trip::<api::FollowerCount>(&insight(), "GetNumberOfFollowersResponse");
    let tokens = tokens();
    round_trip::<api::TokenResponse>(&tokens, "IssueStatelessChannelAccessTokenResponse");
    round_trip::<api::TokenResponse>(&tokens, "IssueShortLivedChannelAccessTokenResponse");
    round_trip::<api::TokenResponse>(&tokens, "IssueChannelAccessTokenResponse");
    round_trip::<api::VerifiedToken>(&tokens, "VerifyChannelAccessTokenResponse");
    round_trip::<api::TokenKeyIds>(&tokens, "ChannelAccessTokenKeyIdsResponse");
    round_trip::<api::OAuthError>(&tokens, "ErrorResponse");
}

#[test]
fn every_example_of_an_endpoint_we_call_is_read() {
    fn read<T: Serialize + DeserializeOwned>(example: &Value) {
        let typed = T::deserialize(example).unwrap_or_else(|fault| panic!("{fault} in {example}"));
        assert_eq!(&serde_json::to_value(typed).unwrap(), example);
    }
    let messaging = messaging();
    let examples = |method: &str, path: &str| {
        let found = messaging.examples(method, path);
        assert!(!found.is_empty(), "{method} {path} has examples");
        found
    };
    examples("get", "/v2/bot/channel/webhook/endpoint").iter().for_each(read::<api::WebhookEndpoint>);
    examples("post", "/v2/bot/channel/webhook/test").iter().for_each(read::<api::WebhookTest>);
    examples("get", "/v2/bot/message/{messageId}/content/transcoding").iter().for_each(read::<api::Transcoding>);
    let found = insight().examples("get", "/v2/bot/insight/followers");
    assert!(!found.is_empty(), "the followers have examples");
    found.iter().for_each(read::<api::FollowerCount>);
    let tokens = tokens();
    for path in ["/oauth2/v3/token", "/oauth2/v2.1/token", "/v2/oauth/accessToken"] {
        let found = tokens.examples("post", path);
        assert!(!found.is_empty(), "{path} has examples");
        for example in found {
            if example.get("error").is_some() {
                read::<api::OAuthError>(&example);
            } else {
                read::<api::TokenResponse>(&example);
            }
        }
    }
    tokens.examples("get", "/oauth2/v2.1/verify").iter().for_each(read::<api::VerifiedToken>);
    tokens.examples("post", "/v2/oauth/verify").iter().for_each(read::<api::VerifiedToken>);
    tokens.examples("get", "/oauth2/v2.1/tokens/kid").iter().for_each(read::<api::TokenKeyIds>);
}
