//! A process of its own, to be killed: this test program run again for one of the parts below.

use std::time::Duration;

use chassis::{Host, HostConfig};
use testkit::process::Process;

use crate::world::{Recorder, SOON, Side, World, spec};

/// Whether a part runs.
const READY: &str = "the part runs";

pub(crate) struct Child(Process);

impl Child {
    /// Runs `part` in a process that kills itself at `failpoints`.
    pub(crate) fn start(world: &World, part: &str, failpoints: &str) -> Self {
        let process = Process::of(std::env::current_exe().unwrap())
            .arg("--exact")
            .arg("child::a_part_in_a_process_of_its_own")
            .arg("--ignored")
            .arg("--nocapture")
            .env("BUS_TEST_PART", part)
            .env("BUS_TEST_DATABASE", world.database.url("nobody"))
            .env("BUS_TEST_NATS", &world.nats)
            .env("BUS_TEST_PREFIX", &world.prefix)
            .env("TSUNAGI_FAILPOINTS", failpoints)
            .start()
            .unwrap();
        Self(process)
    }

    pub(crate) async fn ready(&self) {
        self.0.line(SOON, |line| line.contains(READY)).await.unwrap();
    }

    pub(crate) async fn kill(&mut self) {
        self.0.sigkill().unwrap();
        self.0.exit(SOON).await.unwrap();
    }

    /// Waits until a fail point has killed it.
    pub(crate) async fn died_by_itself(&mut self) {
        use std::os::unix::process::ExitStatusExt;
        let status = self.0.exit(SOON).await.unwrap();
        assert_eq!(status.signal(), Some(9), "{status}: {}", self.0.lines().join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs as a child of other tests only"]
async fn a_part_in_a_process_of_its_own() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let given = [
        ("TSUNAGI_TEST_ADMIN_ADDR".to_owned(), "127.0.0.1:0".to_owned()),
        ("TSUNAGI_FAILPOINTS".to_owned(), variable("TSUNAGI_FAILPOINTS")),
        ("TSUNAGI_LOG".to_owned(), "warn".to_owned()),
    ];
    let mut settings = chassis::config::Settings::from_map(given.into());
    let config = HostConfig::read(&mut settings, "test");
    settings.finish().unwrap();
    let host = Host::start("bus-test-child", config).unwrap();
    let (database, nats, prefix) =
        (variable("BUS_TEST_DATABASE"), variable("BUS_TEST_NATS"), variable("BUS_TEST_PREFIX"));
    let side = Side::start(host, &database, &nats, &prefix).await;
    match variable("BUS_TEST_PART").as_str() {
        "relay" => side.relay(),
        "consumer" => side.consume(spec(), Recorder::default()),
        part => panic!("there is no part {part}"),
    }
    side.host.readiness().ready().await;
    println!("{READY}");
    tokio::time::timeout(Duration::from_mins(5), side.host.wait()).await.ok();
}
