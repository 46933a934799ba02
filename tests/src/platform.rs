//! The four services as child processes on real servers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use line_simulator::{Control, Simulator};
use testkit::process::{Process, binary};
use tsunagi::stage::{Caller, Stage};

use crate::clocks::Clocks;
use crate::instances::Instance;
use crate::keys;
use crate::service::{Ports, Service};

/// How to set the platform up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which services to start; all four if not said.
    pub services: Vec<Service>,
    /// More settings, for every service.
    pub settings: BTreeMap<String, String>,
    /// Servers of its own, which may be killed; the run's shared ones if not said.
    pub private_servers: bool,
    /// A NATS server of its own as this configuration says, in which every service has a user of its name.
    pub nats_configuration: Option<PathBuf>,
    /// Follow the simulator's clock, so that turning it turns the platform's.
    pub simulated_clock: bool,
    /// A clock of its own for every instance, which [`Platform::clocks`] puts wrong and right; LINE's stays right.
    pub own_clocks: bool,
    /// Where the services' logs are kept; nowhere if not said.
    pub logs: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            services: Service::ALL.to_vec(),
            settings: BTreeMap::new(),
            private_servers: false,
            nats_configuration: None,
            simulated_clock: false,
            own_clocks: false,
            logs: None,
        }
    }
}

/// The NATS password of each service that has a user.
pub(crate) type NatsUsers = BTreeMap<Service, String>;

/// The platform: simulator, servers, services. Everything ends with it.
pub struct Platform {
    // Declared in the order in which they must end: services before their servers.
    pub(crate) instances: BTreeMap<Service, Vec<Instance>>,
    simulator: Simulator,
    database: testkit::postgres::Database,
    /// Its own Postgres, if it has one.
    pub postgres: Option<testkit::postgres::Private>,
    /// Its own NATS, if it has one.
    pub nats: Option<testkit::nats::Private>,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) nats_users: NatsUsers,
    pub(crate) clocks: Option<Clocks>,
    operator: Caller,
    pub(crate) logs: Option<PathBuf>,
}

impl Platform {
    /// Starts servers and simulator, migrates, makes the services' principals, starts the services and waits until each
    /// is ready.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        rustls::crypto::ring::default_provider().install_default().ok();
        let postgres = if options.private_servers { Some(testkit::postgres::Private::start().await?) } else { None };
        let (nats, nats_users) = match &options.nats_configuration {
            Some(file) => configured_nats(file).await.map(|(nats, users)| (Some(nats), users))?,
            None if options.private_servers => (Some(testkit::nats::Private::start().await?), NatsUsers::new()),
            None => (None, NatsUsers::new()),
        };
        // Permissions name subjects as they are.
        let prefix = if nats_users.is_empty() { testkit::nats::prefix() } else { String::new() };
        let cluster = match &postgres {
            Some(private) => private.cluster()?,
            None => testkit::postgres::Cluster::shared(),
        };
        let database = cluster.fresh_database("platform").await?;
        let nats_url = nats.as_ref().map_or_else(testkit::nats::url, testkit::nats::Private::url);
        let simulator = Simulator::start(line_simulator::Options::default()).await?;

        let mut settings = keys::settings();
        settings.extend([
            ("TSUNAGI_DATABASE_URL".to_owned(), without_user(&database.admin_url())?),
            ("TSUNAGI_NATS_URL".to_owned(), nats_url),
            ("TSUNAGI_NATS_PREFIX".to_owned(), prefix),
            ("TSUNAGI_LINE_API_URL".to_owned(), simulator.base_url().to_owned()),
            ("TSUNAGI_LINE_DATA_URL".to_owned(), simulator.base_url().to_owned()),
            ("TSUNAGI_LINE_LOGIN_URL".to_owned(), simulator.base_url().to_owned()),
        ]);
        if let Some(authority) = nats.as_ref().and_then(testkit::nats::Private::authority) {
            settings.insert("TSUNAGI_NATS_CA_FILE".to_owned(), authority.display().to_string());
        }
        if options.simulated_clock {
            settings.insert("TSUNAGI_CLOCK_URL".to_owned(), format!("{}/control/clock", simulator.base_url()));
        }
        let clocks = if options.own_clocks { Some(Clocks::start().await?) } else { None };
        settings.extend(options.settings);
        let admin = ("TSUNAGI_ADMIN_DATABASE_URL".to_owned(), database.admin_url());

        let instances: BTreeMap<Service, Vec<Instance>> = Service::ALL
            .into_iter()
            .map(|service| (service, vec![Instance { ports: Ports::free(), process: None }]))
            .collect();
        for (service, name) in [(Service::IdentityLinking, "IDENTITY"), (Service::MessagingOutbox, "MESSAGING")] {
            let port = instances[&service][0].ports.grpc;
            settings.insert(format!("TSUNAGI_{name}_URL"), format!("http://127.0.0.1:{port}"));
        }

        let operate = |arguments: &[&str]| {
            let launch =
                arguments.iter().fold(Process::of(binary("tsunagi")), |launch, &argument| launch.arg(argument));
            let launch =
                settings.iter().chain([(&admin.0, &admin.1)]).fold(launch, |l, (name, value)| l.env(name, value));
            launch.start()
        };
        finished(operate(&["migrate"])?).await?;
        let operator = Caller::new(token(operate(&["token", "create", "--name", "operator"])?).await?);
        let mut tokens = BTreeMap::new();
        for service in Service::ALL {
            let made = token(operate(&["token", "create", "--service", service.binary()])?).await?;
            tokens.insert(service.setting("TOKEN"), made);
        }
        settings.extend(tokens);

