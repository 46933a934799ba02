//! The service's own program, and who calls a replica.

use chassis::auth::Token;
use chassis::grpc::Client;
use contracts::access_proto::v1::Right;
use contracts::events::v1::PrincipalReplica;
use contracts::ingest::v1::ListFindingsRequest;
use contracts::ingest::v1::archive_service_client::ArchiveServiceClient;
use kernel::TenantId;
use testkit::eventually;
use testkit::process::{Launch, Process};
use tonic::Code;
use uuid::Uuid;

use super::{MASTER, Replica, SOON, Stage};

impl Stage {
    /// The service's own program, at free ports. Nobody answers where identity-linking is.
    pub(crate) fn launch(&self) -> Launch {
        Process::of(env!("CARGO_BIN_EXE_webhook-ingest"))
            .env("TSUNAGI_DATABASE_URL", self.postgres().url.as_str())
            .env("TSUNAGI_NATS_URL", &self.nats_url)
            .env("TSUNAGI_NATS_PREFIX", &self.prefix)
            .env("TSUNAGI_INGEST_HTTP_ADDR", "127.0.0.1:0")
            .env("TSUNAGI_INGEST_GRPC_ADDR", "127.0.0.1:0")
            .env("TSUNAGI_INGEST_ADMIN_ADDR", "127.0.0.1:0")
            .env("TSUNAGI_MASTER_KEYS", MASTER)
            .env("TSUNAGI_INGEST_SEAL_KEY", self.seal_key.reveal().expose())
            .env("TSUNAGI_IDENTITY_URL", "http://127.0.0.1:9")
            .env("TSUNAGI_INGEST_TOKEN", "nobody")
    }

    /// The same, running, which kills itself at `place`: it takes webhooks at the first port and calls at the second.
    pub(crate) fn program(&self, place: &str, http: u16, grpc: u16) -> Process {
        self.launch()
            .env("TSUNAGI_INGEST_HTTP_ADDR", format!("127.0.0.1:{http}"))
            .env("TSUNAGI_INGEST_GRPC_ADDR", format!("127.0.0.1:{grpc}"))
            .env("TSUNAGI_FAILPOINTS", format!("{place}=kill"))
            .start()
            .unwrap()
    }

    /// A caller of the replica's, as a program of `tenant` with `rights`.
    pub(crate) async fn caller(&self, replica: &Replica, tenant: TenantId, rights: &[Right]) -> Client {
        self.caller_at(&format!("http://{}", replica.app.grpc_addr()), tenant, rights).await
    }

    /// The same of whoever serves at that URL.
    pub(crate) async fn caller_at(&self, url: &str, tenant: TenantId, rights: &[Right]) -> Client {
        let principal = Uuid::new_v4();
        let token = Token::generate(Some(tenant), principal.into()).unwrap();
        let known = PrincipalReplica {
            principal_id: principal.to_string(),
            version: 1,
            tenant_id: tenant.to_string(),
            token_hash: token.hash().to_vec(),
            rights: rights.iter().map(|right| i32::from(*right)).collect(),
            ..PrincipalReplica::default()
        };
        let mut worker = self.ingest().await.worker().acquire().await.unwrap();
        chassis::auth::replica::put_principal(&mut worker, "ingest", &known).await.unwrap();
        let client = Client::on_loopback(&url.parse().unwrap(), &token.reveal()).unwrap();
        eventually(SOON, || {
            let mut archive = ArchiveServiceClient::new(client.clone());
            async move {
                match archive.list_findings(ListFindingsRequest::default()).await {
                    Err(status) if matches!(status.code(), Code::Unauthenticated | Code::Unavailable) => Err(status),
                    _ => Ok(()),
                }
            }
        })
        .await
        .unwrap();
        client
    }
}
