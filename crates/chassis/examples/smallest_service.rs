//! The smallest service there is: no methods, one task. The tests end it in every way a process can end.
//!
//! ```sh
//! TSUNAGI_SMALLEST_ADMIN_ADDR=127.0.0.1:8081 cargo run --example smallest_service
//! ```

use std::net::SocketAddr;
use std::process::ExitCode;

use chassis::config::Settings;
use chassis::{Host, PLUMBING, Program};
use tokio::io::AsyncReadExt as _;
use tracing::Instrument as _;

fn main() -> ExitCode {
    let program = Program {
        name: "smallest-service",
        service: "smallest",
        about: "Lives until it is told to end.",
        migrations: &[PLUMBING],
    };
    chassis::main(&program, read, build)
}

struct Config {
    behaviour: String,
    waits_for: Option<SocketAddr>,
    trace: Option<String>,
}

fn read(settings: &mut Settings) -> Config {
    Config {
        behaviour: settings.or(
            "TSUNAGI_SMALLEST_TASK",
            "good".to_owned(),
            "How its task behaves: good, failing, early, stuck.",
        ),
        waits_for: settings.optional("TSUNAGI_SMALLEST_WAITS_FOR", "Its start goes on when this address hangs up."),
        trace: settings.optional("TSUNAGI_SMALLEST_TRACE", "The traceparent its task follows."),
    }
}

async fn build(config: Config, host: &Host) -> anyhow::Result<()> {
    if let Some(addr) = config.waits_for {
        tokio::net::TcpStream::connect(addr).await?.read_to_end(&mut Vec::new()).await?;
    }
    let (stopping, gate) = (host.stopping(), host.readiness().gate("task"));
    let span = tracing::info_span!("live");
    if let Some(trace) = config.trace {
        chassis::trace::follow(&span, &trace.parse()?);
    }
    let task = async move {
        gate.set(true);
        match config.behaviour.as_str() {
            "failing" => anyhow::bail!("as it was told to"),
            "early" => return Ok(()),
            "stuck" => std::future::pending().await,
            _ => stopping.cancelled().await,
        }
        chassis::failpoint::reached("smallest.before_end");
        Ok(())
    };
    host.spawn("task", task.instrument(span));
    Ok(())
}
