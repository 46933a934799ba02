//! TLS without an ingress: LINE's webhooks reach the service's own certificate.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chassis::HostConfig;
use chassis::config::Secret;
use chassis::tls::TlsConfig;
use reqwest::{Version, tls};
use testkit::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use webhook_ingest::Config;

use crate::stage::{Replica, SECRET, SOON, Stage, one, signature};

/// A certificate for `localhost` that vouches for itself until 2050, and its key, PEM.
fn certificate() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    certificate.not_after = rcgen::date_time_ymd(2050, 1, 1);
    (certificate.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn fixed((certificate, key): &(String, String)) -> TlsConfig {
    TlsConfig { of: "webhook_certificate", ..TlsConfig::fixed(certificate.clone(), Secret::new(key.clone())) }
}

async fn start(stage: &Stage, tls: TlsConfig, connections: u32, idle: Duration) -> Replica {
    let connections = NonZeroU32::new(connections).unwrap();
    let config = Config { http_tls: Some(tls), connections, idle_timeout: idle, ..stage.config() };
    let replica = stage.start_with(config, HostConfig::loopback()).await;
    replica.ready().await;
    replica
}

fn trusting(certificate: &str) -> reqwest::ClientBuilder {
    let trusted = reqwest::Certificate::from_pem(certificate.as_bytes()).unwrap();
    reqwest::Client::builder().no_proxy().tls_certs_only([trusted])
}

/// A client that trusts this certificate alone, and connects anew for each post.
fn client(certificate: &str) -> reqwest::Client {
    trusting(certificate).pool_max_idle_per_host(0).build().unwrap()
}

async fn post(stage: &Stage, replica: &Replica, client: &reqwest::Client) -> Result<(u16, Version), reqwest::Error> {
    let (_, body) = one();
    let url = format!("https://localhost:{}/line/webhooks/{}", replica.app.http_addr().port(), stage.account.key);
    let post = client.post(url).header("x-line-signature", signature(SECRET, &body)).body(body);
    post.send().await.map(|answer| (answer.status().as_u16(), answer.version()))
}

#[tokio::test]
async fn webhooks_come_by_tls_in_either_protocol_and_version_and_in_the_clear_no_more() {
    let stage = Stage::new("own_tls").await;
    let shown = certificate();
    let replica = start(&stage, fixed(&shown), 100, Duration::from_secs(30)).await;
    for (client, version) in [
        (trusting(&shown.0), Version::HTTP_2),
        (trusting(&shown.0).http1_only(), Version::HTTP_11),
        (trusting(&shown.0).tls_version_max(tls::Version::TLS_1_2), Version::HTTP_2),
        (trusting(&shown.0).tls_version_min(tls::Version::TLS_1_3), Version::HTTP_2),
    ] {
        assert_eq!(post(&stage, &replica, &client.build().unwrap()).await.unwrap(), (200, version));
    }
    assert_eq!(stage.count("SELECT count(*) FROM ingest.body").await, 4);
    post(&stage, &replica, &client(&certificate().0)).await.unwrap_err();
    let (_, body) = one();
    let clear = replica.http.post(replica.url(&stage.account.key)).header("x-line-signature", signature(SECRET, &body));
    clear.body(body).send().await.unwrap_err();
    replica.eventually_shows("tsunagi_tls_handshakes_failed_total 2").await;
    replica
        .eventually_shows("tsunagi_tls_certificate_expiry_timestamp_seconds{of=\"webhook_certificate\"} 2524608000")
        .await;
    assert_eq!(stage.count("SELECT count(*) FROM ingest.body").await, 4);
    replica.stop().await;
}

#[tokio::test]
async fn who_never_ends_the_handshake_holds_nobody_up_and_gives_the_place_back() {
    let stage = Stage::new("own_tls_slow").await;
    let shown = certificate();
    let replica = start(&stage, fixed(&shown), 3, Duration::from_secs(1)).await;
    let mut slow = Vec::new();
    for begin in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut socket = TcpStream::connect(replica.app.http_addr()).await.unwrap();
        socket.write_all(begin).await.unwrap();
        slow.push(socket);
    }
    // There is one place left, and then none.
    assert_eq!(post(&stage, &replica, &client(&shown.0)).await.unwrap().0, 200);
    slow.push(TcpStream::connect(replica.app.http_addr()).await.unwrap());
    let answered = tokio::time::timeout(SOON, post(&stage, &replica, &client(&shown.0))).await;
    assert_eq!(answered.expect("there is a place again").unwrap().0, 200);
    for mut socket in slow {
        let read = tokio::time::timeout(SOON, socket.read(&mut [0; 8])).await.expect("it is hung up on");
        assert!(!matches!(read, Ok(1..)));
    }
    replica.stop().await;
}

