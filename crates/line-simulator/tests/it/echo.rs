//! A bot that repeats what it is told, as somebody who starts with LINE would write it.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Starts it; its webhook URL. `line` is where it sends, `token` what with; on a 5xx it tries again with the same retry key.
pub(crate) async fn start(line: &str, token: &str) -> String {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
    let url = format!("http://{}/callback", listener.local_addr().unwrap());
    // Fails only when a provider is installed already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let router = Router::new().route("/callback", post(take)).with_state((http, line.to_owned(), token.to_owned()));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

async fn take(State((http, line, token)): State<(reqwest::Client, String, String)>, body: Bytes) {
    let body: Value = serde_json::from_slice(&body).unwrap();
    for event in body["events"].as_array().unwrap() {
        let Some(text) = event["message"]["text"].as_str() else { continue };
        let push = json!({ "to": event["source"]["userId"], "messages": [{ "type": "text", "text": text }] });
        let key = format!("00000000-0000-4000-8000-{:0>12}", event["timestamp"].as_i64().unwrap() % 1_000_000_000_000);
        let request = || {
            let request = http.post(format!("{line}/v2/bot/message/push")).bearer_auth(&token);
            request.header("X-Line-Retry-Key", &key).json(&push).send()
        };
        if request().await.unwrap().status().is_server_error() {
            request().await.unwrap();
        }
    }
}
