//! Channel access tokens.

use chrono::TimeDelta;
use serde_json::Value;

use crate::stage::Stage;

async fn form(stage: &Stage, path: &str, fields: &[(&str, &str)]) -> (u16, Value) {
    let url = format!("{}{path}", stage.simulator.base_url());
    let answer = stage.http.post(url).form(fields).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
}

async fn info_status(stage: &Stage, token: &str) -> (u16, Value) {
    let url = format!("{}/v2/bot/info", stage.simulator.base_url());
    let answer = stage.http.get(url).bearer_auth(token).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn secret_fields(stage: &Stage) -> [(&str, &str); 3] {
    [
        ("grant_type", "client_credentials"),
        ("client_id", stage.account.channel_id.as_str()),
        ("client_secret", &stage.account.channel_secret),
    ]
}

#[tokio::test]
async fn a_stateless_token_lives_15_minutes() {
    let stage = Stage::new().await;
    stage.simulator.clock().stop();
    let (status, issued) = form(&stage, "/oauth2/v3/token", &secret_fields(&stage)).await;
    assert_eq!((status, issued["expires_in"].as_i64()), (200, Some(900)));
    let token = issued["access_token"].as_str().unwrap();
    assert_eq!(info_status(&stage, token).await.0, 200);
    stage.control.advance(TimeDelta::minutes(15)).await.unwrap();
    let (status, body) = info_status(&stage, token).await;
    assert_eq!(status, 401);
    assert!(body["message"].as_str().unwrap().starts_with("Authentication failed due to the following reason"));
}

#[tokio::test]
async fn a_short_lived_token_is_verified_and_revoked() {
    let stage = Stage::new().await;
    let (_, issued) = form(&stage, "/v2/oauth/accessToken", &secret_fields(&stage)).await;
    let token = issued["access_token"].as_str().unwrap();
    let (status, verified) = form(&stage, "/v2/oauth/verify", &[("access_token", token)]).await;
    assert_eq!((status, verified["client_id"].as_str()), (200, Some(stage.account.channel_id.as_str())));
    assert_eq!(form(&stage, "/v2/oauth/revoke", &[("access_token", token)]).await.0, 200);
    assert_eq!(form(&stage, "/v2/oauth/verify", &[("access_token", token)]).await.0, 400);
    assert_eq!(info_status(&stage, token).await.0, 401);
}

#[tokio::test]
async fn a_wrong_secret_and_missing_parameters_are_oauth_errors() {
    let stage = Stage::new().await;
    let mut fields = secret_fields(&stage);
    fields[2].1 = "wrong";
    let (status, body) = form(&stage, "/oauth2/v3/token", &fields).await;
    assert_eq!((status, body["error"].as_str()), (400, Some("invalid_client")));
    let (status, body) = form(&stage, "/v2/oauth/accessToken", &fields[..1]).await;
    assert_eq!((status, body["error"].as_str()), (400, Some("invalid_request")));
}

#[tokio::test]
async fn an_assertion_with_an_unknown_key_is_404() {
    let stage = Stage::new().await;
    // {"alg":"RS256","typ":"JWT","kid":"k"} . {"iss":"<channel>","sub":"<channel>"} . nothing
    let header = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsifQ";
    let payload = format!(r#"{{"iss":"{0}","sub":"{0}"}}"#, stage.account.channel_id);
    let payload = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload);
    let assertion = format!("{header}.{payload}.AA");
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", &assertion),
    ];
    assert_eq!(form(&stage, "/oauth2/v2.1/token", &fields).await.0, 404);
}

#[tokio::test]
async fn a_reissued_long_lived_token_or_secret_voids_the_old_one() {
    let stage = Stage::new().await;
    let fresh = stage.control.reissue_access_token(&stage.account.channel_id).await.unwrap();
    assert_eq!(stage.get("/v2/bot/info").await.status, 401);
    assert_eq!(info_status(&stage, &fresh).await.0, 200);
    stage.control.reissue_secret(&stage.account.channel_id).await.unwrap();
    assert_eq!(form(&stage, "/oauth2/v3/token", &secret_fields(&stage)).await.0, 400);
}