        let logs = options.logs;
        let mut platform =
            Self { instances, simulator, database, postgres, nats, settings, nats_users, clocks, operator, logs };
        for service in options.services {
            platform.start_service(service, &BTreeMap::new()).await?;
        }
        Ok(platform)
    }

    /// The platform seen from outside: the first instance of each service.
    #[must_use]
    pub fn stage(&self) -> Stage {
        let grpc = |service: Service| format!("http://127.0.0.1:{}", self.instances[&service][0].ports.grpc);
        Stage {
            operator: self.operator.clone(),
            identity: grpc(Service::IdentityLinking),
            messaging: grpc(Service::MessagingOutbox),
            ingest: grpc(Service::WebhookIngest),
            scheduler: grpc(Service::Scheduler),
            webhooks: format!("http://127.0.0.1:{}", self.instances[&Service::WebhookIngest][0].ports.http),
            pages: self.pages(),
            line: self.line(),
        }
    }

    /// The form pages of the first identity-linking.
    #[must_use]
    pub fn pages(&self) -> String {
        format!("http://127.0.0.1:{}", self.instances[&Service::IdentityLinking][0].ports.http)
    }

    /// A client of the simulator: LINE's side of everything.
    #[must_use]
    pub fn line(&self) -> Control {
        self.simulator.control()
    }

    /// The simulator itself.
    #[must_use]
    pub fn simulator(&self) -> &Simulator {
        &self.simulator
    }

    /// The database's administrator: for looking at tables from outside.
    #[must_use]
    pub fn admin_url(&self) -> String {
        self.database.admin_url()
    }

    /// The database itself.
    #[must_use]
    pub fn database(&self) -> &testkit::postgres::Database {
        &self.database
    }

    /// The database for one role, without a password.
    #[must_use]
    pub fn url(&self, role: &str) -> String {
        self.database.url(role)
    }

    /// The NATS password of a service's user; none where NATS has no users.
    #[must_use]
    pub fn nats_password(&self, service: Service) -> Option<&str> {
        self.nats_users.get(&service).map(String::as_str)
    }

    /// A setting every service has.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    /// The administration port of a service's first instance.
    #[must_use]
    pub fn admin(&self, service: Service) -> u16 {
        self.instances[&service][0].ports.admin
    }

    /// Where each instance of a service takes web requests, and where it says whether it is ready.
    #[must_use]
    pub fn doors(&self, service: Service) -> Vec<(u16, u16)> {
        self.instances[&service].iter().map(|instance| (instance.ports.http, instance.ports.admin)).collect()
    }

    /// The clocks of the instances; none where they have none of their own.
    #[must_use]
    pub fn clocks(&self) -> Option<&Clocks> {
        self.clocks.as_ref()
    }

    /// Deletes every stream of this platform.
    pub async fn delete_streams(&self) -> anyhow::Result<()> {
        let setting = |name: &str| self.setting(name).unwrap_or_default().to_owned();
        let deleted =
            testkit::nats::delete_streams(&setting("TSUNAGI_NATS_URL"), &setting("TSUNAGI_NATS_PREFIX")).await?;
        ensure!(deleted > 0, "there was no stream to delete");
        Ok(())
    }
}

/// A server as `file` says, and its users.
async fn configured_nats(file: &Path) -> anyhow::Result<(testkit::nats::Private, NatsUsers)> {
    let users: NatsUsers =
        Service::ALL.into_iter().map(|service| (service, uuid::Uuid::new_v4().simple().to_string())).collect();
    let environment = users
        .iter()
        .map(|(service, password)| (format!("NATS_{}_PASSWORD", service.schema().to_uppercase()), password.clone()));
    let administrator = ("administrator".to_owned(), uuid::Uuid::new_v4().simple().to_string());
    let environment =
        environment.chain([("NATS_ADMINISTRATOR_PASSWORD".to_owned(), administrator.1.clone())]).collect();
    Ok((testkit::nats::Private::start_configured(file, environment, administrator).await?, users))
}

/// The server's address as the services are given it: they put their own roles in.
///
/// # Errors
/// When it has no host.
pub fn without_user(url: &str) -> anyhow::Result<String> {
    let mut url: url::Url = url.parse()?;
    url.set_username("")
        .and_then(|()| url.set_password(None))
        .map_err(|()| anyhow::anyhow!("no host in the address"))?;
    Ok(url.into())
}

async fn finished(mut process: Process) -> anyhow::Result<Vec<String>> {
    let status = process.exit(Duration::from_mins(1)).await?;
    let lines = process.lines();
    ensure!(status.success(), "ended with {status}:\n{}", lines.join("\n"));
    Ok(lines)
}

/// The token `tsunagi token create` printed.
async fn token(process: Process) -> anyhow::Result<String> {
    let printed = finished(process).await?.join("\n");
    let answer: serde_json::Value = serde_json::from_str(&printed).with_context(|| format!("not JSON: {printed}"))?;
    answer["token"].as_str().map(str::to_owned).context("no token was printed")
}
