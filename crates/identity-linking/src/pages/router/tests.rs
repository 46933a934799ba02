use std::sync::Mutex;

use chassis::envelope::MasterKeys;
use http::HeaderValue;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use url::Url;

use super::*;
use crate::linking::form::{Form, FormField, Wrong};

const TOKEN: &str = "018f2b6e-0000-7000-8000-000000000001.c2VjcmV0";
const OWN: &str = "https://link.example.com";

/// The linking as a test says it is; what it was asked is kept.
struct Told {
    opened: Result<Option<Opened>, NotNow>,
    submitted: Submitted,
    entries: Mutex<Vec<(Entry, IpAddr)>>,
}

impl Forms for Arc<Told> {
    async fn open(&self, token: &str, _: IpAddr) -> Result<Option<Opened>, NotNow> {
        if token == TOKEN { self.opened.clone() } else { Ok(None) }
    }

    async fn submit(&self, token: &str, entry: Entry, client: IpAddr) -> Submitted {
        self.entries.lock().unwrap().push((entry, client));
        if token == TOKEN { self.submitted.clone() } else { Submitted::Gone }
    }
}

struct Stage {
    router: Router,
    told: Arc<Told>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    html: String,
}

fn dialog() -> Url {
    "https://access.line.me/dialog/bot/accountLink?linkToken=l&nonce=n".parse().unwrap()
}

impl Stage {
    fn new(submitted: Submitted) -> Self {
        let opened = Opened { form: Form::Inquiry, account_name: "さくら美容室".to_owned() };
        Self::of(Ok(Some(opened)), submitted)
    }

