//! Figures about the process itself, under the names Prometheus' client libraries use.

use std::sync::OnceLock;
use std::time::Instant;

static STARTED: OnceLock<Instant> = OnceLock::new();

/// Remembers when the process started.
pub(super) fn started() {
    STARTED.get_or_init(Instant::now);
}

/// Reads `/proc/self` and sets the gauges; a figure that cannot be read keeps its last value.
pub(super) fn note_figures() {
    let Some(status) = read("/proc/self/status") else { return };
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    let gauges = [
        ("process_resident_memory_bytes", field("VmRSS").map(|kibibytes| kibibytes * 1024.0)),
        ("process_resident_memory_peak_bytes", field("VmHWM").map(|kibibytes| kibibytes * 1024.0)),
        ("process_threads", field("Threads")),
        ("process_open_fds", open_files()),
        ("process_cpu_seconds_total", cpu_seconds()),
        ("process_uptime_seconds", STARTED.get().map(|at| at.elapsed().as_secs_f64())),
    ];
    for (name, value) in gauges {
        if let Some(value) = value {
            metrics::gauge!(name).set(value);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a number of files")]
fn open_files() -> Option<f64> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count() as f64)
}

/// User and system time of `/proc/self/stat` (fields 14 and 15, counted behind the name in parentheses), in ticks.
#[expect(clippy::cast_precision_loss, reason = "ticks a second")]
fn cpu_seconds() -> Option<f64> {
    let stat = read("/proc/self/stat")?;
    let behind_name = &stat[stat.rfind(')')? + 1..];
    let fields: Vec<&str> = behind_name.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / rustix::param::clock_ticks_per_second() as f64)
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_has_files_open_and_has_used_the_processor() {
        assert!(super::open_files().unwrap() >= 3.0);
        assert!(super::cpu_seconds().unwrap() >= 0.0);
    }
}
