//! The kill runs of `make chaos`, a bounded few: one for each kind of fault.

use std::path::Path;
use std::time::Duration;

use tests::chaos::{Plan, Report, bounded_few, play};

/// L-05: whatever dies, nothing is lost and nothing is sent twice.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_dies_nothing_is_lost_and_nothing_is_sent_twice() -> anyhow::Result<()> {
    let seeds = bounded_few();
    // A run takes ten seconds.
    let plan = Plan { seeds: seeds.clone(), within: Duration::from_mins(8) };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chaos");
    let report = Box::pin(play(plan, Report::open(&folder, 1)?)).await?;
    assert!(report.unsound().is_none(), "{:#?}", report.unsound());
    assert_eq!(report.runs().len(), seeds.len(), "a kind of fault was not made in time");
    Ok(())
}
