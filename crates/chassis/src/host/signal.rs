//! SIGTERM and SIGINT. The handlers are installed explicitly, so they work as PID 1, too.

use tokio::signal::unix::{SignalKind, signal};

use super::tasks::Tasks;

/// The first signal stops, the second ends at once.
pub(super) fn watch(tasks: &Tasks) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let tasks = tasks.clone();
    tokio::spawn(async move {
        let mut earlier = false;
        loop {
            let signal = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            tracing::info!(signal, "stopping");
            if earlier {
                tasks.stop_at_once();
            } else {
                tasks.stop();
            }
            earlier = true;
        }
    });
    Ok(())
}
