//! Any number of firers, in one process and in several: each timer is said once.

use std::collections::BTreeSet;

use chassis::HostConfig;
use contracts::scheduler::v1::CreateTimersRequest;
use testkit::process::Process;
use uuid::Uuid;

use crate::house::{House, client, create_request, in_millis, timer};
use crate::world::{SOON, Tenant, World};

const TENANTS: usize = 12;
const EACH: usize = 150;

/// Makes timers of several tenants for the next second.
async fn make(world: &World, house: &House) -> Vec<Tenant> {
    let mut tenants = Vec::new();
    for _ in 0..TENANTS {
        let tenant = world.tenant(house).await;
        let spread = |number: usize| i64::try_from(number * 7 % 1_000).unwrap();
        let timers = (0..EACH).map(|number| timer(&format!("k{number:03}"), in_millis(spread(number)))).collect();
        house.create(&tenant, timers).await.unwrap();
        tenants.push(tenant);
    }
    tenants
}

async fn each_was_said_once(world: &World, tenants: &[Tenant]) {
    world.until("SELECT count(*) FROM scheduler.timer", 0).await;
    for tenant in tenants {
        let keys = world.until_due(tenant, EACH).await;
        assert_eq!(keys.len(), EACH, "said twice");
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), EACH, "one was not said");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_firers_in_one_process_and_a_second_replica_say_each_timer_once() {
    let world = World::new("firers").await;
    let house = world.open_with(HostConfig::loopback(), 3).await;
    let other = world.open_with(HostConfig::loopback(), 3).await;
    let tenants = make(&world, &house).await;
    each_was_said_once(&world, &tenants).await;
    house.close().await;
    other.close().await;
}

/// R-1 for timers: three processes, killed one after the other while timers become due.
#[tokio::test(flavor = "multi_thread")]
async fn three_processes_that_are_killed_in_turn_say_each_timer_once() {
    let world = World::new("processes").await;
    let house = world.open().await;
    let tenants = {
        let mut tenants = Vec::new();
        for _ in 0..TENANTS {
            tenants.push(world.tenant(&house).await);
        }
        tenants
    };
    house.close().await;
    let ports = [testkit::port::free(), testkit::port::free(), testkit::port::free()];
    let mut processes: Vec<Process> = ports.iter().map(|port| world.program(*port).start().unwrap()).collect();
    for (round, tenant) in tenants.iter().enumerate() {
        let port = ports[round % 3];
        let timers: Vec<_> = (0..EACH)
            .map(|number| timer(&format!("k{number:03}"), in_millis(i64::try_from(number * 3).unwrap())))
            .collect();
        // Whoever is killed may have committed what it did not answer.
        let request = CreateTimersRequest { request_id: Uuid::new_v4().to_string(), ..create_request(timers) };
        testkit::eventually(SOON, || {
            let request = request.clone();
            async move { client(tenant, port).create_timers(request).await.map(drop).map_err(|status| status.code()) }
        })
        .await
        .unwrap();
        let victim = (round + 1) % 3;
        processes[victim].sigkill().unwrap();
        processes[victim].exit(SOON).await.unwrap();
        processes[victim] = world.program(ports[victim]).start().unwrap();
    }
    each_was_said_once(&world, &tenants).await;
    for process in &mut processes {
        process.sigterm().unwrap();
        assert!(process.exit(SOON).await.unwrap().success());
    }
}
