//! The program killed (SIGKILL) where it can hurt: what was due is said once, by whoever comes next.

use std::os::unix::process::ExitStatusExt as _;

use crate::world::{SOON, World, at};

#[tokio::test]
async fn a_process_killed_before_or_after_it_said_a_digest_leaves_each_said_once() {
    for place in ["scheduler.before_digest", "scheduler.after_digest"] {
        let world = World::new("killed", "2026-03-01T00:00:00Z").await;
        let house = world.open().await;
        let mut tenants = Vec::new();
        for _ in 0..6 {
            tenants.push(world.tenant(&house, "Asia/Tokyo").await);
        }
        house.close().await;
        world.clock.set(at("2026-03-01T11:00:05Z"));
        let mut killed = world.program(place).await;
        let status = killed.exit(SOON).await.unwrap();
        assert_eq!(status.signal(), Some(9), "{place}: {:?}", killed.lines());

        let house = world.open().await;
        for tenant in &tenants {
            assert_eq!(world.digests_once(tenant.id, 1).await, ["2026-03-01T20:00"], "{place}");
        }
        // The next slot comes behind whatever was left of this one.
        world.clock.set(at("2026-03-01T23:00:05Z"));
        for tenant in &tenants {
            assert_eq!(world.digests_once(tenant.id, 2).await, ["2026-03-01T20:00", "2026-03-02T08:00"], "{place}");
        }
        assert_eq!(world.published().await.len(), 12, "{place}");
        house.close().await;
    }
}
