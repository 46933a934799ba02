//! The client against a server that gives each answer LINE documents.
#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, Response, Uri},
};
use futures::StreamExt as _;
use line_client::{ChannelAccessToken, ContentAnswer, ContentError, Endpoints, Failure, FailureKind, LineClient};
use line_types::{
    api::{
        CountStatus, MulticastRequest, PushRequest, ReplyRequest, RichMenu, RichMenuBulkLink, RichMenuBulkUnlink,
        RichMenuSize, TranscodingStatus, ValidateRequest,
    },
    id::{ChannelId, GroupId, MessageId, RetryKey, RichMenuId, UserId},
    message::Message,
    rate::Endpoint,
    rich_menu::ImageKind,
    signature::ChannelSecret,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

const SOON: Duration = Duration::from_secs(10);
const USER: &str = "U4af4980629aaaabbbbccccddddeeee00";

/// A request as it arrived.
#[derive(Clone)]
struct Seen {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// A header of an answer.
type Header = (&'static str, &'static str);

/// A server that gives one answer and keeps what it was asked.
#[derive(Clone)]
struct Line {
    answer: Arc<(u16, Vec<Header>, Vec<u8>)>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Line {
    async fn answering(status: u16, headers: &[Header], body: &str) -> (Self, LineClient) {
        let line =
            Self { answer: Arc::new((status, headers.to_vec(), body.as_bytes().to_vec())), seen: Arc::default() };
        let router = Router::new().fallback(answer).with_state(line.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client_of(&listener);
        tokio::spawn(async move { axum::serve(listener, router).await });
        (line, client)
    }

    fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().unwrap().clone()
    }
}

async fn answer(State(line): State<Line>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response<Body> {
    line.seen.lock().unwrap().push(Seen { method, uri, headers, body });
    let (status, headers, body) = &*line.answer;
    let mut response = Response::builder().status(*status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Body::from(body.clone())).unwrap()
}

fn client_of(listener: &TcpListener) -> LineClient {
    // Another test of this process may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let base = format!("http://{}", listener.local_addr().unwrap()).parse::<url::Url>().unwrap();
    LineClient::new(Endpoints::new(base.clone(), base).unwrap()).unwrap()
}

fn token() -> ChannelAccessToken {
    ChannelAccessToken::new("token-in-clear")
}

fn user() -> UserId {
    UserId::parse(USER).unwrap()
}

fn push_request() -> PushRequest {
    PushRequest {
        to: USER.into(),
        messages: vec![Message::text("hello").to_value()],
        notification_disabled: false,
        custom_aggregation_units: vec!["spring".into()],
    }
}

fn reply_request() -> ReplyRequest {
    ReplyRequest {
        reply_token: "r".into(),
        messages: vec![Message::text("hello").to_value()],
        notification_disabled: true,
    }
}

fn retry_key() -> RetryKey {
    RetryKey::parse("123e4567-e89b-12d3-a456-426614174000").unwrap()
}

async fn push(client: &LineClient) -> Result<line_client::Accepted, Failure> {
    client.push(&token(), &push_request(), &retry_key(), SOON).await
}

#[tokio::test]
async fn a_push_carries_its_retry_key_and_keeps_the_ids() {
    let body = r#"{"sentMessages":[{"id":"461230966842064897","quoteToken":"IStG5h1Tz7b"}]}"#;
    let (line, client) = Line::answering(200, &[("x-line-request-id", "req-1")], body).await;
    let accepted = push(&client).await.unwrap();
    assert_eq!(accepted.request_id.as_deref(), Some("req-1"));
    assert_eq!(accepted.sent[0].id.as_str(), "461230966842064897");
    assert!(!accepted.already_accepted);
    let seen = line.last();
    assert_eq!((seen.method, seen.uri.path()), (Method::POST, "/v2/bot/message/push"));
    assert_eq!(seen.headers["x-line-retry-key"], retry_key().as_str());
    assert_eq!(seen.headers["authorization"], "Bearer token-in-clear");
    assert_eq!(seen.headers["content-type"], "application/json");
    let sent: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(sent["messages"][0], serde_json::json!({"type": "text", "text": "hello"}));
    assert_eq!(sent["customAggregationUnits"][0], "spring");
}

#[tokio::test]
async fn a_409_is_success_and_names_the_first_request() {
    let headers = [("x-line-request-id", "req-2"), ("x-line-accepted-request-id", "req-1")];
    let body = r#"{"message":"The retry key is already accepted","sentMessages":[{"id":"461230966842064897"}]}"#;
    let (_, client) = Line::answering(409, &headers, body).await;
    let accepted = push(&client).await.unwrap();
    assert!(accepted.already_accepted);
    assert_eq!(accepted.accepted_request_id.as_deref(), Some("req-1"));
    assert_eq!(accepted.sent.len(), 1);
    let request = MulticastRequest {
        to: vec![USER.into()],
        messages: vec![],
        notification_disabled: false,
        custom_aggregation_units: vec![],
    };
    assert!(client.multicast(&token(), &request, &retry_key(), SOON).await.unwrap().already_accepted);
    let failure = client.reply(&token(), &reply_request(), SOON).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused, "a reply has no retry key to be accepted by");
}

#[tokio::test]
async fn a_reply_never_carries_a_retry_key() {
    let (line, client) = Line::answering(200, &[], r#"{"sentMessages":[{"id":"1"}]}"#).await;
    client.reply(&token(), &reply_request(), SOON).await.unwrap();
    let seen = line.last();
    assert_eq!(seen.uri.path(), "/v2/bot/message/reply");
    assert!(seen.headers.get("x-line-retry-key").is_none());
    let sent: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!((&sent["replyToken"], &sent["notificationDisabled"]), (&"r".into(), &true.into()));
}

#[tokio::test]
async fn every_refusal_is_sorted_and_keeps_its_request_id() {
    let table = [
        (
            400,
            r#"{"message":"The request body has 1 error(s)","details":[{"message":"May not be empty","property":"messages[0].text"}]}"#,
            FailureKind::Refused,
        ),
        (
            401,
            r#"{"message":"Authentication failed due to the following reason: invalid token"}"#,
            FailureKind::Unauthorized,
        ),
        (403, r#"{"message":"Access to this API is not available for your account"}"#, FailureKind::Refused),
        (429, r#"{"message":"The API rate limit has been exceeded. Try again later."}"#, FailureKind::RateLimited),
        (429, r#"{"message":"You have reached your monthly limit."}"#, FailureKind::MonthlyLimit),
        (429, "too many", FailureKind::TooMany),
        (500, r#"{"message":"Internal Server Error"}"#, FailureKind::Unknown),
        (503, "", FailureKind::Unknown),
    ];
    for (status, body, kind) in table {
        let (_, client) = Line::answering(status, &[("x-line-request-id", "req-3")], body).await;
        let failure = push(&client).await.unwrap_err();
        assert_eq!((failure.kind, failure.status), (kind, Some(status)), "{body}");
        assert_eq!(failure.request_id.as_deref(), Some("req-3"));
        assert_eq!(failure.details.len(), usize::from(body.contains("details")));
    }
    let (_, client) = Line::answering(400, &[], r#"{"message":"Invalid reply token"}"#).await;
    let failure = client.reply(&token(), &reply_request(), SOON).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::ReplyTokenInvalid);
}

#[tokio::test]
async fn no_connection_is_a_plain_retry() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client_of(&listener);
    drop(listener);
    let failure = push(&client).await.unwrap_err();
    assert_eq!((failure.kind, failure.status), (FailureKind::Retry, None));
}

#[tokio::test]
async fn a_connection_cut_after_sending_is_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client_of(&listener);
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 16]).await;
    });
    assert_eq!(push(&client).await.unwrap_err().kind, FailureKind::Unknown);
}

#[tokio::test]
async fn no_answer_in_time_is_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client_of(&listener);
    let held = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
        drop(socket);
    });
    let deadline = Duration::from_millis(200);
    let failure = client.push(&token(), &push_request(), &retry_key(), deadline).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unknown);
    held.abort();
}

