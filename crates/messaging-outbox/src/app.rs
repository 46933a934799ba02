//! The service put together: connects, binds, and spawns its parts under a host.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use bus::stream::Stream;
use bus::{Bus, ConsumerSpec};
use chassis::Host;
use chassis::auth::Directory;
use chassis::egress::Egress;
use chassis::envelope::Envelope;
use chassis::grpc::Client;
use chassis::postgres::Database;
use line_client::{Endpoints, LineClient};

use crate::access_token::AccessTokens;
use crate::config::Config;
use crate::grpc::{self, Desk};
use crate::inbound::{self, Reception};
use crate::linking::{self, Linking};
use crate::reminding::{self, Reminding};
use crate::scheduled::{self, ScheduledSends};
use crate::sender::{self, Tools};
use crate::wake::Wakes;
use crate::watch::Hub;
use crate::{bar, content, digest, figures, group_name, notice, placing, replica, retention};

/// The running service.
#[derive(Debug)]
pub struct App {
    grpc_addr: SocketAddr,
}

impl App {
    /// Connects, binds and spawns under `host`. Database, NATS and LINE may be away.
    ///
    /// # Errors
    /// When an address cannot be used or had.
    pub async fn build(config: Config, host: &Host) -> anyhow::Result<Self> {
        let database = Database::connect("messaging", &config.postgres).await.context("the database's address")?;
        database.tend(host);
        let bus = Bus::connect(&config.bus, host).await.context("the bus")?;
        let endpoints = Endpoints::new(config.line_api_url, config.line_data_url).context("LINE's addresses")?;
        let line = LineClient::new(endpoints)?;
        let wakes = Wakes::start(host, &bus);
        let envelope = Arc::new(Envelope::new(config.master_keys));
        let (key, clock) = (config.seal_key, host.clock());
        let channels = notice::Channels { wakes: wakes.clone(), mail_server: config.mail.is_some() };
        let tools = Arc::new(Tools {
            database: database.clone(),
            tokens: AccessTokens::new(line.clone(), key, clock, database.clone(), Arc::clone(&envelope)),
            line,
            envelope,
            clock: host.clock(),
            turn: host.clock_turn(),
            wakes: wakes.clone(),
            channels: channels.clone(),
        });
        let identity = config
            .identity
            .as_ref()
            .map(|config| Client::following(config, host))
            .transpose()
            .context("identity-linking's address")?;
        bus::replica::spawn_directory(host, &bus, &database, identity.as_ref());
        let kept = replica::Kept { wakes: wakes.clone() };
        bus::replica::spawn(host, &bus, &database, "identity", replica::KINDS, identity.as_ref(), kept);
        let spec = ConsumerSpec {
            concurrency: config.inbound_transactions.get(),
            batch: INBOUND_BATCH,
            ..ConsumerSpec::new("line_webhook", Stream::LineWebhook, inbound::order)
        };
        let reception = Reception { clock: host.clock(), envelope: Arc::clone(&tools.envelope), wakes: wakes.clone() };
        bus::consumer::spawn(host, &bus, &database, spec, reception);
        let linking = Linking { clock: host.clock(), wakes: wakes.clone() };
        bus::consumer::spawn(host, &bus, &database, linking::spec(), linking);
        let scheduled = ScheduledSends {
            clock: host.clock(),
            turn: host.clock_turn(),
            wakes: wakes.clone(),
            channels: channels.clone(),
        };
        bus::consumer::spawn(host, &bus, &database, scheduled::spec(), scheduled);
        let reminding = Reminding { clock: host.clock(), turn: host.clock_turn(), wakes: wakes.clone() };
        bus::consumer::spawn(host, &bus, &database, reminding::spec(), reminding);
        let reminding = Reminding { clock: host.clock(), turn: host.clock_turn(), wakes: wakes.clone() };
        reminding::spawn(host, &database, reminding);
        let requests = notice::Requests { channels, turn: host.clock_turn() };
        bus::consumer::spawn(host, &bus, &database, notice::spec(), requests);
        bus::consumer::spawn(host, &bus, &database, digest::spec(), digest::Slots);
        bus::relay::spawn(host, &bus, &database);
        sender::spawn(host, Arc::clone(&tools), config.sender);
        content::spawn(host, Arc::clone(&tools), config.content);
        group_name::spawn(host, Arc::clone(&tools));
        bar::spawn(host, Arc::clone(&tools), config.staff_page.as_ref());
        digest::spawn(host, Arc::clone(&tools));
        placing::spawn(host, &database, &wakes);
        let egress = Egress::new(&config.egress).context("the client for addresses that tenants entered")?;
        let mailer = config.mail.as_ref().map(notice::Mailer::new).transpose().context("the mail server")?;
        notice::spawn(host, &tools, mailer, egress.clone());
        retention::spawn(host, &database);
        figures::spawn(host, &database);
        let desk = Desk { tools, egress, hub: Hub::new(host, database.clone(), wakes) };
        let directory = Directory::follow(host, &database);
        let grpc_addr = grpc::spawn(host, config.grpc, directory, &desk)?;
        Ok(Self { grpc_addr })
    }

    /// Where its gRPC methods are served.
    #[must_use]
    pub fn grpc_addr(&self) -> SocketAddr {
        self.grpc_addr
    }
}

/// Events of one tenant that may share a transaction.
const INBOUND_BATCH: usize = 16;
