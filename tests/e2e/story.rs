//! The demo's story, played on the real binaries.

use tests::{Options, Platform};

/// F-01, F-03, F-04, F-11, F-13, F-14, F-17, F-20, F-25, F-32, F-33, F-38, F-39, F-40, F-41, F-42, F-43, F-45, F-59, D-1, D-2, D-3,
/// D-5, D-6, D-9, L-01, L-03, L-04, L-05, L-06, L-15, R-5: each is a step of the story.
#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_from_friend_add_to_block() -> anyhow::Result<()> {
    let platform = Platform::start(Options { simulated_clock: true, ..Options::default() }).await?;
    tsunagi::demo::play(&platform.stage()).await
}
