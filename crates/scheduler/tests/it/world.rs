//! A database, a bus and tenants, and the scheduler beside them.

use std::num::NonZeroUsize;
use std::time::Duration;

use bus::publish::{Outbound, Publisher};
use bus::subject::{Family, Subject};
use bus::{Bus, BusConfig};
use chassis::auth::Token;
use chassis::grpc::GrpcConfig;
use chassis::postgres::PostgresConfig;
use chassis::{Host, HostConfig};
use contracts::EventBody;
use contracts::access_proto::v1::Right;
use contracts::events::v1 as events;
use contracts::events::v1::identity_event::Body;
use contracts::events::v1::scheduler_event::Body as Said;
use kernel::{Clock as _, EventHeader, EventId, PrincipalId, SystemClock, TenantId};
use prost::Message as _;
use scheduler::{App, Config, PROGRAM};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use testkit::eventually;
use testkit::process::{Launch, Process};
use url::Url;
use uuid::Uuid;

use crate::house::House;

/// Long enough for anything that comes by itself.
pub(crate) const SOON: Duration = Duration::from_secs(40);

/// Calls that wait for somebody's lock.
pub(crate) const LOCKED_OUT: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = 'scheduler' AND wait_event_type = 'Lock'";

/// Everything outside of the service.
pub(crate) struct World {
    pub(crate) database: testkit::postgres::Database,
    pub(crate) nats: String,
    pub(crate) prefix: String,
    pub(crate) publisher: Publisher,
    _host: Host,
}

/// A tenant and its program.
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) token: Token,
}

impl World {
    pub(crate) async fn new(hint: &str) -> Self {
        Self::on(&testkit::postgres::Cluster::shared(), testkit::nats::url(), hint).await
    }

    /// The same on other servers than those all tests share.
    pub(crate) async fn on(cluster: &testkit::postgres::Cluster, nats: String, hint: &str) -> Self {
        let database = cluster.fresh_database(hint).await.unwrap();
        chassis::postgres::migrate(&database.admin_url(), "scheduler", PROGRAM.migrations).await.unwrap();
        let host = Host::start("world", HostConfig::loopback()).unwrap();
        let prefix = testkit::nats::prefix();
        let bus = Bus::connect(&bus_config(&nats, &prefix), &host).await.unwrap();
        eventually(SOON, || std::future::ready(host.readiness().is_ready().then_some(()))).await.unwrap();
        let publisher = Publisher::new(&bus, 64);
        Self { database, nats, prefix, publisher, _host: host }
    }

    /// Starts the service, or one more replica of it.
    pub(crate) async fn open(&self) -> House {
        self.open_with(HostConfig::loopback(), 2).await
    }

    /// The same with another life, and so many firers.
    pub(crate) async fn open_with(&self, life: HostConfig, firers: usize) -> House {
        let host = Host::start("scheduler", life).unwrap();
        let config = Config {
            grpc: GrpcConfig::from(std::net::SocketAddr::from(([127, 0, 0, 1], 0))),
            postgres: PostgresConfig {
                connections: 10,
                worker_connections: 8,
                ..PostgresConfig::at(self.database_url())
            },
            bus: bus_config(&self.nats, &self.prefix),
            identity: None,
            firers: NonZeroUsize::new(firers).unwrap(),
        };
        let app = App::build(config, &host).await.unwrap();
        eventually(SOON, || {
            let ready = host.readiness().is_ready();
            std::future::ready(if ready { Ok(()) } else { Err("not ready") })
        })
        .await
        .unwrap();
        House { host, app }
    }

    /// The service's own program at a port, ready to be started.
    pub(crate) fn program(&self, port: u16) -> Launch {
        Process::of(env!("CARGO_BIN_EXE_scheduler"))
            .env("TSUNAGI_DATABASE_URL", self.database_url().as_str())
            .env("TSUNAGI_NATS_URL", &self.nats)
            .env("TSUNAGI_NATS_PREFIX", &self.prefix)
            .env("TSUNAGI_SCHEDULER_GRPC_ADDR", format!("127.0.0.1:{port}"))
            .env("TSUNAGI_SCHEDULER_ADMIN_ADDR", "127.0.0.1:0")
            .env("TSUNAGI_IDENTITY_URL", "http://127.0.0.1:9")
            .env("TSUNAGI_SCHEDULER_TOKEN", "nobody")
    }

    /// The database, without a user.
    pub(crate) fn database_url(&self) -> Url {
        let mut url: Url = self.database.admin_url().parse().unwrap();
        url.set_username("").unwrap();
        url
    }

