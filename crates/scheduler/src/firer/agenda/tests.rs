use super::*;
use proptest::prelude::*;
use uuid::Uuid;

const HORIZON: Duration = Duration::from_secs(1);

fn at(millis: i64) -> Timestamp {
    Timestamp::from_timestamp_millis(1_763_769_600_000 + millis).unwrap()
}

fn tenant(number: u128) -> TenantId {
    Uuid::from_u128(number).into()
}

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// An agenda that heard the database's clock `now`.
fn agenda(now: Instant) -> Agenda {
    let mut agenda = Agenda::new(now, HORIZON);
    agenda.hear(at(0), now);
    agenda
}

#[test]
fn a_tenant_is_served_as_its_timer_is_due() {
    let now = Instant::now();
    let mut agenda = agenda(now);
    assert_eq!(agenda.next(), None);
    assert!(agenda.wake(tenant(7), at(100), now) && !agenda.wake(tenant(8), at(60_000), now));
    assert_eq!(agenda.next(), Some(now + millis(100)));
    assert!(agenda.wake(tenant(7), at(300), now), "the first one counts");
    assert!(agenda.begin(now + millis(99), 9).is_empty());
    assert_eq!(agenda.begin(now + millis(100), 9), [tenant(7)]);
    assert!(agenda.begin(now + millis(200), 9).is_empty(), "nobody else takes it");
    agenda.settle(tenant(7), Left::Until(Some(at(300))), now + millis(200));
    assert_eq!(agenda.next(), Some(now + millis(300)));
    assert_eq!(agenda.begin(now + millis(300), 9), [tenant(7)]);
    agenda.settle(tenant(7), Left::Until(None), now + millis(301));
    assert_eq!((agenda.next(), agenda.tenants.len()), (None, 0), "nothing is kept of it");
}

#[test]
fn what_becomes_due_within_the_pace_is_taken_together() {
    let now = Instant::now();
    let mut agenda = agenda(now);
    for number in 0..64i64 {
        agenda.wake(tenant(number.unsigned_abs().into()), at(100 + number), now);
    }
    assert_eq!(agenda.begin(now + millis(100), 64).len(), 1);
    assert_eq!(agenda.next(), Some(now + millis(120)));
    assert_eq!(agenda.begin(now + millis(120), 64).len(), 20);
}

#[test]
fn who_has_more_waits_behind_those_who_wait_and_nobody_rests() {
    let now = Instant::now();
    let mut agenda = agenda(now);
    for number in 1..4 {
        assert!(agenda.wake(tenant(number), at(0), now));
    }
    assert_eq!(agenda.begin(now, 2), [tenant(1), tenant(2)]);
    assert_eq!(agenda.next(), Some(now), "another firer begins with those who wait");
    let later = now + millis(5);
    agenda.settle(tenant(1), Left::More, later);
    agenda.settle(tenant(2), Left::Until(None), later);
    assert_eq!(agenda.begin(later, 9), [tenant(3), tenant(1)]);
    agenda.settle(tenant(1), Left::More, later);
    assert_eq!(agenda.begin(later, 9), [tenant(1)]);
}

#[test]
fn a_call_is_not_lost_on_a_tenant_in_hand() {
    let now = Instant::now();
    let mut agenda = agenda(now);
    agenda.wake(tenant(5), at(0), now);
    assert_eq!(agenda.begin(now, 9), [tenant(5)]);
    assert!(agenda.wake(tenant(5), at(10), now));
    assert_eq!(agenda.next(), None);
    agenda.settle(tenant(5), Left::Until(Some(at(700))), now + millis(1));
    assert_eq!(agenda.begin(now + PACE, 9), [tenant(5)]);
    agenda.settle(tenant(5), Left::ToOthers, now + PACE);
    assert_eq!(agenda.next(), Some(now + PACE + LEFT_FOR));
}

#[test]
fn before_the_databases_clock_is_known_whoever_is_told_of_is_looked_at() {
    let now = Instant::now();
    let mut agenda = Agenda::new(now, HORIZON);
    assert!(agenda.wake(tenant(1), at(i64::from(i32::MAX)), now));
    assert_eq!(agenda.begin(now, 9), [tenant(1)]);
}

proptest! {
    #[test]
    fn whoever_is_due_is_served_once_at_a_time_and_nobody_is_forgotten(
        steps in prop::collection::vec((0u128..6, -500i64..1_500, 0u64..60, 0u8..5), 1..120),
    ) {
        let mut now = Instant::now();
        let begun = now;
        let mut agenda = agenda(now);
        let mut wanted: HashMap<TenantId, Instant> = HashMap::new();
        let mut held: Vec<TenantId> = Vec::new();
        for (number, due, passes, left) in steps {
            now += millis(passes);
            let (who, moment) = (tenant(number), begun + millis(due.max(0).unsigned_abs()));
            if agenda.wake(who, at(due), now) {
                let first = wanted.entry(who).or_insert(moment);
                *first = (*first).min(moment.max(now));
            }
            if left < 3 {
                for served in agenda.begin(now, 3) {
                    prop_assert!(!held.contains(&served), "served by two at once");
                    prop_assert!(wanted.remove(&served).is_some_and(|first| first <= now), "served for nothing");
                    held.push(served);
                }
            } else if let Some(done) = held.pop() {
                let left = if left == 3 { Left::Until(None) } else { Left::More };
                if left == Left::More {
                    wanted.insert(done, now);
                }
                agenda.settle(done, left, now);
            }
        }
        for one in held {
            agenda.settle(one, Left::Until(None), now);
        }
        now += HORIZON + PACE * 2;
        let mut rest = agenda.begin(now, usize::MAX);
        rest.sort();
        let mut expected: Vec<TenantId> = wanted.into_keys().collect();
        expected.sort();
        prop_assert_eq!(rest, expected);
    }
}
