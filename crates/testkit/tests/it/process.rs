//! Child processes: their lines, their end, and that none outlives its guard.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use testkit::eventually;
use testkit::process::Process;

const SOON: Duration = Duration::from_secs(10);

fn shell(script: &str) -> Process {
    Process::of("sh").arg("-c").arg(script).start().expect("there is a shell")
}

#[tokio::test]
async fn lines_of_both_streams_are_seen_and_waited_for() {
    let mut process =
        shell("echo out; echo err >&2; read -r _ </dev/null; echo '{\"level\":\"INFO\",\"n\":3}'; exec sleep 60");
    process.line(SOON, |line| line == "out").await.unwrap();
    process.line(SOON, |line| line == "err").await.unwrap();
    let record = process.record(SOON, |record| record["level"] == "INFO").await.unwrap();
    assert_eq!(record["n"], 3);
    let error = process.line(Duration::from_millis(30), |line| line == "never").await.unwrap_err();
    assert!(error.to_string().contains("\"n\":3"), "{error}");
    let here = process.position();
    assert!(process.line_after(here, Duration::from_millis(30), |line| line == "out").await.is_err());
    assert!(process.is_running());
    process.sigkill().unwrap();
    assert_eq!(process.exit(SOON).await.unwrap().signal(), Some(9));
    assert!(!process.is_running());
}

#[tokio::test]
async fn a_process_that_hears_sigterm_ends_as_it_likes() {
    let mut process = shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done");
    process.line(SOON, |line| line == "ready").await.unwrap();
    process.sigterm().unwrap();
    assert_eq!(process.exit(SOON).await.unwrap().code(), Some(7));
    process.sigkill().unwrap();
}

#[tokio::test]
async fn the_environment_is_the_one_given_and_the_output_goes_to_a_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut process = Process::of("sh")
        .arg("-c")
        .arg("env | grep ^TSUNAGI_ | sort; echo end")
        .env("TSUNAGI_ONLY", "this")
        .log_to(&log)
        .start()
        .unwrap();
    process.line(SOON, |line| line == "end").await.unwrap();
    assert!(process.exit(SOON).await.unwrap().success());
    assert_eq!(process.lines(), ["TSUNAGI_ONLY=this", "end"]);
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "TSUNAGI_ONLY=this\nend\n");
}

#[tokio::test]
async fn a_dropped_process_is_killed() {
    let process = shell("exec sleep 60");
    let entry = format!("/proc/{}", process.pid());
    assert!(std::path::Path::new(&entry).exists());
    drop(process);
    let gone = || std::future::ready((!std::path::Path::new(&entry).exists()).then_some(()));
    eventually(SOON, gone).await.unwrap();
}
