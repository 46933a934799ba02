//! Writing deliveries down as they leave.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::{Delivery, Line, RecordedAccount, VERSION};

/// Where deliveries are written down; nowhere by default.
#[derive(Debug, Default)]
pub(crate) struct Recorder(Mutex<Option<Tape>>);

#[derive(Debug)]
struct Tape {
    file: File,
    said: Vec<RecordedAccount>,
    /// The first failure; what comes after it is not written.
    failed: Option<io::Error>,
}

impl Recorder {
    /// Begins a recording in a new file.
    pub(crate) fn begin(path: &Path) -> io::Result<Self> {
        let mut file = File::create(path)?;
        writeln!(file, "{}", Line::Recording { version: VERSION }.text())?;
        Ok(Self(Mutex::new(Some(Tape { file, said: Vec::new(), failed: None }))))
    }

    /// Whether anybody wants deliveries written down.
    pub(crate) fn is_on(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Writes a delivery down, and whose it is where that was not said yet.
    pub(crate) fn write(&self, account: RecordedAccount, delivery: Delivery) {
        if let Some(tape) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            tape.write(account, delivery);
        }
    }

    /// Ends the recording; the first failure, if there was one.
    pub(crate) fn end(&self) -> io::Result<()> {
        let tape = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        tape.and_then(|tape| tape.failed).map_or(Ok(()), Err)
    }
}

impl Tape {
    fn write(&mut self, account: RecordedAccount, delivery: Delivery) {
        if self.failed.is_some() {
            return;
        }
        let mut text = String::new();
        if !self.said.contains(&account) {
            self.said.retain(|known| known.account != account.account);
            text = Line::Account(account.clone()).text() + "\n";
            self.said.push(account);
        }
        text += &Line::Delivery(delivery).text();
        text.push('\n');
        // One write a delivery: a program that is killed leaves whole lines.
        self.failed = self.file.write_all(text.as_bytes()).err();
    }
}
