//! What the services are told when they live in one process: loopback addresses, fresh keys, their own tokens.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chassis::config::Settings;
use chassis::seal::PrivateKey;
use tokio::net::TcpListener;
use url::Url;

use super::Servers;

/// Loopback ports that were free a moment ago.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) identity: u16,
    pub(super) messaging: u16,
    pub(super) scheduler: u16,
    pub(super) ingest: u16,
    pub(super) webhooks: u16,
    pub(super) pages: u16,
}

impl Addresses {
    pub(super) async fn free() -> anyhow::Result<Self> {
        // All are bound before the first is let go, so that no two are the same.
        let mut held = Vec::new();
        for _ in 0..6 {
            held.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?);
        }
        let port = |n: usize| held[n].local_addr().map(|address| address.port());
        Ok(Self {
            identity: port(0)?,
            messaging: port(1)?,
            scheduler: port(2)?,
            ingest: port(3)?,
            webhooks: port(4)?,
            pages: port(5)?,
        })
    }
}

/// The settings, while they are gathered.
#[derive(Debug)]
pub(super) struct LocalSettings {
    postgres: Url,
    given: BTreeMap<String, String>,
}

impl LocalSettings {
    pub(super) fn new(servers: &Servers, addresses: &Addresses, line: &str) -> anyhow::Result<Self> {
        let mut postgres = servers.postgres.clone();
        let cleared = postgres.set_username("").and_then(|()| postgres.set_password(None));
        cleared.map_err(|()| anyhow::anyhow!("TSUNAGI_DATABASE_URL names no host"))?;
        let mut given = BTreeMap::new();
        let mut set = |name: &str, value: String| given.insert(name.to_owned(), value);
        let address = |port: u16| format!("{}:{port}", Ipv4Addr::LOCALHOST);
        set("TSUNAGI_DATABASE_URL", postgres.to_string());
        set("TSUNAGI_NATS_URL", servers.nats.clone());
        set("TSUNAGI_IDENTITY_GRPC_ADDR", address(addresses.identity));
        set("TSUNAGI_MESSAGING_GRPC_ADDR", address(addresses.messaging));
        set("TSUNAGI_SCHEDULER_GRPC_ADDR", address(addresses.scheduler));
        set("TSUNAGI_INGEST_GRPC_ADDR", address(addresses.ingest));
        set("TSUNAGI_INGEST_HTTP_ADDR", address(addresses.webhooks));
        set("TSUNAGI_IDENTITY_PAGES_ADDR", address(addresses.pages));
        set("TSUNAGI_IDENTITY_PAGES_URL", format!("http://{}", address(addresses.pages)));
        set("TSUNAGI_IDENTITY_URL", format!("http://{}", address(addresses.identity)));
        set("TSUNAGI_MESSAGING_URL", format!("http://{}", address(addresses.messaging)));
        set("TSUNAGI_LINE_API_URL", line.to_owned());
        set("TSUNAGI_LINE_DATA_URL", line.to_owned());
        set("TSUNAGI_LINE_LOGIN_URL", line.to_owned());
        let master: [u8; 32] = rand::random();
        set("TSUNAGI_MASTER_KEYS", format!("local:{}", STANDARD.encode(master)));
        for recipient in ["INGEST", "MESSAGING"] {
            let key = PrivateKey::generate();
            set(&format!("TSUNAGI_{recipient}_SEAL_KEY"), key.reveal().expose().to_owned());
            set(&format!("TSUNAGI_{recipient}_SEAL_PUBLIC_KEY"), key.public().text());
        }
        Ok(Self { postgres, given })
    }

    /// The database without a user.
    pub(super) fn postgres(&self) -> Url {
        self.postgres.clone()
    }

    pub(super) fn set_token(&mut self, service: &str, token: &str) {
        self.given.insert(format!("TSUNAGI_{}_TOKEN", service.to_uppercase()), token.to_owned());
    }

    pub(super) fn into_settings(self) -> Settings {
        Settings::from_map(self.given)
    }
}
