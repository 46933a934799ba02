//! The demo's story, played on the real binaries.

use tests::{Options, Platform};

/// F-01, F-03, F-04, F-25, F-32, F-33, F-38, F-45, F-59, D-3, L-05, L-06, L-15, R-5: each is a step of the story.
#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_from_friend_add_to_block() -> anyhow::Result<()> {
    let platform = Platform::start(Options { simulated_clock: true, ..Options::default() }).await?;
    tsunagi::demo::play(&platform.stage()).await
}
