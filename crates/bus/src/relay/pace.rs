//! How large a batch may be, so that it takes about a tenth of a second whatever the disk does.

use std::time::Duration;

const SMALLEST: i64 = 32;
const LARGEST: i64 = 1024;

/// Learns from each batch how large the next may be.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { per_second: 2560.0 }
    }
}

impl Pace {
    /// Rows to take next.
    #[expect(clippy::cast_possible_truncation, reason = "clamped to a small range")]
    pub(super) fn batch(&self) -> i64 {
        ((self.per_second / 10.0) as i64).clamp(SMALLEST, LARGEST)
    }

    /// Notes that `count` rows took `took`. Small batches say little about speed and are passed over.
    pub(super) fn note(&mut self, count: usize, took: Duration) {
        if let Ok(count) = u32::try_from(count)
            && (i64::from(count) >= SMALLEST / 2 || took > Duration::from_millis(50))
        {
            let now = f64::from(count) / took.as_secs_f64().max(0.000_1);
            self.per_second = f64::midpoint(self.per_second, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_slow_stream_gets_small_batches_and_a_fast_one_large_ones() {
        let mut pace = Pace::default();
        for _ in 0..20 {
            pace.note(32, Duration::from_secs(1));
        }
        assert_eq!(pace.batch(), 32);
        for _ in 0..20 {
            pace.note(1024, Duration::from_millis(20));
        }
        assert_eq!(pace.batch(), 1024);
    }

    proptest! {
        #[test]
        fn a_batch_is_always_within_its_bounds(notes: Vec<(u16, u32)>) {
            let mut pace = Pace::default();
            for (count, micros) in notes {
                pace.note(count.into(), Duration::from_micros(micros.into()));
                prop_assert!((SMALLEST..=LARGEST).contains(&pace.batch()));
            }
        }
    }
}
