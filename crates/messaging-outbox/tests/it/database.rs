//! The service's database as its superuser sees it.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

use crate::world::{SOON, World};

/// The statements of the service that wait for a lock, and for which kind of lock.
const LOCKED_OUT: &str = "SELECT wait_event || ': ' || left(query, 300) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = 'messaging' AND wait_event_type = 'Lock'";

impl World {
    /// One number out of the database, seen by its superuser.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        let mut admin = PgConnection::connect(&self.database.admin_url()).await.unwrap();
        sqlx::query_scalar(sql).fetch_one(&mut admin).await.unwrap()
    }

    /// The same of a statement made up by the test.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        let mut admin = PgConnection::connect(&self.database.admin_url()).await.unwrap();
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut admin).await.unwrap()
    }

    /// An ID out of the database, likewise.
    pub(crate) async fn id(&self, sql: &'static str) -> Uuid {
        let mut admin = PgConnection::connect(&self.database.admin_url()).await.unwrap();
        sqlx::query_scalar(sql).fetch_one(&mut admin).await.unwrap()
    }

    /// The statements of the service that wait for a lock, and for which kind of lock.
    pub(crate) async fn locked_out(&self) -> Vec<String> {
        let mut admin = PgConnection::connect(&self.database.admin_url()).await.unwrap();
        sqlx::query_scalar(LOCKED_OUT).fetch_all(&mut admin).await.unwrap()
    }

    /// Waits until so many statements of the service wait for a lock; says which do when they are never as many.
    pub(crate) async fn until_locked_out(&self, number: usize) {
        testkit::eventually(SOON, || async {
            let waiting = self.locked_out().await;
            if waiting.len() == number { Ok(()) } else { Err(waiting) }
        })
        .await
        .unwrap();
    }

    /// Makes every lane's lease end now, under a holder that knows nothing of it.
    pub(crate) async fn forget_holder(&self) {
        let mut admin = PgConnection::connect(&self.database.admin_url()).await.unwrap();
        sqlx::query("UPDATE messaging.lane SET lease_until = now() - interval '1 second', holder = gen_random_uuid()")
            .execute(&mut admin)
            .await
            .unwrap();
    }

    /// Changes the database as its superuser.
    pub(crate) async fn admin(&self, sql: &'static str) {
        self.try_admin(sql).await.unwrap();
    }

    /// The same where the database may refuse.
    pub(crate) async fn try_admin(&self, sql: &'static str) -> Result<(), sqlx::Error> {
        let mut admin = PgConnection::connect(&self.database.admin_url()).await?;
        sqlx::raw_sql(sql).execute(&mut admin).await.map(drop)
    }

    /// The same of a statement made up by the test.
    pub(crate) async fn try_admin_of(&self, sql: &str) -> Result<(), sqlx::Error> {
        let mut admin = PgConnection::connect(&self.database.admin_url()).await?;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut admin).await.map(drop)
    }

    /// The tables in whose rows these words stand, in clear or as bytes.
    pub(crate) async fn tables_that_say(&self, words: &str) -> Vec<String> {
        let mut admin = PgConnection::connect(&self.database.admin_url()).await.unwrap();
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'messaging' AND table_type = 'BASE TABLE'",
        )
        .fetch_all(&mut admin)
        .await
        .unwrap();
        let mut saying = Vec::new();
        for table in tables {
            let says = format!(
                "SELECT count(*) FROM messaging.{table} t WHERE strpos(t::text, $1) > 0
                     OR strpos(t::text, encode(convert_to($1, 'UTF8'), 'hex')) > 0"
            );
            let found: i64 = sqlx::query_scalar(AssertSqlSafe(says)).bind(words).fetch_one(&mut admin).await.unwrap();
            saying.extend((found > 0).then_some(table));
        }
        saying
    }
}
