//! The kill runs of `make chaos`, a bounded few: one for each kind of fault.

use std::path::Path;
use std::time::Duration;

use tests::chaos::{IngestPlan, Plan, Report, bounded_few, play, play_ingest};

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

/// webhook-ingest dies again and again, and every event of LINE's is in the archive once, handled once by both its consumers and
/// forwarded, every message is shown once as it was written, and what was taken back is cut out.
#[tokio::test(flavor = "multi_thread")]
async fn webhook_ingest_killed_again_and_again_loses_no_event_and_repeats_none() -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chaos");
    let plan = IngestPlan { kills: 40, seed: 1, within: Duration::from_mins(3) };
    let report = Box::pin(play_ingest(plan, &folder)).await?;
    assert!(report.looks > 0 && report.written > 0, "{report:?}");
    Ok(())
}
