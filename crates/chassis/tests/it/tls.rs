//! Certificates: who is talked to, and what happens when they are renewed while the process lives.

use std::path::Path;
use std::time::Duration;

use chassis::config::{Secret, Settings};
use chassis::grpc::{Client, ClientConfig, GrpcConfig, TlsAuthority};
use chassis::tls::TlsConfig;
use contracts::access_proto::v1::Right;
use contracts::messaging::v1::GetQuotaRequest;
use contracts::messaging::v1::quota_service_client::QuotaServiceClient;
use testkit::eventually;
use tonic::{Code, Status};

use crate::auth::Served;
use crate::caller::Program;
use crate::stage::{SOON, tenant};

/// Who signs certificates: its own certificate, PEM, and what it signs with.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = authority.self_signed(&key).unwrap().pem();
        Self { pem, issuer: rcgen::Issuer::new(authority, key) }
    }

    /// A certificate for `localhost` and its key, PEM.
    pub(crate) fn certificate(&self) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (certificate.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// A new client that trusts this authority alone.
    fn client(&self, served: &Served, program: &Program) -> QuotaServiceClient<Client> {
        let config = encrypted(served, program, TlsAuthority::fixed(self.pem.clone()));
        QuotaServiceClient::new(Client::new(&config).unwrap())
    }

    async fn call(&self, served: &Served, program: &Program) -> Result<(), Status> {
        self.client(served, program).get_quota(GetQuotaRequest::default()).await.map(drop)
    }
}

/// How to call `served` by TLS.
fn encrypted(served: &Served, program: &Program, authority: TlsAuthority) -> ClientConfig {
    ClientConfig {
        url: format!("https://localhost:{}", served.addr.port()).parse().unwrap(),
        token: program.token.reveal(),
        authority: Some(authority),
        allow_plaintext: false,
    }
}

/// As a mounted Secret changes: at once, never half of it.
fn write(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(&beside, path).unwrap();
}

async fn program(served: &Served) -> Program {
    Program::known(&served.stage.database, Some(tenant(1)), &[Right::ConversationsRead]).await
}

#[tokio::test]
async fn with_a_certificate_only_who_trusts_its_authority_is_talked_to() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (certificate, key) = authority.certificate();
    let served = Served::with("tls", |config| config.tls = Some(TlsConfig::fixed(certificate, Secret::new(key)))).await;
    let program = program(&served).await;
    eventually(SOON, || authority.call(&served, &program)).await.unwrap();
    assert_eq!(stranger.call(&served, &program).await.unwrap_err().code(), Code::Unavailable);
    QuotaServiceClient::new(served.client(&program)).get_quota(GetQuotaRequest::default()).await.unwrap_err();
}

#[tokio::test]
async fn a_certificate_renewed_in_its_file_is_shown_and_one_that_does_not_fit_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let files = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    let (first, second) = (Authority::new(), Authority::new());
    let (certificate, key) = first.certificate();
    write(&files.0, &certificate);
    write(&files.1, &key);
    let served = Served::with("renewed", |config| {
        let tls = TlsConfig::fixed(certificate, Secret::new(key));
        config.tls = Some(TlsConfig { files: Some(files.clone()), looked_at_every: Duration::from_millis(20), ..tls });
    })
    .await;
    let program = program(&served).await;
    let mut standing = first.client(&served, &program);
    eventually(SOON, async || standing.clone().get_quota(GetQuotaRequest::default()).await).await.unwrap();

    let (certificate, key) = second.certificate();
    write(&files.0, &certificate);
    let url = format!("http://{}/metrics", served.host.admin_addr());
    let failing = async |value: &str| {
        let line = format!("tsunagi_tls_renewal_failing{{of=\"certificate\"}} {value}");
        eventually(SOON, async || {
            let figures = crate::process::get(&url).await.1;
            if figures.lines().any(|one| one == line) { Ok(()) } else { Err(figures) }
        })
        .await
        .unwrap();
    };
    failing("1").await;
    first.call(&served, &program).await.unwrap();
    assert_eq!(second.call(&served, &program).await.unwrap_err().code(), Code::Unavailable);

    write(&files.1, &key);
    eventually(SOON, || second.call(&served, &program)).await.unwrap();
    failing("0").await;
    assert_eq!(first.call(&served, &program).await.unwrap_err().code(), Code::Unavailable);
    standing.get_quota(GetQuotaRequest::default()).await.unwrap();
}

