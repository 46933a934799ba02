//! The form pages over HTTP, as far as no form token is needed.

use testkit::eventually;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::house::{House, SOON};

const TOKEN: &str = "018f2b6e-0000-7000-8000-000000000001.c2VjcmV0IHRoYXQgbm9ib2R5IG11c3Qgc2Vl";
const FORM: &str = "application/x-www-form-urlencoded";
const TYPED: &str = "Kuromaku";

/// Everything of an answer but when it was given.
async fn shown(request: reqwest::RequestBuilder) -> (u16, String, Vec<(String, String)>) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let headers = answer.headers().iter().filter(|(name, _)| *name != "date");
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    (status, answer.text().await.unwrap(), headers)
}

#[tokio::test]
async fn a_bad_token_gives_one_page_whatever_is_wrong_with_it() {
    let house = House::open("pages_bad_token").await;
    let http = reqwest::Client::new();
    let at = |path: &str| http.get(house.pages_url().join(path).unwrap());
    let unknown = shown(at(&format!("/f/{TOKEN}"))).await;
    assert_eq!(unknown.0, 404);
    assert!(unknown.1.contains("<html lang=\"ja\">"));
    let tenant = house.tenant().await;
    let of_tenant = format!("/f/{}.c2VjcmV0", tenant.uuid());
    let long = format!("/f/{}", "a".repeat(4_000));
    for path in [&*of_tenant, &*long, "/f/x", "/f/%00", "/f/%FF", "/f/", "/elsewhere"] {
        assert_eq!(shown(at(path)).await, unknown, "{path}");
    }
}

#[tokio::test]
async fn figures_tell_neither_tokens_nor_what_was_typed() {
    let house = House::open("pages_figures").await;
    let http = reqwest::Client::new();
    let page = house.pages_url().join(&format!("/f/{TOKEN}")).unwrap();
    let body = format!("family={TYPED}&given={TYPED}&text={TYPED}&proof=x");
    let cookie = format!("tsunagi-form={}", "A".repeat(43));
    let post = http.post(page.clone()).header("content-type", FORM).header("cookie", cookie).body(body);
    assert_eq!(post.send().await.unwrap().status(), 403);
    assert_eq!(http.get(page).send().await.unwrap().status(), 404);
    let figures = house.figures().await;
    assert!(figures.contains("tsunagi_identity_page_seconds"), "the pages are counted");
    for hidden in [TOKEN, "c2VjcmV0", TYPED] {
        assert!(!figures.contains(hidden), "{hidden}");
    }
}

#[tokio::test]
async fn a_database_that_hangs_keeps_nobody_waiting() {
    let house = House::open("pages_hang").await;
    let tenant = house.tenant().await;
    let mut hanging = house.admin().await.begin().await.unwrap();
    sqlx::query("LOCK TABLE identity.form_token, identity.link_attempt").execute(&mut *hanging).await.unwrap();
    let page = house.pages_url().join(&format!("/f/{}.{}", tenant.uuid(), "A".repeat(43))).unwrap();
    let answer = tokio::time::timeout(SOON, reqwest::get(page.clone())).await.expect("an answer").unwrap();
    assert_eq!(answer.status().as_u16(), 503);
    hanging.rollback().await.unwrap();
    assert_eq!(reqwest::get(page).await.unwrap().status().as_u16(), 404);
}

#[tokio::test]
async fn a_submission_too_large_or_too_slow_is_cut_off_with_an_answer() {
    let house = House::open("pages_cut_off").await;
    let page = house.pages_url();
    let host = format!("127.0.0.1:{}", page.port().unwrap());
    let head = format!(
        "POST /f/{TOKEN} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {FORM}\r\ncookie: tsunagi-form={}\r\n",
        "A".repeat(43)
    );
    let large = format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{}\r\n", 40_000, "a".repeat(40_000));
    let slow = format!("{head}content-length: 100\r\n\r\nfamily=");
    for (request, status) in [(large, "HTTP/1.1 413 "), (slow, "HTTP/1.1 408 ")] {
        let mut socket = TcpStream::connect(&host).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; status.len()];
        let read = tokio::time::timeout(SOON, socket.read_exact(&mut answer)).await;
        read.expect("an answer in time").unwrap();
        assert_eq!(String::from_utf8(answer).unwrap(), status);
    }
    // The listener took no harm.
    eventually(SOON, || async { reqwest::get(page.clone()).await.map(drop) }).await.unwrap();
}
