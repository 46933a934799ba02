//! The four services by name, and where each listens.

use std::collections::BTreeMap;

/// One of the four services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Receives LINE's webhooks.
    WebhookIngest,
    /// Keeps who is who.
    IdentityLinking,
    /// Holds conversations and sends.
    MessagingOutbox,
    /// Keeps time.
    Scheduler,
}

impl Service {
    /// All four, in the order they are started.
    pub const ALL: [Self; 4] = [Self::IdentityLinking, Self::WebhookIngest, Self::MessagingOutbox, Self::Scheduler];

    /// The name of its binary.
    #[must_use]
    pub const fn binary(self) -> &'static str {
        match self {
            Self::WebhookIngest => "webhook-ingest",
            Self::IdentityLinking => "identity-linking",
            Self::MessagingOutbox => "messaging-outbox",
            Self::Scheduler => "scheduler",
        }
    }

    /// The name of its Postgres schema, and, in capitals, of its settings.
    #[must_use]
    pub const fn schema(self) -> &'static str {
        match self {
            Self::WebhookIngest => "ingest",
            Self::IdentityLinking => "identity",
            Self::MessagingOutbox => "messaging",
            Self::Scheduler => "scheduler",
        }
    }

    /// The name of one of its settings.
    #[must_use]
    pub fn setting(self, name: &str) -> String {
        format!("TSUNAGI_{}_{name}", self.schema().to_uppercase())
    }
}

/// The loopback ports of one running instance of a service.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// gRPC.
    pub grpc: u16,
    /// `/livez`, `/readyz`, `/metrics`.
    pub admin: u16,
    /// LINE's webhooks at webhook-ingest, the form pages at identity-linking; nothing at the others.
    pub http: u16,
}

impl Ports {
    /// Free ones.
    #[must_use]
    pub fn free() -> Self {
        Self { grpc: testkit::port::free(), admin: testkit::port::free(), http: testkit::port::free() }
    }

    /// The settings that make `service` listen on them.
    #[must_use]
    pub fn settings(self, service: Service) -> BTreeMap<String, String> {
        let address = |port: u16| format!("127.0.0.1:{port}");
        let mut settings = BTreeMap::from([
            (service.setting("GRPC_ADDR"), address(self.grpc)),
            (service.setting("ADMIN_ADDR"), address(self.admin)),
        ]);
        match service {
            Service::WebhookIngest => {
                settings.insert(service.setting("HTTP_ADDR"), address(self.http));
            }
            Service::IdentityLinking => {
                settings.insert(service.setting("PAGES_ADDR"), address(self.http));
                settings.insert(service.setting("PAGES_URL"), format!("http://{}", address(self.http)));
            }
            Service::MessagingOutbox | Service::Scheduler => {}
        }
        settings
    }
}
