//! The kill runs of `make chaos`, a bounded few.

use std::path::Path;
use std::time::Duration;

use tests::chaos::{Plan, Report, play};

/// L-05: whatever dies, nothing is lost and nothing is sent twice.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_dies_nothing_is_lost_and_nothing_is_sent_twice() -> anyhow::Result<()> {
    let plan = Plan { seed: 1, runs: 12, within: Duration::from_secs(150) };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chaos");
    let report = Box::pin(play(plan, Report::open(&folder, plan.seed)?)).await?;
    assert!(!report.runs().is_empty(), "no run was made");
    assert!(report.unsound().is_none(), "{:#?}", report.unsound());
    Ok(())
}
