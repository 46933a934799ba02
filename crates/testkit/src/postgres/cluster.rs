//! A server and the databases tests make on it, one each.

use anyhow::Context;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use url::Url;
use uuid::Uuid;

/// The variable by which `make test` names the shared server.
const SHARED: &str = "TSUNAGI_TEST_ADMIN_URL";
const PREFIX: &str = "tsunagi_test_";

/// A PostgreSQL server, reached as its superuser.
#[derive(Clone, Debug)]
pub struct Cluster {
    admin: Url,
}

impl Cluster {
    /// The server all tests of this run share.
    ///
    /// # Panics
    /// When the run has none.
    #[must_use]
    pub fn shared() -> Self {
        let Ok(url) = std::env::var(SHARED) else {
            panic!(
                "{SHARED} is not set: run `make test`, or put \
                 `python3 deploy/local/with_servers.py --mode test --` before your command"
            )
        };
        Self::at(&url).expect("the address of the shared server is one")
    }

    /// The server at the address `postgres://superuser@host:port/database`.
    pub fn at(admin_url: &str) -> anyhow::Result<Self> {
        let admin = Url::parse(admin_url).with_context(|| format!("{admin_url} is no address of a server"))?;
        Ok(Self { admin })
    }

    /// The superuser's address of the server's own database.
    #[must_use]
    pub fn admin_url(&self) -> &str {
        self.admin.as_str()
    }

    /// An empty database of a new name, dropped with its guard. `hint` shows in the name; letters, digits and `_` of it stay.
    pub async fn fresh_database(&self, hint: &str) -> anyhow::Result<Database> {
        let mut admin = PgConnection::connect(self.admin_url()).await.context("the server does not answer")?;
        sweep(&mut admin).await?;
        // The server's clock, in the name, tells a later run how old a leftover is.
        let minute: String = sqlx::query_scalar("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDDHH24MI')")
            .fetch_one(&mut admin)
            .await
            .context("cannot ask the server's clock")?;
        let hint: String = hint.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(20).collect();
        let unique = &Uuid::new_v4().simple().to_string()[..12];
        let name = format!("{PREFIX}{minute}_{}_{unique}", hint.to_ascii_lowercase());
        admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0"))).await?;
        Ok(Database { cluster: self.clone(), name })
    }
}

/// Drops databases that killed tests left on a server which outlives its runs: those of this name, older than two hours.
async fn sweep(admin: &mut PgConnection) -> anyhow::Result<()> {
    let left: Vec<String> = sqlx::query_scalar(
        "SELECT datname FROM pg_database WHERE datname ~ ('^' || $1 || '[0-9]{12}_')
         AND substr(datname, length($1) + 1, 12) < to_char(now() AT TIME ZONE 'UTC' - interval '2 hours', 'YYYYMMDDHH24MI')
         AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = pg_database.datname)",
    )
    .bind(PREFIX)
    .fetch_all(&mut *admin)
    .await
    .context("cannot list the server's databases")?;
    for name in left {
        // Another run may be sweeping the same one.
        drop(admin.execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))).await);
    }
    Ok(())
}

/// One test's own database. Dropping the guard drops the database and cuts whoever is still connected.
#[derive(Debug)]
pub struct Database {
    cluster: Cluster,
    name: String,
}

impl Database {
    pub(super) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The superuser's address of this database.
    #[must_use]
    pub fn admin_url(&self) -> String {
        let mut url = self.cluster.admin.clone();
        url.set_path(&self.name);
        url.into()
    }

    /// The address of this database for a role without a password; migrations make the roles.
    ///
    /// # Panics
    /// When the server's address is one that cannot hold a user name.
    #[must_use]
    pub fn url(&self, role: &str) -> String {
        let mut url = self.cluster.admin.clone();
        url.set_path(&self.name);
        url.set_username(role).and_then(|()| url.set_password(None)).expect("a server's address holds a user name");
        url.into()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (admin, name) = (self.cluster.admin.to_string(), self.name.clone());
        // A runtime of its own: the test's may be ending, and cannot be entered twice. Best effort; `sweep` finds the rest.
        let dropping = std::thread::spawn(move || -> anyhow::Result<()> {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
                let mut admin = PgConnection::connect(&admin).await?;
                admin.execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))).await?;
                Ok(())
            })
        });
        drop(dropping.join());
    }
}
