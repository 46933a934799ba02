//! What is forgotten, and when.

use sqlx::AssertSqlSafe;

use crate::world::World;

/// The names under which rows of a table are kept, sorted.
async fn kept(world: &World, table: &str, name: &str) -> Vec<String> {
    let text = format!("SELECT {name}::text FROM scheduler.{table} ORDER BY 1");
    sqlx::query_scalar(AssertSqlSafe(text)).fetch_all(&mut world.admin().await).await.unwrap()
}

/// An ID that ends in this digit.
fn id(digit: u8) -> String {
    format!("00000000-0000-4000-8000-00000000000{digit}")
}

#[tokio::test]
async fn reservations_that_began_long_ago_are_forgotten_unless_they_were_heard_of_since() {
    let world = World::new("reservation_retention").await;
    for (digit, began, heard, active) in
        [(1, 61, 61, true), (2, 400, 61, false), (3, 61, 59, true), (4, 59, 400, true), (5, -30, 400, false)]
    {
        world
            .execute(&format!(
                "INSERT INTO scheduler.reservation (tenant_id, activity_id, version, active, start_time, heard_at)
                 VALUES (gen_random_uuid(), '{}', 1, {active},
                         now() - interval '{began} days', now() - interval '{heard} days')",
                id(digit)
            ))
            .await;
    }
    let house = world.open().await;
    world.until("SELECT count(*) FROM scheduler.reservation", 3).await;
    assert_eq!(kept(&world, "reservation", "activity_id").await, [id(3), id(4), id(5)]);
    house.close().await;
}

#[tokio::test]
async fn missed_timers_and_versions_of_schedules_are_kept_for_thirty_days() {
    let world = World::new("timer_retention").await;
    for (digit, days) in [(1, 31), (2, 29), (3, 31), (4, 0)] {
        world
            .execute(&format!(
                "INSERT INTO scheduler.missed_timer (tenant_id, owner, key, generation, due, reason, missed_at)
                 VALUES (gen_random_uuid(), 'booking', '{digit}', 1, now() - interval '40 days', 1,
                         now() - interval '{days} days')"
            ))
            .await;
        world
            .execute(&format!(
                "INSERT INTO scheduler.message_schedule (tenant_id, message_id, generation, heard_at)
                 VALUES (gen_random_uuid(), '{}', 1, now() - interval '{days} days')",
                id(digit)
            ))
            .await;
    }
    let house = world.open().await;
    world.until("SELECT count(*) FROM scheduler.missed_timer", 2).await;
    world.until("SELECT count(*) FROM scheduler.message_schedule", 2).await;
    assert_eq!(kept(&world, "missed_timer", "key").await, ["2", "4"]);
    assert_eq!(kept(&world, "message_schedule", "message_id").await, [id(2), id(4)]);
    house.close().await;
}