    fn of(opened: Result<Option<Opened>, NotNow>, submitted: Submitted) -> Self {
        let config = PagesConfig {
            addr: ([127, 0, 0, 1], 0).into(),
            url: OWN.parse().unwrap(),
            line_login_url: "https://access.line.me".parse().unwrap(),
            trusted_proxies: 1,
            connections: std::num::NonZeroU32::MIN,
        };
        let keys = MasterKeys::parse("a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let told = Arc::new(Told { opened, submitted, entries: Mutex::default() });
        Self { router: router(Arc::new(Show::new(Arc::clone(&told), Proofs::new(&keys), &config))), told }
    }

    async fn ask(&self, request: Request) -> Answer {
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let html = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Answer { status: head.status, headers: head.headers, html }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// Opens the form and gives cookie and proof of it.
    async fn page(&self) -> (String, String) {
        let page = self.get(&format!("/f/{TOKEN}")).await;
        let cookie = page.headers[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
        let proof = page.html.split("name=\"proof\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        (cookie, proof)
    }

    /// Submits as a browser does, but for what `change` changes.
    async fn submit(&self, text: &str, change: impl FnOnce(&mut Request)) -> Answer {
        let (cookie, proof) = self.page().await;
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs([("family", "山田"), ("given", "花子"), ("text", text), ("proof", &*proof)]);
        let mut request = Request::post(format!("/f/{TOKEN}"))
            .header(header::CONTENT_TYPE, FORM)
            .header(header::COOKIE, cookie)
            .header(header::ORIGIN, "null")
            .header("sec-fetch-site", "same-origin")
            .header("x-forwarded-for", "6.6.6.6, 203.0.113.9")
            .body(Body::from(body.finish()))
            .unwrap();
        change(&mut request);
        self.ask(request).await
    }

    fn asked(&self) -> usize {
        self.told.entries.lock().unwrap().len()
    }
}

#[tokio::test]
async fn a_form_is_opened_with_a_cookie_and_every_guard() {
    let page = Stage::new(Submitted::Gone).get(&format!("/f/{TOKEN}")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.html.contains("さくら美容室") && page.html.contains("<html lang=\"ja\">"));
    assert!(!page.html.contains(TOKEN), "the token is in the address alone");
    let cookie = page.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("__Host-tsunagi-form=") && cookie.contains("HttpOnly") && cookie.contains("Secure"));
    for name in ["content-security-policy", "strict-transport-security", "cross-origin-opener-policy"] {
        assert!(page.headers.contains_key(name), "{name}");
    }
    assert_eq!(page.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(page.headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
}

#[tokio::test]
async fn the_style_is_the_one_its_hash_allows() {
    use base64::Engine as _;
    use sha2::Digest as _;
    let page = Stage::new(Submitted::Gone).get(&format!("/f/{TOKEN}")).await;
    let style = page.html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(style));
    assert!(page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains(&format!("'sha256-{hash}'")));
}

#[tokio::test]
async fn what_is_submitted_reaches_the_linking_as_typed_and_leads_to_line() {
    let stage = Stage::new(Submitted::Confirm(dialog()));
    let answer = stage.submit("<b>予約\r\nしたい</b>", |_| ()).await;
    assert_eq!(
        (answer.status, &answer.headers[header::LOCATION]),
        (
            StatusCode::SEE_OTHER,
            &HeaderValue::from_static("https://access.line.me/dialog/bot/accountLink?linkToken=l&nonce=n")
        )
    );
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    let entries = stage.told.entries.lock().unwrap();
    let [(entry, client)] = &entries[..] else { panic!("once") };
    assert_eq!((&*entry.family, &*entry.text), ("山田", "<b>予約\nしたい</b>"));
    assert_eq!(client.to_string(), "203.0.113.9");
}

#[tokio::test]
async fn bad_tokens_of_every_kind_give_one_page() {
    let stage = Stage::of(Ok(None), Submitted::Gone);
    let first = stage.get(&format!("/f/{TOKEN}")).await;
    assert_eq!(first.status, StatusCode::NOT_FOUND);
    let long = "a".repeat(LONGEST_TOKEN + 1);
    for path in [
        "/f/unknown",
        "/f/%00",
        "/f/%FF",
        "/f/%3Cscript%3E",
        "/f/a%2Fb",
        "/f/",
        "/f",
        "/",
        "/f/a/b",
        &format!("/f/{long}"),
    ] {
        let page = stage.get(path).await;
        assert_eq!((page.status, &page.html, &page.headers), (first.status, &first.html, &first.headers), "{path}");
    }
    let submitted = Stage::new(Submitted::Gone).submit("", |_| ()).await;
    assert_eq!((submitted.status, &submitted.html), (first.status, &first.html), "a submission learns no more");
}

#[tokio::test]
async fn what_was_written_comes_back_where_the_token_is_not_good_and_not_where_the_shop_has_it() {
    // Used or expired, or so by the time that something else was wrong: nothing tells which.
    let gone = Stage::new(Submitted::Gone).submit("</textarea><b>1\r\n2", |_| ()).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    assert!(gone.html.contains("readonly") && gone.html.contains("&#60;/textarea&#62;&#60;b&#62;1\n2</textarea>"));
    assert!(!gone.html.contains("<form") && !gone.html.contains("山田"));
    let taken = Stage::new(Submitted::Taken).submit("1", |_| ()).await;
    assert_eq!(taken.status, StatusCode::OK);
    assert!(!taken.html.contains("<textarea") && !taken.html.contains("<form") && taken.html != gone.html);
}

#[tokio::test]
async fn the_language_is_chosen_and_a_link_changes_it() {
    let stage = Stage::new(Submitted::Gone);
    let english = stage.get(&format!("/f/{TOKEN}?lang=en")).await;
    assert!(english.html.contains("<html lang=\"en\">") && english.html.contains("href=\"?lang=ja\""));
    let request = Request::get("/f/x").header(header::ACCEPT_LANGUAGE, "en-GB,en").body(Body::empty()).unwrap();
    assert!(stage.ask(request).await.html.contains("<html lang=\"en\">"));
}

#[tokio::test]
async fn forged_submissions_reach_nobody() {
    let stage = Stage::new(Submitted::Confirm(dialog()));
    let set = |name: &'static str, value: &'static str| {
        move |request: &mut Request| drop(request.headers_mut().insert(name, HeaderValue::from_static(value)))
    };
    let no_cookie = |request: &mut Request| drop(request.headers_mut().remove(header::COOKIE));
    let other_page = |request: &mut Request| *request.uri_mut() = "/f/018f.other".parse().unwrap();
    assert_eq!(stage.submit("x", no_cookie).await.status, StatusCode::FORBIDDEN);
    assert_eq!(stage.submit("x", other_page).await.status, StatusCode::FORBIDDEN);
    assert_eq!(stage.submit("x", set("origin", "https://evil.example")).await.status, StatusCode::FORBIDDEN);
    assert_eq!(stage.submit("x", set("sec-fetch-site", "cross-site")).await.status, StatusCode::FORBIDDEN);
    // Another browser's cookie: the proof was not made for it.
    let (foreign, _) = stage.page().await;
    let foreign =
        move |request: &mut Request| drop(request.headers_mut().insert(header::COOKIE, foreign.parse().unwrap()));
    assert_eq!(stage.submit("x", foreign).await.status, StatusCode::FORBIDDEN);
    assert_eq!(stage.asked(), 0);
    assert_eq!(stage.submit("x", |_| ()).await.status, StatusCode::SEE_OTHER, "the same without the forgery");
}

#[tokio::test]
async fn two_pages_of_one_browser_share_its_cookie() {
    let stage = Stage::new(Submitted::Gone);
    let (cookie, proof) = stage.page().await;
    let request = Request::get(format!("/f/{TOKEN}")).header(header::COOKIE, &cookie).body(Body::empty()).unwrap();
    let again = stage.ask(request).await;
    assert!(again.headers[header::SET_COOKIE].to_str().unwrap().starts_with(&cookie));
    assert!(again.html.contains(&proof));
}

#[tokio::test]
async fn requests_no_page_of_ours_makes_are_refused_by_what_is_wrong() {
    let stage = Stage::new(Submitted::Confirm(dialog()));
    let path = format!("/f/{TOKEN}");
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        let answer = stage.ask(Request::builder().method(method).uri(&path).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        let allowed: Vec<&str> = answer.headers[header::ALLOW].to_str().unwrap().split(',').map(str::trim).collect();
        assert_eq!(allowed, ["GET", "HEAD", "POST"]);
    }
    let head = stage.ask(Request::head(&path).body(Body::empty()).unwrap()).await;
    assert_eq!((head.status, head.html.len()), (StatusCode::OK, 0));
    for kind in ["application/json", "multipart/form-data; boundary=x", "text/plain"] {
        let kind = HeaderValue::from_static(kind);
        let answer = stage.submit("x", |request| drop(request.headers_mut().insert(header::CONTENT_TYPE, kind))).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let gzip = |request: &mut Request| {
        drop(request.headers_mut().insert("content-encoding", HeaderValue::from_static("gzip")));
    };
    assert_eq!(stage.submit("x", gzip).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(stage.submit(&"a".repeat(LARGEST_BODY), |_| ()).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    for body in ["", "family=a", "family=%FF&given=b&text=c&proof=p", "family=a&family=a&given=b&text=c&proof=p"] {
        let answer = stage.submit("x", |request| *request.body_mut() = Body::from(body)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
    }
    assert_eq!(stage.asked(), 0);
}

#[tokio::test]
async fn what_was_typed_is_kept_where_it_could_not_be_taken() {
    for (submitted, status, again) in [
        (Submitted::Wrong(vec![(FormField::Family, Wrong::TooLong)]), StatusCode::UNPROCESSABLE_ENTITY, None),
        (Submitted::Away, StatusCode::SERVICE_UNAVAILABLE, Some("10")),
        (Submitted::TooMany(Duration::from_millis(89_500)), StatusCode::TOO_MANY_REQUESTS, Some("90")),
    ] {
        let answer = Stage::new(submitted).submit("</textarea><script>", |_| ()).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.headers.get(header::RETRY_AFTER).map(|value| value.to_str().unwrap()), again);
        assert!(answer.html.contains("value=\"山田\"") && answer.html.contains("role=\"alert\""));
        assert!(!answer.html.contains("<script>"));
    }
}

#[tokio::test]
async fn control_characters_are_told_by_field_and_reach_nobody() {
    let stage = Stage::new(Submitted::Confirm(dialog()));
    let answer = stage.submit("a\0b", |_| ()).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.html.contains("id=\"text-error\"") && answer.html.contains("さくら美容室"));
    assert_eq!(stage.asked(), 0);
}

#[tokio::test]
async fn a_form_that_cannot_be_opened_now_says_when() {
    let away = Stage::of(Err(NotNow::Away), Submitted::Away).get(&format!("/f/{TOKEN}")).await;
    assert_eq!(
        (away.status, away.headers[header::RETRY_AFTER].to_str().unwrap()),
        (StatusCode::SERVICE_UNAVAILABLE, "10")
    );
    let many = Stage::of(Err(NotNow::TooMany(Duration::from_mins(1))), Submitted::Away);
    let many = many.get(&format!("/f/{TOKEN}")).await;
    assert_eq!(
        (many.status, many.headers[header::RETRY_AFTER].to_str().unwrap()),
        (StatusCode::TOO_MANY_REQUESTS, "60")
    );
    assert!(!many.headers.contains_key(header::SET_COOKIE));
}