#[tokio::test]
async fn an_accepted_send_stays_accepted_when_its_answer_breaks_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client_of(&listener);
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 4096]).await;
        let head = "HTTP/1.1 200 OK\r\nx-line-request-id: req-4\r\ncontent-length: 500\r\n\r\n{\"sent";
        socket.write_all(head.as_bytes()).await.unwrap();
    });
    let accepted = push(&client).await.unwrap();
    assert_eq!((accepted.request_id.as_deref(), accepted.sent.len()), (Some("req-4"), 0));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (line, client) = Line::answering(307, &[("location", "/elsewhere")], "").await;
    assert_eq!(push(&client).await.unwrap_err().kind, FailureKind::Unknown);
    assert_eq!(line.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn answers_are_bounded_and_must_be_readable() {
    let small = r#"{"type":"none"}"#.to_owned();
    let (_, client) = Line::answering(200, &[], &small).await;
    assert_eq!(client.quota(&token(), SOON).await.unwrap().limit(), None);
    let (_, client) = Line::answering(200, &[], &(small + &" ".repeat(4 * 1024 * 1024))).await;
    assert_eq!(client.quota(&token(), SOON).await.unwrap_err().kind, FailureKind::Unknown);
    let (_, client) = Line::answering(200, &[], "<html>").await;
    assert_eq!(client.bot_info(&token(), SOON).await.unwrap_err().status, Some(200));
}

#[tokio::test]
async fn people_and_groups_are_read() {
    let body = format!(r#"{{"userId":"{USER}","displayName":"LINE taro","language":"en","new":1}}"#);
    let (line, client) = Line::answering(200, &[], &body).await;
    assert_eq!(client.profile(&token(), &user(), SOON).await.unwrap().display_name, "LINE taro");
    assert_eq!(line.last().uri.path(), format!("/v2/bot/profile/{USER}"));
    let group = GroupId::parse("Ca56f94637caaaabbbbccccddddeeee00").unwrap();
    client.group_member_profile(&token(), &group, &user(), SOON).await.unwrap();
    assert_eq!(line.last().uri.path(), format!("/v2/bot/group/{}/member/{USER}", group.as_str()));
    let (line, client) = Line::answering(200, &[], &format!(r#"{{"userIds":["{USER}"],"next":"n2"}}"#)).await;
    let page = client.follower_ids(&token(), 5_000, Some("n1"), SOON).await.unwrap();
    assert_eq!((page.user_ids.len(), page.next.as_deref()), (1, Some("n2")));
    assert_eq!(line.last().uri.query(), Some("limit=1000&start=n1"));
}

#[tokio::test]
async fn the_account_is_asked_and_told() {
    let (line, client) = Line::answering(200, &[], r#"{"linkToken":"NMZTNuVrPTqlr2IF8Bnymkb7rXfYv5EY"}"#).await;
    assert!(client.issue_link_token(&token(), &user(), SOON).await.unwrap().link_token.starts_with("NMZ"));
    assert_eq!(line.last().uri.path(), format!("/v2/bot/user/{USER}/linkToken"));
    client.start_loading(&token(), &user(), Some(5), SOON).await.unwrap();
    assert_eq!(&line.last().body[..], format!(r#"{{"chatId":"{USER}","loadingSeconds":5}}"#).as_bytes());
    client.mark_as_read(&token(), "m", SOON).await.unwrap();
    assert_eq!(&line.last().body[..], br#"{"markAsReadToken":"m"}"#);
    let request = ValidateRequest { messages: vec![] };
    client.validate(&token(), Endpoint::Reply, &request, SOON).await.unwrap();
    assert_eq!(line.last().uri.path(), "/v2/bot/message/validate/reply");
    let (_, client) = Line::answering(200, &[], r#"{"type":"limited","value":200,"totalUsage":7}"#).await;
    assert_eq!(client.quota(&token(), SOON).await.unwrap().limit(), Some(200));
    assert_eq!(client.consumption(&token(), SOON).await.unwrap().total_usage, 7);
}

#[tokio::test]
async fn followers_of_a_day_are_counted_by_line_or_not_yet() {
    let day = chrono::NaiveDate::from_ymd_opt(2026, 4, 1).unwrap();
    let ready = r#"{"status":"ready","followers":7620,"targetedReaches":5848,"blocks":237,"new":{}}"#;
    let (line, client) = Line::answering(200, &[], ready).await;
    let count = client.follower_count(&token(), day, SOON).await.unwrap();
    assert_eq!((count.status, count.followers, count.blocks), (CountStatus::Ready, Some(7_620), Some(237)));
    let asked = line.last().uri;
    assert_eq!((asked.path(), asked.query()), ("/v2/bot/insight/followers", Some("date=20260401")));
    for (status, known) in [
        ("unready", CountStatus::Unready),
        ("out_of_service", CountStatus::OutOfService),
        ("resting", CountStatus::Other("resting".to_owned())),
    ] {
        let (_, client) = Line::answering(200, &[], &format!(r#"{{"status":"{status}"}}"#)).await;
        let count = client.follower_count(&token(), day, SOON).await.unwrap();
        assert_eq!((count.status, count.followers, count.blocks), (known, None, None));
    }
    let (_, client) = Line::answering(200, &[], r#"{"status":"ready","followers":-1}"#).await;
    assert_eq!(client.follower_count(&token(), day, SOON).await.unwrap_err().kind, FailureKind::Unknown);
    for (status, kind) in [
        (400, FailureKind::Refused),
        (401, FailureKind::Unauthorized),
        (403, FailureKind::Refused),
        (429, FailureKind::TooMany),
        (500, FailureKind::Unknown),
    ] {
        let (_, client) = Line::answering(status, &[], r#"{"message":"no"}"#).await;
        assert_eq!(client.follower_count(&token(), day, SOON).await.unwrap_err().kind, kind, "{status}");
    }
}

#[tokio::test]
async fn the_webhook_address_is_read_set_and_tested() {
    let (_, client) = Line::answering(404, &[], r#"{"message":"Not found"}"#).await;
    assert_eq!(client.webhook_endpoint(&token(), SOON).await.unwrap(), None);
    let (line, client) = Line::answering(
        200,
        &[],
        r#"{"endpoint":"https://example.com/a","active":true,"success":false,"timestamp":"2020-09-30T05:38:20.031Z","statusCode":0,"reason":"COULD_NOT_CONNECT","detail":"x"}"#,
    )
    .await;
    assert!(client.webhook_endpoint(&token(), SOON).await.unwrap().unwrap().active);
    client.set_webhook_endpoint(&token(), &"https://example.com/a".parse().unwrap(), SOON).await.unwrap();
    assert_eq!(
        (line.last().method, &line.last().body[..]),
        (Method::PUT, &br#"{"endpoint":"https://example.com/a"}"#[..])
    );
    assert!(!client.test_webhook_endpoint(&token(), None, SOON).await.unwrap().success);
    assert_eq!(&line.last().body[..], b"{}");
}

#[tokio::test]
async fn content_streams_within_its_bound() {
    let id = MessageId::parse("325708").unwrap();
    let (line, client) = Line::answering(200, &[("content-type", "image/jpeg")], "0123456789").await;
    let ContentAnswer::Ready(content) = client.content(&token(), &id, 10, SOON).await.unwrap() else {
        panic!("not ready")
    };
    assert_eq!((content.content_type.as_deref(), content.length), (Some("image/jpeg"), Some(10)));
    let chunks: Vec<_> = content.into_stream().collect().await;
    assert_eq!(chunks.into_iter().map(Result::unwrap).collect::<Vec<_>>().concat(), b"0123456789");
    assert_eq!(line.last().uri.path(), "/v2/bot/message/325708/content");
    let ContentAnswer::Ready(content) = client.content_preview(&token(), &id, 9, SOON).await.unwrap() else {
        panic!("not ready")
    };
    let last = content.into_stream().collect::<Vec<_>>().await.pop().unwrap();
    assert_eq!(last.unwrap_err(), ContentError::TooLarge(9));
    let (_, client) = Line::answering(202, &[], "").await;
    assert!(matches!(client.content(&token(), &id, 10, SOON).await.unwrap(), ContentAnswer::NotReady));
    let (_, client) = Line::answering(410, &[], "").await;
    assert!(matches!(client.content(&token(), &id, 10, SOON).await.unwrap(), ContentAnswer::Gone));
    let (_, client) = Line::answering(404, &[], r#"{"message":"Not found"}"#).await;
    assert_eq!(client.content(&token(), &id, 10, SOON).await.unwrap_err().kind, FailureKind::Refused);
    let (_, client) = Line::answering(200, &[], r#"{"status":"processing"}"#).await;
    assert_eq!(client.transcoding(&token(), &id, SOON).await.unwrap(), TranscodingStatus::Processing);
}

#[tokio::test]
async fn rich_menus_are_made_listed_and_deleted() {
    let size = RichMenuSize { width: 1_200, height: 405 };
    let (name, chat_bar_text) = ("tsunagi".to_owned(), "メニュー".to_owned());
    let menu = RichMenu { size, selected: true, name, chat_bar_text, areas: vec![] };
    let (line, client) = Line::answering(200, &[], r#"{"richMenuId":"richmenu-1"}"#).await;
    let id = client.create_rich_menu(&token(), &menu, SOON).await.unwrap();
    let seen = line.last();
    assert_eq!((seen.method, seen.uri.path(), id.as_str()), (Method::POST, "/v2/bot/richmenu", "richmenu-1"));
    assert_eq!(serde_json::from_slice::<RichMenu>(&seen.body).unwrap(), menu);
    client.upload_rich_menu_image(&token(), &id, ImageKind::Png, "png".into(), SOON).await.unwrap();
    let seen = line.last();
    assert_eq!((seen.uri.path(), &seen.body[..]), ("/v2/bot/richmenu/richmenu-1/content", &b"png"[..]));
    assert_eq!(seen.headers["content-type"], "image/png");
    client.set_default_rich_menu(&token(), &id, SOON).await.unwrap();
    assert_eq!(line.last().uri.path(), "/v2/bot/user/all/richmenu/richmenu-1");
    client.delete_rich_menu(&token(), &id, SOON).await.unwrap();
    assert_eq!((line.last().method, line.last().uri.path()), (Method::DELETE, "/v2/bot/richmenu/richmenu-1"));
    let mut known = serde_json::to_value(&menu).unwrap();
    known["richMenuId"] = "richmenu-1".into();
    let (_, client) = Line::answering(200, &[], &serde_json::json!({"richmenus": [known]}).to_string()).await;
    let listed = client.rich_menus(&token(), SOON).await.unwrap();
    assert_eq!((&listed[0].rich_menu_id, &listed[0].menu), (&id, &menu));
}

#[tokio::test]
async fn rich_menus_are_linked_to_one_and_to_many() {
    let id = RichMenuId::parse("richmenu-1").unwrap();
    let (line, client) = Line::answering(200, &[], r#"{"richMenuId":"richmenu-1"}"#).await;
    client.link_rich_menu(&token(), &user(), &id, SOON).await.unwrap();
    let path = format!("/v2/bot/user/{USER}/richmenu");
    assert_eq!((line.last().method, line.last().uri.path()), (Method::POST, &*format!("{path}/richmenu-1")));
    client.unlink_rich_menu(&token(), &user(), SOON).await.unwrap();
    assert_eq!((line.last().method, line.last().uri.path()), (Method::DELETE, &*path));
    assert_eq!(client.rich_menu_of_user(&token(), &user(), SOON).await.unwrap(), Some(id.clone()));
    assert_eq!((line.last().method, line.last().uri.path()), (Method::GET, &*path));
    let (_, client) = Line::answering(404, &[], r#"{"message":"the user has no richmenu","details":[]}"#).await;
    assert_eq!(client.rich_menu_of_user(&token(), &user(), SOON).await.unwrap(), None);
    let gone = client.link_rich_menu(&token(), &user(), &id, SOON).await.unwrap_err();
    assert_eq!((gone.kind, gone.status), (FailureKind::Refused, Some(404)));
    let (line, client) = Line::answering(202, &[], "{}").await;
    let link = RichMenuBulkLink { rich_menu_id: id, user_ids: vec![user()] };
    client.link_rich_menus(&token(), &link, SOON).await.unwrap();
    assert_eq!(line.last().uri.path(), "/v2/bot/richmenu/bulk/link");
    assert_eq!(&line.last().body[..], format!(r#"{{"richMenuId":"richmenu-1","userIds":["{USER}"]}}"#).as_bytes());
    client.unlink_rich_menus(&token(), &RichMenuBulkUnlink { user_ids: vec![user()] }, SOON).await.unwrap();
    assert_eq!(line.last().uri.path(), "/v2/bot/richmenu/bulk/unlink");
}

#[tokio::test]
async fn tokens_are_issued_verified_and_revoked() {
    let (channel, secret) = (ChannelId::parse("1234567890").unwrap(), ChannelSecret::parse("s3cr3t").unwrap());
    let body = r#"{"token_type":"Bearer","access_token":"eyJ","expires_in":899,"key_id":"k","client_id":"1234567890","kids":["k"]}"#;
    let (line, client) = Line::answering(200, &[], body).await;
    let issued = client.issue_stateless(&channel, &secret, SOON).await.unwrap();
    assert_eq!(ChannelAccessToken::from(&issued).expose(), "eyJ");
    let seen = line.last();
    assert_eq!(seen.uri.path(), "/oauth2/v3/token");
    assert_eq!(&seen.body[..], b"grant_type=client_credentials&client_id=1234567890&client_secret=s3cr3t");
    assert!(seen.headers.get("authorization").is_none());
    client.issue_short_lived(&channel, &secret, SOON).await.unwrap();
    assert_eq!(line.last().uri.path(), "/v2/oauth/accessToken");
    let key = line_client::AssertionKey::parse("k", include_str!("data/assertion-key.pem")).unwrap();
    let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let assertion = key.assert(&channel, now, SOON, Some(Duration::from_hours(1))).unwrap();
    assert_eq!(client.issue_v21(&assertion, SOON).await.unwrap().key_id.as_deref(), Some("k"));
    let form = String::from_utf8(line.last().body.to_vec()).unwrap();
    assert!(form.contains("client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"));
    assert!(form.ends_with(assertion.expose()));
    client.issue_stateless_by_assertion(&assertion, SOON).await.unwrap();
    assert_eq!(client.token_key_ids(&assertion, SOON).await.unwrap().kids, ["k"]);
    assert_eq!(client.verify_v21(&token(), SOON).await.unwrap().client_id, "1234567890");
    assert_eq!(line.last().uri.query(), Some("access_token=token-in-clear"));
    assert_eq!(client.verify(&token(), SOON).await.unwrap().expires_in, 899);
    client.revoke_v21(&channel, &secret, &token(), SOON).await.unwrap();
    client.revoke(&token(), SOON).await.unwrap();
    assert_eq!(line.last().uri.path(), "/v2/oauth/revoke");
    let (_, client) = Line::answering(400, &[], r#"{"error":"invalid_client"}"#).await;
    let failure = client.issue_v21(&assertion, SOON).await.unwrap_err();
    assert_eq!((failure.kind, failure.message.as_deref()), (FailureKind::Refused, Some("invalid_client")));
}
