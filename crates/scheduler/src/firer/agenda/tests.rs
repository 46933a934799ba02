use super::*;
use chrono::TimeDelta;
use proptest::prelude::*;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_timestamp_millis(1_763_769_600_000 + millis).unwrap()
}

/// An agenda whose parts were all looked into `now`, when nothing waited.
fn quiet(now: Instant) -> Agenda {
    let mut agenda = Agenda::new(now);
    let places = agenda.begin(now);
    assert_eq!(places.len(), 64);
    agenda.hear(at(0), now);
    for (part, _) in &places {
        agenda.settle(*part, Left::Until(None), now);
    }
    agenda
}

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn a_part_is_looked_into_as_its_timer_is_due_and_all_are_now_and_then() {
    let now = Instant::now();
    let mut agenda = quiet(now);
    assert_eq!(agenda.next(), Some(now + LOOKS_EVERY));
    assert!(agenda.wake(7, at(100), now) && !agenda.wake(8, at(60_000), now));
    assert_eq!(agenda.next(), Some(now + millis(100)));
    assert!(agenda.begin(now + millis(99)).is_empty());
    assert_eq!(agenda.begin(now + millis(100)), [(7, Uuid::nil())]);
    assert!(agenda.begin(now + millis(110)).is_empty(), "nobody else takes it");
    agenda.settle(7, Left::Until(Some(at(300))), now + millis(110));
    assert_eq!(agenda.next(), Some(now + millis(300)));
    assert_eq!(agenda.begin(now + LOOKS_EVERY).len(), 64);
    assert_eq!(agenda.next(), None);
}

#[test]
fn what_becomes_due_within_the_pace_is_looked_for_together() {
    let now = Instant::now();
    let mut agenda = quiet(now);
    for part in 0..64 {
        agenda.wake(part, at(100 + i64::from(part)), now);
    }
    assert_eq!(agenda.begin(now + millis(100)).len(), 1);
    assert_eq!(agenda.next(), Some(now + millis(120)));
    assert_eq!(agenda.begin(now + millis(120)).len(), 20);
}

#[test]
fn where_more_is_due_nobody_rests_and_parts_take_turns() {
    let now = Instant::now();
    let mut agenda = Agenda::new(now);
    assert_eq!(agenda.begin(now).len(), 64);
    let behind = Uuid::from_u128(9);
    agenda.settle(0, Left::More(behind), now);
    agenda.give_back(&(1..64).collect::<Vec<_>>());
    assert_eq!(agenda.next(), Some(now));
    let again = agenda.begin(now);
    assert_eq!((again.first(), again.last()), (Some(&(1, Uuid::nil())), Some(&(0, behind))));
}

#[test]
fn a_call_is_not_lost_on_a_part_in_hand() {
    let now = Instant::now();
    let mut agenda = quiet(now);
    let later = now + LOOKS_EVERY;
    assert_eq!(agenda.begin(later).len(), 64);
    assert!(agenda.wake(5, at(0), later));
    agenda.settle(5, Left::Until(None), later + millis(1));
    assert_eq!(agenda.next(), Some(later + PACE));
    agenda.wake_all(later);
    agenda.settle(6, Left::ToOthers, later);
    assert_eq!(agenda.begin(later + PACE), [(5, Uuid::nil()), (6, Uuid::nil())]);
    assert!(!agenda.wake(64, at(0), now) || agenda.next().is_none(), "there is no such part");
}

proptest! {
    #[test]
    fn no_part_is_left_alone_for_longer_than_it_may(
        calls in prop::collection::vec((0i16..64, -5_000i64..5_000, 0u64..300, 0u8..5), 1..60),
    ) {
        let mut now = Instant::now();
        let mut agenda = Agenda::new(now);
        let mut seen = [now; 64];
        for (part, due, passes, left) in calls {
            now += millis(passes);
            agenda.wake(part, at(due), now);
            let wait = agenda.next().map_or(millis(0), |next| next.saturating_duration_since(now));
            prop_assert!(wait <= LOOKS_EVERY);
            for (part, _) in agenda.begin(now) {
                let since = now.duration_since(seen[usize::try_from(part).unwrap()]);
                prop_assert!(since <= LOOKS_EVERY + millis(300), "{since:?}");
                seen[usize::try_from(part).unwrap()] = now;
                agenda.hear(at(due), now);
                let left = match left {
                    0 => Left::More(Uuid::from_u128(3)),
                    1 => Left::Until(Some(at(due) + TimeDelta::milliseconds(40))),
                    2 => Left::Until(None),
                    3 => Left::ToOthers,
                    _ => Left::For(millis(200)),
                };
                agenda.settle(part, left, now);
            }
        }
    }
}
