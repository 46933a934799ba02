//! What is removed by and by, and what stays.

use crate::world::{SOON, World};

/// Waits until so many rows of the table are left, and tells that those which the test calls young are among them.
async fn until_left(world: &World, table: &str, young: &str, left: i64) {
    testkit::eventually(SOON, || async {
        let rows = world.count(&format!("SELECT count(*) FROM messaging.{table}")).await;
        if rows == left { Ok(()) } else { Err(rows) }
    })
    .await
    .unwrap_or_else(|rows| panic!("{table}: {rows}"));
    assert_eq!(world.count(&format!("SELECT count(*) FROM messaging.{table} WHERE {young}")).await, left, "{table}");
}

#[tokio::test]
async fn reservations_that_began_long_ago_are_forgotten_unless_they_were_heard_of_since() {
    let world = World::new("reservation_retention").await;
    world
        .admin(
            "INSERT INTO messaging.activity_replica
                 (tenant_id, activity_id, version, customer_id, state, start_time, heard_at)
             SELECT gen_random_uuid(), gen_random_uuid(), version, gen_random_uuid(), state,
                 now() - make_interval(days => began), now() - make_interval(days => heard)
             FROM (VALUES (1, 61, 61, 'ACTIVE'), (1, 400, 61, 'CANCELLED'), (2, 61, 59, 'ACTIVE'),
                 (2, 59, 400, 'ACTIVE'), (2, -30, 400, 'CANCELLED'), (2, NULL, 400, 'ACTIVE'))
                 AS r (version, began, heard, state)",
        )
        .await;
    let house = world.open().await;
    until_left(&world, "activity_replica", "version = 2", 4).await;
    house.close().await;
}

#[tokio::test]
async fn digests_reminders_and_notices_are_kept_as_long_as_is_said() {
    let world = World::new("retention").await;
    world
        .admin(
            "INSERT INTO messaging.digest_slot
                 (tenant_id, digest_slot_id, slot_time, local_time, recipient_ids, send_empty, expire_time, due)
             SELECT gen_random_uuid(), gen_random_uuid(), now() - make_interval(days => age), '', '{}', false, now(), 'infinity'
             FROM unnest(ARRAY[91, 89]) AS age;
             INSERT INTO messaging.digest
                 (tenant_id, slot_time, staff_id, outcome, conversations, messages, unlinked, put_off, title, body)
             SELECT gen_random_uuid(), now() - make_interval(days => age), gen_random_uuid(), 1, 1, 1, 0, 0, '', ''
             FROM unnest(ARRAY[91, 89]) AS age;
             INSERT INTO messaging.reminder (tenant_id, reminder_id, activity_id, rule_id, start_time, due_time, reminder_time, reason)
             SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
                 now() - make_interval(days => begun), now(), now() - make_interval(days => decided), 1
             FROM (VALUES (181, 182), (179, 182), (181, 179), (179, 179)) AS r (begun, decided);
             INSERT INTO messaging.notice (tenant_id, notice_id, staff_id, kind, title, body, create_time, expire_time)
             SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1, '', '', now() - make_interval(days => age), now()
             FROM unnest(ARRAY[31, 29]) AS age;
             INSERT INTO messaging.notice_delivery (tenant_id, notice_id, channel, state, create_time, expire_time)
             SELECT tenant_id, notice_id, 1, 2, create_time, now() FROM messaging.notice",
        )
        .await;
    let house = world.open().await;
    until_left(&world, "digest_slot", "slot_time > now() - interval '90 days'", 1).await;
    until_left(&world, "digest", "slot_time > now() - interval '90 days'", 1).await;
    until_left(&world, "reminder", "greatest(start_time, reminder_time) > now() - interval '180 days'", 3).await;
    until_left(&world, "notice", "create_time > now() - interval '30 days'", 1).await;
    until_left(&world, "notice_delivery", "create_time > now() - interval '30 days'", 1).await;
    house.close().await;
}

#[tokio::test]
async fn reply_tokens_are_kept_while_one_may_be_in_doubt_and_changes_while_a_cursor_may_ask_for_them() {
    let world = World::new("token_retention").await;
    world
        .admin(
            "INSERT INTO messaging.reply_token (tenant_id, reply_token_id, conversation_id, usable_until, ciphertext)
             SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), now() - make_interval(secs => over), ''
             FROM unnest(ARRAY[-60, 60, 200, 301, 100000]) AS over;
             INSERT INTO messaging.conversation_change (tenant_id, conversation_id, change_time)
             SELECT gen_random_uuid(), gen_random_uuid(), now() - make_interval(hours => age, mins => -1)
             FROM unnest(ARRAY[0, 24, 25, 26, 1000]) AS age",
        )
        .await;
    let house = world.open().await;
    until_left(&world, "reply_token", "usable_until > now() - interval '5 minutes'", 3).await;
    until_left(&world, "conversation_change", "change_time > now() - interval '25 hours'", 3).await;
    house.close().await;
}
