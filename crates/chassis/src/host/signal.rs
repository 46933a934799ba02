//! SIGTERM and SIGINT. The handlers are installed explicitly, so they work as PID 1, too.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Readiness;
use super::tasks::Tasks;

/// The first signal stops, after `pause` if the process was ready: for so long it serves on and says that it is ready no more, so
/// that who sends it work can look elsewhere. The second signal ends at once.
pub(super) fn watch(tasks: &Tasks, readiness: &Readiness, pause: Duration) -> std::io::Result<()> {
    let mut signals =
        Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
    let (tasks, readiness) = (tasks.clone(), readiness.clone());
    tokio::spawn(async move {
        let name = signals.next().await;
        let pause = if readiness.is_ready() { pause } else { Duration::ZERO };
        tracing::info!(signal = name, pause = pause.as_secs_f64(), "stopping");
        tasks.leave();
        tokio::select! {
            () = tokio::time::sleep(pause) => {
                tasks.stop();
                signals.next().await;
            }
            _ = signals.next() => {}
        }
        tasks.stop_at_once();
    });
    Ok(())
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