#[tokio::test]
async fn an_authority_renewed_in_its_file_is_trusted_and_garbage_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.crt");
    let (first, second) = (Authority::new(), Authority::new());
    let (certificate, key) = second.certificate();
    let served =
        Served::with("authority", |config| config.tls = Some(TlsConfig::fixed(certificate, Secret::new(key)))).await;
    let program = program(&served).await;
    eventually(SOON, || second.call(&served, &program)).await.unwrap();
    write(&file, &first.pem);
    let authority = TlsAuthority {
        file: Some(file.clone()),
        looked_at_every: Duration::from_millis(20),
        ..TlsAuthority::fixed(first.pem.clone())
    };
    let client = Client::following(&encrypted(&served, &program, authority), &served.host).unwrap();
    // A copy made before is a copy of the same way.
    let call = async || QuotaServiceClient::new(client.clone()).get_quota(GetQuotaRequest::default()).await;
    assert_eq!(call().await.unwrap_err().code(), Code::Unavailable);

    let url = format!("http://{}/metrics", served.host.admin_addr());
    let failing = async |value: &str| {
        let line = format!("tsunagi_tls_renewal_failing{{of=\"authority\"}} {value}");
        eventually(SOON, async || {
            let figures = crate::process::get(&url).await.1;
            if figures.lines().any(|one| one == line) { Ok(()) } else { Err(figures) }
        })
        .await
        .unwrap();
    };
    write(&file, &format!("{}{}", first.pem, second.pem));
    eventually(SOON, call).await.unwrap();
    failing("0").await;
    write(&file, "garbage");
    failing("1").await;
    call().await.unwrap();
    write(&file, &first.pem);
    failing("0").await;
    eventually(SOON, async || if call().await.is_err() { Ok(()) } else { Err("still trusted") }).await.unwrap();
}

#[test]
fn an_authority_given_as_a_file_is_followed_one_given_as_text_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.crt");
    std::fs::write(&file, Authority::new().pem).unwrap();
    let read = |name: &str, value: String| {
        let mut settings = Settings::from_map([(name.to_owned(), value)].into());
        let authority = TlsAuthority::read(&mut settings);
        settings.finish().unwrap();
        authority.unwrap().file
    };
    assert_eq!(read("TSUNAGI_TLS_AUTHORITY_FILE", file.to_str().unwrap().to_owned()), Some(file));
    assert_eq!(read("TSUNAGI_TLS_AUTHORITY", Authority::new().pem), None);
}

#[test]
fn a_certificate_given_as_files_is_followed_one_given_as_text_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = Authority::new().certificate();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let read = |more: [(&str, String); 2]| {
        let mut given =
            std::collections::BTreeMap::from([("TSUNAGI_X_GRPC_ADDR".to_owned(), "127.0.0.1:0".to_owned())]);
        given.extend(more.map(|(name, value)| (name.to_owned(), value)));
        let mut settings = Settings::from_map(given);
        let config = GrpcConfig::read(&mut settings, "x");
        settings.finish().unwrap();
        config.tls.unwrap().files
    };
    let (one, two) = (path("tls.crt", &certificate), path("tls.key", &key));
    let followed = read([("TSUNAGI_TLS_CERTIFICATE_FILE", one.clone()), ("TSUNAGI_TLS_KEY_FILE", two.clone())]);
    assert_eq!(followed, Some((one.into(), two.into())));
    assert_eq!(read([("TSUNAGI_TLS_CERTIFICATE", certificate), ("TSUNAGI_TLS_KEY", key)]), None);
}
