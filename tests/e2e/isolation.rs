//! The database isolates tenants by itself: without a tenant nothing is visible, and no table may lack its policy (L-16).

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use tests::{Options, Platform, Service};
use tsunagi::stage::Shop;

/// Every table of every schema, with whether row-level security is on, forced, and narrowed to one tenant for everybody but the
/// worker: by the policy's own words.
const TABLES: &str = "
    select n.nspname as schema, c.relname as name, c.relrowsecurity as enabled, c.relforcerowsecurity as forced,
           exists (select from pg_policy p where p.polrelid = c.oid)
               and not exists (
                   select from pg_policy p
                   where p.polrelid = c.oid and p.polpermissive
                       and p.polroles <> array[(n.nspname || '_worker')::regrole::oid]
                       and (pg_get_expr(p.polqual, p.polrelid) is distinct from own.text
                           or pg_get_expr(p.polwithcheck, p.polrelid) is distinct from own.text)) as has_policy,
           c.relispartition and not has_table_privilege(n.nspname, c.oid, 'select, insert, update, delete')
               and not has_table_privilege(n.nspname || '_worker', c.oid, 'select, insert, update, delete') as closed_partition
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    cross join lateral (select format('(tenant_id = %s.current_tenant())', n.nspname) as text) own
    where n.nspname in ('ingest', 'identity', 'messaging', 'scheduler') and c.relkind in ('r', 'p')
      and c.relname not like '%migration%'
    order by 1, 2";

/// SQLSTATE `insufficient_privilege`.
const NOT_PERMITTED: &str = "42501";

/// L-16, S-1: with a shop's life in the tables, each service's own role sees no row of any table until it names a tenant.
#[tokio::test(flavor = "multi_thread")]
async fn raw_sql_without_a_tenant_sees_no_row() -> anyhow::Result<()> {
    let platform = Platform::start(Options::default()).await?;
    let stage = platform.stage();
    let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
    let person = shop.person(&stage, "はなこ").await?;
    stage.line.write_text(&shop.card.channel_id, &person.id, "こんにちは").await?;
    shop.sees(&stage, "こんにちは").await?;
    stage.line.add_friend(&shop.card.channel_id, &person.id).await?;
    shop.customer(&stage, ("山田", "花子"), "09012345678").await?;
    let typed = [("family", "山田"), ("given", "花子"), ("text", "土曜日は空いていますか")];
    shop.asks_to_be_linked(&stage, &person, "tsunagi:inquiry", &typed).await?;

    let mut admin = PgConnection::connect(&platform.admin_url()).await?;
    let tables = sqlx::query(TABLES).fetch_all(&mut admin).await?;
    assert!(tables.len() > 20, "only {} tables", tables.len());
    let mut filled = 0;
    for service in Service::ALL {
        let mut role = PgConnection::connect(&platform.url(service.schema())).await?;
        for table in tables.iter().filter(|table| table.get::<&str, _>("schema") == service.schema()) {
            let name: String = format!("{}.{}", service.schema(), table.get::<&str, _>("name"));
            let count = format!("select count(*) from {name}");
            let there: i64 = sqlx::query_scalar(AssertSqlSafe(count.clone())).fetch_one(&mut admin).await?;
            filled += i64::from(there > 0);
            match sqlx::query_scalar::<_, i64>(AssertSqlSafe(count)).fetch_one(&mut role).await {
                Ok(seen) => assert_eq!(seen, 0, "{name} shows rows without a tenant"),
                // A table the role may not even ask is as closed as an empty one; any other error says nothing.
                Err(error) => {
                    let code =
                        error.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
                    assert_eq!(code.as_deref(), Some(NOT_PERMITTED), "{name}: {error}");
                }
            }
        }
    }
    assert!(filled > 10, "only {filled} tables hold a row: the check sees too little");
    Ok(())
}

/// L-16: a table without forced row-level security and a policy is a mistake, whoever adds it.
#[tokio::test(flavor = "multi_thread")]
async fn every_table_is_protected() -> anyhow::Result<()> {
    let platform = Platform::start(Options { services: Vec::new(), ..Options::default() }).await?;
    let mut admin = PgConnection::connect(&platform.admin_url()).await?;
    let unprotected = unprotected(&mut admin).await?;
    assert!(unprotected.is_empty(), "unprotected: {unprotected:?}");

    sqlx::query("create table messaging.forgotten (tenant_id uuid primary key)").execute(&mut admin).await?;
    assert_eq!(
        self::unprotected(&mut admin).await?,
        ["messaging.forgotten"],
        "a new table without a policy goes unseen"
    );
    sqlx::raw_sql(
        "drop table messaging.forgotten;
         create table messaging.wide_open (tenant_id uuid primary key);
         select messaging.isolate('messaging.wide_open');
         alter policy tenant on messaging.wide_open using (true);",
    )
    .execute(&mut admin)
    .await?;
    assert_eq!(
        self::unprotected(&mut admin).await?,
        ["messaging.wide_open"],
        "a policy that lets all pass goes unseen"
    );
    Ok(())
}

/// L-16: a service's role reaches nothing of another service's schema.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_reaches_only_its_own_schema() -> anyhow::Result<()> {
    let platform = Platform::start(Options { services: Vec::new(), ..Options::default() }).await?;
    let mut admin = PgConnection::connect(&platform.admin_url()).await?;
    for service in Service::ALL {
        for role in [service.schema().to_owned(), format!("{}_worker", service.schema())] {
            for other in Service::ALL.iter().filter(|other| **other != service) {
                let reachable: bool = sqlx::query_scalar("select has_schema_privilege($1, $2, 'usage')")
                    .bind(&role)
                    .bind(other.schema())
                    .fetch_one(&mut admin)
                    .await?;
                assert!(!reachable, "{role} reaches {}", other.schema());
            }
            let bypasses: bool = sqlx::query_scalar("select rolbypassrls or rolsuper from pg_roles where rolname = $1")
                .bind(&role)
                .fetch_one(&mut admin)
                .await?;
            assert!(!bypasses, "{role} stands above row-level security");
        }
    }
    Ok(())
}

async fn unprotected(admin: &mut PgConnection) -> anyhow::Result<Vec<String>> {
    let tables = sqlx::query(TABLES).fetch_all(admin).await?;
    let open = tables.iter().filter(|table| {
        let forced = table.get::<bool, _>("enabled") && table.get::<bool, _>("forced");
        // A partition that no role may touch is reached through its parent alone, whose policies rule.
        !(table.get::<bool, _>("closed_partition") || forced && table.get::<bool, _>("has_policy"))
    });
    Ok(open.map(|table| format!("{}.{}", table.get::<&str, _>("schema"), table.get::<&str, _>("name"))).collect())
}