    /// A new tenant whose program is known to the house.
    pub(crate) async fn tenant(&self, house: &House) -> Tenant {
        self.tenant_called(house, Uuid::new_v4().into()).await
    }

    /// The same with an ID of its own.
    pub(crate) async fn tenant_called(&self, house: &House, id: TenantId) -> Tenant {
        let token = Token::generate(Some(id), PrincipalId::from(Uuid::new_v4())).unwrap();
        let tenant = Tenant { id, token };
        let principal = events::PrincipalReplica {
            principal_id: tenant.token.principal.to_string(),
            version: 1,
            tenant_id: id.to_string(),
            token_hash: tenant.token.hash().to_vec(),
            rights: vec![
                Right::TimersRead.into(),
                Right::TimersWrite.into(),
                Right::SchedulesRead.into(),
                Right::SchedulesManage.into(),
            ],
            ..Default::default()
        };
        self.say(Family::Identity, id, &events::IdentityEvent { body: Some(Body::Principal(principal)) }).await;
        eventually(SOON, || async {
            house.get(&tenant, "nothing").await.map_or_else(
                |status| if status.code() == tonic::Code::NotFound { Ok(()) } else { Err(status.code()) },
                |_| Ok(()),
            )
        })
        .await
        .unwrap();
        tenant
    }

    /// Says that a message goes at a chosen time, or at none any more, as messaging-outbox would.
    pub(crate) async fn schedule(&self, tenant: &Tenant, schedule: events::ScheduledMessageReplica) {
        let body = events::messaging_event::Body::ScheduledMessage(schedule);
        self.say(Family::Messaging, tenant.id, &events::MessagingEvent { body: Some(body) }).await;
    }

    /// Says something as another service would.
    pub(crate) async fn say<B: EventBody>(&self, family: Family, tenant: TenantId, event: &B) {
        let now = SystemClock.now();
        let header = EventHeader {
            id: EventId::new(now).to_string(),
            kind: family.kind().to_owned(),
            source: family.source().to_owned(),
            time: now,
            tenant: Some(tenant),
            trace: None,
        };
        let subject = Subject::event(family, Some(tenant), &event.happened()).unwrap();
        let outbound = Outbound { subject, header, payload: event.encode_to_vec().into() };
        self.publisher.publish(&outbound).await.unwrap().await.unwrap();
    }

    /// What was said of a tenant's timers, in the order of its rows.
    pub(crate) async fn said(&self, tenant: &Tenant) -> Vec<Said> {
        let mut admin = self.admin().await;
        let payloads: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT payload FROM scheduler.outbox WHERE tenant_id = $1 ORDER BY sequence")
                .bind(tenant.id.uuid())
                .fetch_all(&mut admin)
                .await
                .unwrap();
        payloads
            .iter()
            .map(|payload| events::SchedulerEvent::decode(payload.as_slice()).unwrap().body.unwrap())
            .collect()
    }

    /// The keys and generations of the timers that were said to be due, in order.
    pub(crate) async fn due(&self, tenant: &Tenant) -> Vec<(String, i64)> {
        let timers = self.said(tenant).await.into_iter().flat_map(|said| match said {
            Said::TimersDue(due) => due.timers,
            _ => Vec::new(),
        });
        timers.map(|timer| (timer.key, timer.generation)).collect()
    }

    /// The keys that were said to be due, sorted, once there are so many.
    pub(crate) async fn until_due(&self, tenant: &Tenant, count: usize) -> Vec<String> {
        let due = eventually(SOON, || async {
            let due = self.due(tenant).await;
            if due.len() >= count { Ok(due) } else { Err(due.len()) }
        });
        let mut keys: Vec<String> = due.await.unwrap().into_iter().map(|(key, _)| key).collect();
        keys.sort();
        keys
    }

    /// The database as its superuser.
    pub(crate) async fn admin(&self) -> PgConnection {
        PgConnection::connect(&self.database.admin_url()).await.unwrap()
    }

    /// One number out of the database.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut self.admin().await).await.unwrap()
    }

    /// Changes the database as its superuser.
    pub(crate) async fn execute(&self, sql: &str) {
        sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut self.admin().await).await.unwrap();
    }

    /// Waits until a number is as wanted.
    pub(crate) async fn until(&self, sql: &str, wanted: i64) {
        eventually(SOON, || async {
            let seen = self.number(sql).await;
            if seen == wanted { Ok(()) } else { Err(seen) }
        })
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

fn bus_config(nats: &str, prefix: &str) -> BusConfig {
    BusConfig { prefix: Some(prefix.to_owned()), ..BusConfig::at(nats.to_owned()) }
}
