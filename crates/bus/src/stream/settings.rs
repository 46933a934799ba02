//! A stream that is there and was made with other settings than it should have: it is brought to them by whoever fills it, once
//! for each process. What the server does not change, or what would let go of bodies that are nowhere else, is told instead.

use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};

use async_nats::jetstream::context::UpdateStreamErrorKind;
use async_nats::jetstream::stream::{Config, PersistenceMode};

use super::Stream;
use crate::connection::Bus;

/// A setting that every stream is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    Subjects,
    Retention,
    Discard,
    Storage,
    MaxAge,
    MaxBytes,
    DuplicateWindow,
    Replicas,
    PersistMode,
}

/// Why a stream's settings stay as they are.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the server refuses: {0}")]
    Refused(String),
    #[error("the server does not answer, or this user may not")]
    Unanswered,
    #[error("less would be kept of what is nowhere else")]
    KeepsLess,
}

impl Setting {
    const ALL: [Self; 9] = [
        Self::Subjects,
        Self::Retention,
        Self::Discard,
        Self::Storage,
        Self::MaxAge,
        Self::MaxBytes,
        Self::DuplicateWindow,
        Self::Replicas,
        Self::PersistMode,
    ];

    /// As NATS calls it (<https://docs.nats.io/nats-concepts/jetstream/streams>).
    const fn name(self) -> &'static str {
        match self {
            Self::Subjects => "subjects",
            Self::Retention => "retention",
            Self::Discard => "discard",
            Self::Storage => "storage",
            Self::MaxAge => "max_age",
            Self::MaxBytes => "max_bytes",
            Self::DuplicateWindow => "duplicate_window",
            Self::Replicas => "num_replicas",
            Self::PersistMode => "persist_mode",
        }
    }

    fn differs(self, found: &Config, wanted: &Config) -> bool {
        match self {
            Self::Subjects => found.subjects != wanted.subjects,
            Self::Retention => found.retention != wanted.retention,
            Self::Discard => found.discard != wanted.discard,
            Self::Storage => found.storage != wanted.storage,
            Self::MaxAge => found.max_age != wanted.max_age,
            Self::MaxBytes => bytes(found) != bytes(wanted),
            Self::DuplicateWindow => found.duplicate_window != wanted.duplicate_window,
            Self::Replicas => found.num_replicas != wanted.num_replicas,
            Self::PersistMode => forgets(found) != forgets(wanted),
        }
    }

    /// Whether the stream as it is wanted keeps less, for a shorter time or in fewer places.
    fn keeps_less(self, found: &Config, wanted: &Config) -> bool {
        match self {
            Self::MaxAge => !wanted.max_age.is_zero() && (found.max_age.is_zero() || wanted.max_age < found.max_age),
            Self::MaxBytes => bytes(wanted) < bytes(found),
            Self::Replicas => wanted.num_replicas < found.num_replicas,
            Self::PersistMode => forgets(wanted),
            Self::Subjects | Self::Retention | Self::Discard | Self::Storage | Self::DuplicateWindow => false,
        }
    }

    fn bring(self, config: &mut Config, wanted: &Config) {
        match self {
            Self::Subjects => config.subjects.clone_from(&wanted.subjects),
            Self::Retention => config.retention = wanted.retention,
            Self::Discard => config.discard = wanted.discard,
            Self::Storage => config.storage = wanted.storage,
            Self::MaxAge => config.max_age = wanted.max_age,
            Self::MaxBytes => config.max_bytes = wanted.max_bytes,
            Self::DuplicateWindow => config.duplicate_window = wanted.duplicate_window,
            Self::Replicas => config.num_replicas = wanted.num_replicas,
            Self::PersistMode => config.persist_mode = wanted.persist_mode,
        }
    }
}

/// How large the stream may grow; unlimited is the largest.
fn bytes(config: &Config) -> u64 {
    u64::try_from(config.max_bytes).ok().filter(|bytes| *bytes > 0).unwrap_or(u64::MAX)
}

fn forgets(config: &Config) -> bool {
    config.persist_mode == Some(PersistenceMode::Async)
}

fn note(stream: Stream, setting: &'static str, differs: bool) {
    metrics::gauge!("tsunagi_bus_stream_differs", "stream" => stream.name(), "setting" => setting).set(if differs {
        1.0
    } else {
        0.0
    });
}

fn differing(found: &Config, wanted: &Config) -> Vec<Setting> {
    Setting::ALL.into_iter().filter(|setting| setting.differs(found, wanted)).collect()
}