#[tokio::test]
async fn a_handshake_under_way_does_not_keep_the_service_from_stopping() {
    let stage = Stage::new("own_tls_stop").await;
    let replica = start(&stage, fixed(&certificate()), 10, Duration::from_mins(10)).await;
    let _silent = TcpStream::connect(replica.app.http_addr()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(8), replica.stop()).await.expect("it stops");
}

/// As a mounted Secret changes: at once, never half of it.
fn write(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(&beside, path).unwrap();
}

/// A certificate and its key in files that are looked at all the time.
fn followed((certificate, key): &(String, String)) -> (tempfile::TempDir, (PathBuf, PathBuf), TlsConfig) {
    let folder = tempfile::tempdir().unwrap();
    let files = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    write(&files.0, certificate);
    write(&files.1, key);
    let fixed = fixed(&(certificate.clone(), key.clone()));
    let config = TlsConfig { files: Some(files.clone()), looked_at_every: Duration::from_millis(20), ..fixed };
    (folder, files, config)
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart_and_connections_that_stand_live_on() {
    let stage = Stage::new("own_tls_renewed").await;
    let (first, second) = (certificate(), certificate());
    let (_folder, files, tls) = followed(&first);
    let replica = start(&stage, tls, 100, Duration::from_secs(30)).await;
    let standing = trusting(&first.0).build().unwrap();
    assert_eq!(post(&stage, &replica, &standing).await.unwrap(), (200, Version::HTTP_2));
    write(&files.1, &second.1);
    write(&files.0, &second.0);
    let of_second = client(&second.0);
    eventually(SOON, || async {
        post(&stage, &replica, &of_second).await.is_ok_and(|(status, _)| status == 200).then_some(())
    })
    .await
    .unwrap();
    post(&stage, &replica, &client(&first.0)).await.unwrap_err();
    assert_eq!(post(&stage, &replica, &standing).await.unwrap().0, 200);
    replica.stop().await;
}

#[tokio::test]
async fn what_cannot_be_used_is_not_shown_and_that_is_told() {
    let stage = Stage::new("own_tls_broken").await;
    let (first, second) = (certificate(), certificate());
    let (_folder, files, tls) = followed(&first);
    let replica = start(&stage, tls, 100, Duration::from_secs(30)).await;
    let failing = |value: u8| format!("tsunagi_tls_renewal_failing{{of=\"webhook_certificate\"}} {value}");
    replica.eventually_shows(&failing(0)).await;
    for (certificate, key) in [(&*second.0, &*first.1), ("no certificate", &*first.1), (&*first.0, "no key")] {
        write(&files.0, certificate);
        write(&files.1, key);
        replica.eventually_shows(&failing(1)).await;
        assert_eq!(post(&stage, &replica, &client(&first.0)).await.unwrap().0, 200);
        write(&files.0, &first.0);
        write(&files.1, &first.1);
        replica.eventually_shows(&failing(0)).await;
    }
    std::fs::remove_file(&files.0).unwrap();
    replica.eventually_shows(&failing(1)).await;
    assert_eq!(post(&stage, &replica, &client(&first.0)).await.unwrap().0, 200);
    replica.stop().await;
}
