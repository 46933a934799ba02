//! Endpoints by their names: method, blank, path as LINE documents it.

/// What is said of an endpoint that is none of these.
pub(crate) const UNKNOWN: &str = "endpoint: none of the simulator's; like `POST /v2/bot/message/push`";

/// Every endpoint that is here, and the dialog of the account link.
const ENDPOINTS: [&str; 72] = [
    "POST /v2/bot/message/reply",
    "POST /v2/bot/message/push",
    "POST /v2/bot/message/multicast",
    "POST /v2/bot/message/broadcast",
    "POST /v2/bot/message/validate/reply",
    "POST /v2/bot/message/validate/push",
    "POST /v2/bot/message/validate/multicast",
    "POST /v2/bot/message/validate/narrowcast",
    "POST /v2/bot/message/validate/broadcast",
    "GET /v2/bot/message/quota",
    "GET /v2/bot/message/quota/consumption",
    "GET /v2/bot/message/delivery/reply",
    "GET /v2/bot/message/delivery/push",
    "GET /v2/bot/message/delivery/multicast",
    "GET /v2/bot/message/delivery/broadcast",
    "GET /v2/bot/insight/followers",
    "GET /v2/bot/message/aggregation/info",
    "GET /v2/bot/message/aggregation/list",
    "GET /v2/bot/message/{messageId}/content",
    "GET /v2/bot/message/{messageId}/content/preview",
    "GET /v2/bot/message/{messageId}/content/transcoding",
    "GET /v2/bot/profile/{userId}",
    "GET /v2/bot/info",
    "GET /v2/bot/followers/ids",
    "GET /v2/bot/group/{groupId}/member/{userId}",
    "GET /v2/bot/room/{roomId}/member/{userId}",
    "GET /v2/bot/group/{groupId}/summary",
    "GET /v2/bot/group/{groupId}/members/count",
    "GET /v2/bot/room/{roomId}/members/count",
    "GET /v2/bot/group/{groupId}/members/ids",
    "GET /v2/bot/room/{roomId}/members/ids",
    "POST /v2/bot/group/{groupId}/leave",
    "POST /v2/bot/room/{roomId}/leave",
    "POST /v2/bot/chat/loading/start",
    "POST /v2/bot/chat/markAsRead",
    "GET /v2/bot/channel/webhook/endpoint",
    "PUT /v2/bot/channel/webhook/endpoint",
    "POST /v2/bot/channel/webhook/test",
    "POST /v2/bot/user/{userId}/linkToken",
    "POST /v2/bot/richmenu",
    "POST /v2/bot/richmenu/validate",
    "GET /v2/bot/richmenu/list",
    "GET /v2/bot/richmenu/{richMenuId}",
    "DELETE /v2/bot/richmenu/{richMenuId}",
    "POST /v2/bot/richmenu/{richMenuId}/content",
    "GET /v2/bot/richmenu/{richMenuId}/content",
    "POST /v2/bot/user/all/richmenu/{richMenuId}",
    "GET /v2/bot/user/all/richmenu",
    "DELETE /v2/bot/user/all/richmenu",
    "POST /v2/bot/user/{userId}/richmenu/{richMenuId}",
    "GET /v2/bot/user/{userId}/richmenu",
    "DELETE /v2/bot/user/{userId}/richmenu",
    "POST /v2/bot/richmenu/bulk/link",
    "POST /v2/bot/richmenu/bulk/unlink",
    "POST /v2/bot/richmenu/batch",
    "POST /v2/bot/richmenu/validate/batch",
    "GET /v2/bot/richmenu/progress/batch",
    "POST /v2/bot/richmenu/alias",
    "GET /v2/bot/richmenu/alias/list",
    "GET /v2/bot/richmenu/alias/{richMenuAliasId}",
    "POST /v2/bot/richmenu/alias/{richMenuAliasId}",
    "DELETE /v2/bot/richmenu/alias/{richMenuAliasId}",
    "POST /v2/oauth/accessToken",
    "POST /v2/oauth/verify",
    "POST /v2/oauth/revoke",
    "POST /oauth2/v2.1/token",
    "POST /oauth2/v2.1/revoke",
    "GET /oauth2/v2.1/verify",
    "GET /oauth2/v2.1/tokens/kid",
    "POST /oauth2/v3/token",
    "GET /dialog/bot/accountLink",
    "POST /dialog/bot/accountLink",
];

/// Whether there is such an endpoint here.
pub(crate) fn exists(name: &str) -> bool {
    ENDPOINTS.iter().any(|known| is_same(known, name))
}

/// Whether both name one endpoint, whatever they call its parameters: `{userId}` in one of LINE's pages is `{chatId}` in another.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    let is_parameter = |part: &str| part.starts_with('{');
    let (mut these, mut those) = (one.split('/'), other.split('/'));
    loop {
        match (these.next(), those.next()) {
            (None, None) => return true,
            (Some(this), Some(that)) if this == that || is_parameter(this) && is_parameter(that) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_known_by_its_method_and_path_alone() {
        assert!(exists("POST /v2/bot/message/push"));
        assert!(exists("GET /v2/bot/group/{chatId}/summary") && exists("GET /v2/bot/group/{groupId}/summary"));
        for name in [
            "",
            "push",
            "GET /v2/bot/message/push",
            "POST /v2/bot/message/pusch",
            "POST /v2/bot/message/push/",
            "post /v2/bot/message/push",
        ] {
            assert!(!exists(name), "{name}");
        }
        assert!(!is_same("GET /a/{x}", "GET /a/b"), "a parameter is none of its values");
    }
}