impl Bus {
    /// Compares `found`, what the server says of `stream`, with what it should be, and brings it there where that is possible.
    pub(crate) async fn keep_settings(&self, stream: Stream, found: &Config) {
        let wanted = self.stream_config(stream);
        let differing = differing(found, &wanted);
        for (_, setting) in self.attempted().range((stream, "")..).take_while(|(of, _)| *of == stream) {
            note(stream, setting, differing.iter().any(|differing| differing.name() == *setting));
        }
        // One that is refused must not keep the others from their place.
        let mut config = found.clone();
        for setting in differing {
            if !self.attempted().insert((stream, setting.name())) {
                continue;
            }
            let mut next = config.clone();
            setting.bring(&mut next, &wanted);
            let keeps_less = !stream.can_be_filled_again() && setting.keeps_less(found, &wanted);
            let outcome = if keeps_less { Err(Refusal::KeepsLess) } else { self.update(&next).await };
            note(stream, setting.name(), outcome.is_err());
            match outcome {
                Ok(()) => {
                    tracing::info!(
                        stream = stream.name(),
                        setting = setting.name(),
                        "the stream's setting was changed"
                    );
                    config = next;
                }
                Err(Refusal::Unanswered) if !self.is_connected() => {
                    self.attempted().remove(&(stream, setting.name()));
                }
                Err(refusal) => tracing::warn!(
                    stream = stream.name(),
                    setting = setting.name(),
                    refusal = %refusal,
                    "the stream was made with another setting and stays as it is"
                ),
            }
        }
    }

    async fn update(&self, config: &Config) -> Result<(), Refusal> {
        match self.jetstream().update_stream(config).await {
            Ok(_) => Ok(()),
            Err(error) => Err(match error.kind() {
                UpdateStreamErrorKind::JetStream(refused) => Refusal::Refused(refused.to_string()),
                _ => Refusal::Unanswered,
            }),
        }
    }

    fn attempted(&self) -> MutexGuard<'_, BTreeSet<(Stream, &'static str)>> {
        self.attempts().lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_nats::jetstream::stream::{DiscardPolicy, RetentionPolicy, StorageType};

    use super::*;

    /// A setting, and what changes it alone.
    type Change = (Setting, fn(&mut Config));

    fn config(change: impl FnOnce(&mut Config)) -> Config {
        let mut config =
            Config { max_age: Duration::from_mins(1), max_bytes: -1, num_replicas: 3, ..Config::default() };
        change(&mut config);
        config
    }

    #[test]
    fn every_setting_that_differs_is_seen_and_brought_and_no_other() {
        let changes: [Change; 9] = [
            (Setting::Subjects, |config| config.subjects = vec!["other".to_owned()]),
            (Setting::Retention, |config| config.retention = RetentionPolicy::WorkQueue),
            (Setting::Discard, |config| config.discard = DiscardPolicy::New),
            (Setting::Storage, |config| config.storage = StorageType::Memory),
            (Setting::MaxAge, |config| config.max_age = Duration::from_secs(30)),
            (Setting::MaxBytes, |config| config.max_bytes = 1_024),
            (Setting::DuplicateWindow, |config| config.duplicate_window = Duration::from_secs(1)),
            (Setting::Replicas, |config| config.num_replicas = 1),
            (Setting::PersistMode, |config| config.persist_mode = Some(PersistenceMode::Async)),
        ];
        assert_eq!(changes.map(|(setting, _)| setting), Setting::ALL);
        let wanted = config(|_| {});
        for (setting, change) in changes {
            let mut found = config(change);
            assert_eq!(differing(&found, &wanted), [setting]);
            setting.bring(&mut found, &wanted);
            assert_eq!(differing(&found, &wanted), [], "{setting:?}");
        }
        let as_the_server_says_it = config(|config| {
            config.max_bytes = 0;
            config.persist_mode = Some(PersistenceMode::Default);
        });
        assert_eq!(differing(&as_the_server_says_it, &wanted), []);
    }

    #[test]
    fn less_is_a_shorter_time_fewer_bytes_fewer_copies_or_what_may_be_forgotten() {
        let less: [Change; 4] = [
            (Setting::MaxAge, |config| config.max_age = Duration::from_secs(30)),
            (Setting::MaxBytes, |config| config.max_bytes = 1_024),
            (Setting::Replicas, |config| config.num_replicas = 1),
            (Setting::PersistMode, |config| config.persist_mode = Some(PersistenceMode::Async)),
        ];
        for (setting, change) in less {
            let (more, less) = (config(|_| {}), config(change));
            assert!(setting.keeps_less(&more, &less) && !setting.keeps_less(&less, &more), "{setting:?}");
        }
        let for_ever = config(|config| config.max_age = Duration::ZERO);
        assert!(Setting::MaxAge.keeps_less(&for_ever, &config(|_| {})));
        assert!(!Setting::MaxAge.keeps_less(&config(|_| {}), &for_ever));
    }
}
