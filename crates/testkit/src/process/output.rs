//! What a process writes, kept by lines.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;

/// Lines kept in memory for each process.
const KEPT: usize = 20_000;
const TAIL: usize = 40;
/// How a log record tells that something went wrong.
const WARNINGS: [&str; 2] = [r#""level":"WARN""#, r#""level":"ERROR""#];

/// A point in a process's output, in lines since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(usize);

#[derive(Debug)]
pub(super) struct Output {
    kept: Mutex<Kept>,
    written: watch::Sender<()>,
    /// Streams that are not read to their end yet.
    following: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<String>,
    /// Lines that have left the front of `lines`.
    gone: usize,
    file: Option<File>,
}

impl Output {
    pub(super) fn new(file: Option<&Path>) -> anyhow::Result<Arc<Self>> {
        let file = file.map(|path| {
            let opened = File::options().create(true).append(true).open(path);
            opened.with_context(|| format!("cannot write to {}", path.display()))
        });
        let kept = Kept { file: file.transpose()?, ..Kept::default() };
        Ok(Arc::new(Self { kept: Mutex::new(kept), written: watch::Sender::new(()), following: watch::Sender::new(0) }))
    }

    /// Reads a stream to its end, on a thread of its own.
    pub(super) fn follow(output: &Arc<Self>, stream: impl Read + Send + 'static) {
        let output = Arc::clone(output);
        output.following.send_modify(|count| *count += 1);
        std::thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                output.push(String::from_utf8_lossy(&line).trim_end().to_owned());
                line.clear();
            }
            output.following.send_modify(|count| *count -= 1);
        });
    }

    /// Waits until everything is read, or no longer than `within`: a child of the process may hold its streams open.
    pub(super) async fn complete(&self, within: Duration) {
        // Late is no error: what is there by then is told.
        let _ = tokio::time::timeout(within, self.following.subscribe().wait_for(|count| *count == 0)).await;
    }

    pub(super) fn position(&self) -> Position {
        let kept = self.kept();
        Position(kept.gone + kept.lines.len())
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.kept().lines.iter().cloned().collect()
    }

    pub(super) fn tail(&self) -> String {
        self.latest(|_| true)
    }

    /// The latest log records of something that went wrong.
    pub(super) fn warnings(&self) -> String {
        self.latest(|line| WARNINGS.iter().any(|level| line.contains(level)))
    }

    fn latest(&self, wanted: impl Fn(&str) -> bool) -> String {
        let kept = self.kept();
        let mut latest: Vec<&str> =
            kept.lines.iter().rev().map(String::as_str).filter(|line| wanted(line)).take(TAIL).collect();
        latest.reverse();
        latest.join("\n")
    }

    /// The first line from `position` on of which `wanted` holds; the output's end if none came within the time.
    pub(super) async fn line(
        &self,
        position: Position,
        within: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<String, String> {
        let mut written = self.written.subscribe();
        let mut position = position;
        let search = async {
            loop {
                written.borrow_and_update();
                if let Some(line) = self.find(&mut position, &wanted) {
                    return Some(line);
                }
                written.changed().await.ok()?;
            }
        };
        tokio::time::timeout(within, search).await.ok().flatten().ok_or_else(|| self.tail())
    }

    /// Looks through the lines from `position` on and moves it behind those looked at.
    fn find(&self, position: &mut Position, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let kept = self.kept();
        let skipped = position.0.saturating_sub(kept.gone);
        let found = kept.lines.iter().skip(skipped).find(|line| wanted(line)).cloned();
        *position = Position(kept.gone + kept.lines.len());
        found
    }

    fn push(&self, line: String) {
        let mut kept = self.kept();
        if let Some(file) = &mut kept.file {
            // The file is for people to read afterwards; a full disk must not end the test.
            writeln!(file, "{line}").ok();
        }
        if kept.lines.len() == KEPT {
            kept.lines.pop_front();
            kept.gone += 1;
        }
        kept.lines.push_back(line);
        drop(kept);
        self.written.send_replace(());
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that says what it is told, until nobody is left to tell it anything.
    struct Told(std::sync::mpsc::Receiver<&'static [u8]>);

    impl Read for Told {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            self.0.recv().map_or(Ok(0), |mut bytes| bytes.read(into))
        }
    }

    #[tokio::test]
    async fn what_a_stream_still_has_to_say_is_waited_for() {
        let output = Output::new(None).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        Output::follow(&output, Told(told));
        let mut complete = Box::pin(output.complete(Duration::from_mins(1)));
        assert!(tokio::time::timeout(Duration::ZERO, &mut complete).await.is_err());
        tell.send(b"last words\n").unwrap();
        drop(tell);
        complete.await;
        assert_eq!(output.lines(), ["last words"]);
    }

    #[test]
    fn warnings_are_found_among_much_else() {
        let output = Output::new(None).unwrap();
        let warning = r#"{"level":"WARN","fields":{"message":"slow"}}"#;
        output.push(warning.to_owned());
        for number in 0..TAIL {
            output.push(number.to_string());
        }
        assert_eq!(output.warnings(), warning);
        assert!(!output.tail().contains(warning));
    }

    #[test]
    fn only_the_latest_lines_are_kept_and_positions_go_on() {
        let output = Output::new(None).unwrap();
        for number in 0..=KEPT {
            output.push(number.to_string());
        }
        assert_eq!(output.lines().first().map(String::as_str), Some("1"));
        assert_eq!(output.position(), Position(KEPT + 1));
        output.push("after".to_owned());
        let mut from = Position(KEPT + 1);
        assert_eq!(output.find(&mut from, |_| true).as_deref(), Some("after"));
    }
}
