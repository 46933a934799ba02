use super::*;
use crate::LateFor;
use proptest::prelude::*;
use uuid::Uuid;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(1_763_769_600 + seconds, 0).unwrap()
}

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn taken(key_number: usize, owner: &str, due: i64, policy: LatePolicy) -> Taken {
    let timer = Timer {
        owner: Owner::named(owner).unwrap(),
        key: key(&format!("k{key_number:04}")),
        generation: 1,
        due: at(due),
        policy,
    };
    Taken { tenant: Uuid::from_u128(1).into(), timer }
}

fn merging(into: &str, hours: u16) -> LatePolicy {
    LatePolicy::Merge { into: key(into), up_to: LateFor::hours(hours) }
}

/// Timers of three tenants and three owners, with all policies, from six hours late to just due at `at(0)`.
fn backlog() -> impl Strategy<Value = Vec<Taken>> {
    let policy = prop_oneof![
        Just(LatePolicy::Late),
        (0u16..6).prop_map(|hours| LatePolicy::LateUpTo(LateFor::hours(hours))),
        (0u16..6).prop_map(|hours| LatePolicy::Skip { after: LateFor::hours(hours) }),
        (0u16..6, "[ab]").prop_map(|(hours, into)| merging(&into, hours)),
    ];
    let owner = prop_oneof![Just("message"), Just("reminder"), Just("booking")];
    let one = (policy, owner, -21_600i64..=0, 0u128..3);
    prop::collection::vec(one, 0..80).prop_map(|all| {
        let timer = |(number, (policy, owner, due, tenant)): (usize, (LatePolicy, &str, i64, u128))| Taken {
            tenant: Uuid::from_u128(tenant).into(),
            ..taken(number, owner, due, policy)
        };
        all.into_iter().enumerate().map(timer).collect()
    })
}

/// Whether two timers are said once for both.
fn together(one: &Taken, other: &Taken) -> bool {
    let group = |one: &Taken| (one.tenant, one.timer.owner.clone(), one.timer.policy.merges_into().cloned());
    one.timer.policy.merges_into().is_some() && group(one) == group(other)
}

proptest! {
    #[test]
    fn what_is_merged_or_missed_is_recorded(backlog in backlog()) {
        let fired = merge(backlog.clone(), at(0));
        let mut kept: Vec<Taken> = fired.due.iter().chain(fired.missed.iter().map(|(one, _)| one)).cloned().collect();
        kept.sort_by(|one, other| one.timer.key.cmp(&other.timer.key));
        prop_assert_eq!(kept, backlog, "each timer is said or recorded, once");
        for (one, miss) in &fired.missed {
            let in_place = fired.due.iter().find(|other| together(one, other));
            match miss {
                Miss::TooLate => {
                    prop_assert_eq!(judge(&one.timer.policy, one.timer.due, at(0)), Fate::Missed);
                    prop_assert!(in_place.is_none());
                }
                Miss::Merged => {
                    let said = in_place.map(|said| &said.timer);
                    let later = said.is_some_and(|said| (said.due, &said.key) > (one.timer.due, &one.timer.key));
                    prop_assert!(later || judge(&one.timer.policy, one.timer.due, at(0)) == Fate::Missed);
                    prop_assert!(said.is_some(), "merged into nothing");
                }
            }
        }
        for (place, one) in fired.due.iter().enumerate() {
            prop_assert_eq!(judge(&one.timer.policy, one.timer.due, at(0)), Fate::Due);
            prop_assert!(!fired.due[place + 1..].iter().any(|other| together(one, other)), "said twice");
        }
    }

    #[test]
    fn events_tell_of_each_timer_once_in_order_and_keep_tenants_and_owners_apart(backlog in backlog(), most in 0usize..9) {
        let fired = merge(backlog, at(0));
        let (mut due, mut missed) = (Vec::new(), Vec::new());
        for said in events(&fired, most) {
            let (timers, list) = match &said.tidings {
                Tidings::Due(timers) => (timers, &mut due),
                Tidings::Missed(timers) => (timers, &mut missed),
            };
            prop_assert!((1..=most.max(1)).contains(&timers.len()));
            prop_assert!(timers.iter().all(|timer| timer.owner == *said.owner));
            list.extend(timers.iter().map(|timer| (said.tenant, *timer)));
        }
        let told = |(one, miss): &&(Taken, Miss)| *miss == Miss::TooLate && one.timer.policy.code() != 3;
        let mut expected: [Vec<_>; 2] = [
            fired.due.iter().map(|one| (one.tenant, &one.timer)).collect(),
            fired.missed.iter().filter(told).map(|(one, _)| (one.tenant, &one.timer)).collect(),
        ];
        for list in &mut expected {
            list.sort_by(|(one, timer), (other, another)| (one, &timer.owner).cmp(&(other, &another.owner)));
        }
        prop_assert_eq!([due, missed], expected, "sorting is stable, so within an owner the order is that of taking");
    }
}

#[test]
fn each_policy_has_its_own_last_moment() {
    let hour = |policy: &LatePolicy, late: i64| judge(policy, at(-late), at(0));
    assert_eq!(hour(&LatePolicy::Late, 1_000_000_000), Fate::Due);
    for policy in [LatePolicy::default(), LatePolicy::Skip { after: LateFor::HOUR }, merging("a", 1)] {
        assert_eq!([hour(&policy, 3_600), hour(&policy, 3_601)], [Fate::Due, Fate::Missed], "{policy:?}");
    }
}

#[test]
fn a_backlog_is_said_by_the_last_of_it_that_is_in_time() {
    let keys = |fired: &Fired| fired.due.iter().map(|one| one.timer.key.as_str().to_owned()).collect::<Vec<_>>();
    let backlog = vec![
        taken(1, "booking", -7_200, merging("stock", 3)),
        taken(2, "booking", -60, merging("stock", 3)),
        taken(3, "booking", -60, merging("price", 3)),
        taken(4, "booking", -30, merging("stock", 0)),
        taken(5, "stock", -10, merging("stock", 3)),
    ];
    let fired = merge(backlog, at(0));
    assert_eq!(keys(&fired), ["k0002", "k0003", "k0005"], "the fourth is the last, yet too late");
    assert!(fired.missed.iter().all(|(_, miss)| *miss == Miss::Merged));
    let too_late = merge(vec![taken(1, "booking", -9_000, merging("stock", 1))], at(0));
    assert_eq!(too_late.missed.first().map(|(_, miss)| *miss), Some(Miss::TooLate));
    assert_eq!(events(&too_late, MOST_OF_AN_EVENT).len(), 1);
}

#[test]
fn reasons_come_back_from_their_numbers() {
    for miss in [Miss::TooLate, Miss::Merged] {
        assert_eq!(Miss::from_code(miss.code()), Some(miss));
    }
    assert_eq!(Miss::from_code(0), None);
}
