//! Who hears of programs' timers: a service of its own, with a schema and an inbox, that keeps what it heard as any consumer of the
//! project does. What was heard counts once it is committed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use bus::stream::Stream;
use bus::subject::{Family, Filter};
use bus::{Bus, BusConfig, ConsumerSpec, Handled, Handler, Incoming, Trouble};
use chassis::config::Settings;
use chassis::postgres::{Database, MigrationText, PostgresConfig, TenantTx, migrate};
use chassis::{Host, HostConfig};
use contracts::events::v1::scheduler_event::Body;
use contracts::events::v1::{FiredTimer, SchedulerEvent};
use kernel::{Clock as _, SystemClock, Timestamp};

use crate::platform::Platform;

/// The service's schema and its two roles.
const SCHEMA: &str = "hearing";

/// A row for each event, with everything it told.
const TABLES: &[MigrationText] = &[MigrationText {
    version: 1000,
    name: "heard",
    sql: "CREATE TABLE {schema}.heard (tenant_id uuid NOT NULL, event_id uuid NOT NULL, owner text NOT NULL, missed boolean NOT NULL,
              keys text[] NOT NULL, generations bigint[] NOT NULL, due timestamptz[] NOT NULL, PRIMARY KEY (tenant_id, event_id));
          SELECT {schema}.isolate('{schema}.heard')",
}];

/// The running consumer. Table `hearing.heard` has what it was told. It ends with its process.
pub struct Hearing {
    host: Host,
    ears: Ears,
}

/// What was heard for some time.
#[derive(Debug, Default)]
pub struct Heard {
    /// When each timer was due, and how long after that it was committed that it was heard, in microseconds.
    pub late: Vec<(Timestamp, i64)>,
    /// How many events told of them, and of those that were missed.
    pub events: u64,
    /// How many were too late to be said.
    pub missed: u64,
    /// When the last of all was committed.
    pub last: Option<Timestamp>,
}

#[derive(Clone, Debug, Default)]
struct Ears(Arc<Mutex<Heard>>);

impl Hearing {
    /// Makes the schema and begins to listen to everything the scheduler says of programs' timers.
    ///
    /// # Errors
    /// When the schema cannot be made, or an address cannot be used.
    pub async fn start(platform: &Platform) -> anyhow::Result<Self> {
        migrate(&platform.admin_url(), SCHEMA, &[chassis::PLUMBING, bus::PLUMBING, TABLES]).await?;
        let host = Host::start("hearing", HostConfig::loopback())?;
        let setting = |name: &str| platform.setting(name).map(str::to_owned).with_context(|| format!("no {name}"));
        let given = [("URL".to_owned(), setting("TSUNAGI_DATABASE_URL")?)].into();
        let url = Settings::from_map(given).required("URL", "the platform's database");
        let database = Database::connect(SCHEMA, &PostgresConfig::at(url)).await?;
        let config =
            BusConfig { prefix: Some(setting("TSUNAGI_NATS_PREFIX")?), ..BusConfig::at(setting("TSUNAGI_NATS_URL")?) };
        let bus = Bus::connect(&config, &host).await?;
        let ears = Ears::default();
        let spec = ConsumerSpec {
            subjects: ["timers_due", "timers_missed"].map(|said| Filter::Happened(Family::Scheduler, said)).to_vec(),
            batch: 16,
            ..ConsumerSpec::new("timers", Stream::Scheduler, |event: &Incoming<SchedulerEvent>| {
                bus::consumer::key(&event.header.id)
            })
        };
        bus::consumer::spawn(&host, &bus, &database, spec, ears.clone());
        host.readiness().ready().await;
        Ok(Self { host, ears })
    }

    /// How many timers were heard since [`Hearing::take`] was called last.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub fn count(&self) -> anyhow::Result<usize> {
        anyhow::ensure!(!self.host.stopping().is_cancelled(), "nobody listens any more");
        Ok(self.ears.lock().late.len())
    }

    /// What was heard since the last time.
    #[must_use]
    pub fn take(&self) -> Heard {
        std::mem::take(&mut *self.ears.lock())
    }
}

impl Ears {
    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what was committed now.
    fn hear(&self, due: &[Timestamp], missed: bool) {
        let now = SystemClock.now();
        let mut heard = self.lock();
        heard.events += 1;
        heard.last = Some(now);
        if missed {
            heard.missed += due.len() as u64;
        } else {
            let late = |due: Timestamp| (now - due).num_microseconds().unwrap_or(i64::MAX);
            heard.late.extend(due.iter().map(|due| (*due, late(*due))));
        }
    }
}

impl Handler for Ears {
    type Body = SchedulerEvent;

    async fn handle(&self, tx: &mut TenantTx, event: &Incoming<SchedulerEvent>) -> Result<Handled, Trouble> {
        let (owner, timers, missed) = match &event.body.body {
            Some(Body::TimersDue(told)) => (&told.owner, &told.timers, false),
            Some(Body::TimersMissed(told)) => (&told.owner, &told.timers, true),
            _ => return Ok(Handled::Never("not about programs' timers")),
        };
        let due = timers.iter().map(moment).collect::<Option<Vec<_>>>();
        let (Some(due), Ok(id)) = (due, event.header.id.parse::<uuid::Uuid>()) else {
            return Ok(Handled::Never("a timer without a moment"));
        };
        sqlx::query(
            "INSERT INTO hearing.heard (tenant_id, event_id, owner, missed, keys, generations, due)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(tx.tenant().uuid())
        .bind(id)
        .bind(owner)
        .bind(missed)
        .bind(timers.iter().map(|timer| timer.key.as_str()).collect::<Vec<_>>())
        .bind(timers.iter().map(|timer| timer.generation).collect::<Vec<_>>())
        .bind(&due)
        .execute(&mut **tx)
        .await?;
        let ears = self.clone();
        tx.after_commit(move || ears.hear(&due, missed));
        Ok(Handled::Done)
    }
}

fn moment(timer: &FiredTimer) -> Option<Timestamp> {
    contracts::to_timestamp(timer.due_time.as_ref()?)
}

impl std::fmt::Debug for Hearing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hearing").finish_non_exhaustive()
    }
}
