use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_timestamp(1_700_000_000 + minutes * 60, 0).unwrap()
}

const SURE: Place = Place { assurance: LEAST, account: None };

fn account(number: u128) -> Account {
    let id = AccountId::from(Uuid::from_u128(number));
    Account { id, serves: true, blocked: Some(false), standby: false, activity: None }
}

fn place(account: Account) -> Place {
    Place { account: Some(account), ..SURE }
}

fn said() -> Said {
    Said { start: at(600), expire: at(120), time: at(0), version: 2 }
}

/// A tenant that set no policy.
fn shop(suspended: bool) -> Tenant {
    Tenant { suspended, least: LEAST }
}

fn reservation() -> Reservation {
    Reservation { active: true, start: Some(at(600)), version: 2 }
}

#[test]
fn a_reminder_is_sent_for_a_reservation_that_stands_and_lies_ahead() {
    let places = [place(account(1))];
    let decide = |reservation, tenant, now| decide(said(), reservation, tenant, &places, at(now));
    let stands = Some(reservation());
    assert_eq!(decide(stands, Some(shop(false)), 0), Verdict::Send(0));
    assert_eq!(decide(stands, Some(shop(false)), 119), Verdict::Send(0));
    let not_sent = |reservation, tenant, now| match decide(reservation, tenant, now) {
        Verdict::NotSent(why) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(not_sent(stands, Some(shop(false)), 120), NotSent::Expired);
    assert_eq!(not_sent(stands, Some(shop(false)), 600), NotSent::ReservationBegun);
    assert_eq!(not_sent(stands, Some(shop(true)), 0), NotSent::TenantSuspended);
    let cancelled = Reservation { active: false, ..reservation() };
    assert_eq!(not_sent(Some(cancelled), Some(shop(false)), 0), NotSent::ReservationEnded);
    for start in [Some(at(601)), Some(at(599)), None] {
        let moved = Reservation { start, ..reservation() };
        assert_eq!(not_sent(Some(moved), Some(shop(false)), 0), NotSent::ReservationMoved);
    }
    assert_eq!((decide(None, Some(shop(false)), 4), decide(stands, None, 4)), (Verdict::Wait, Verdict::Wait));
    assert_eq!(not_sent(None, Some(shop(false)), 5), NotSent::ReservationUnknown, "nobody waits for ever");
}

#[test]
fn a_reminder_waits_for_what_it_was_said_of() {
    let decide = |reservation, now| decide(said(), Some(reservation), Some(shop(false)), &[place(account(1))], at(now));
    let behind = Reservation { version: 1, ..reservation() };
    let (moved, ended) = (Reservation { start: Some(at(900)), ..behind }, Reservation { active: false, ..behind });
    for of_the_past in [behind, moved, ended] {
        assert_eq!(decide(of_the_past, 4), Verdict::Wait, "{of_the_past:?}");
        assert_eq!(decide(of_the_past, 5), Verdict::NotSent(NotSent::ReservationUnknown), "{of_the_past:?}");
    }
    let ahead = Reservation { version: 3, ..reservation() };
    assert_eq!(decide(ahead, 0), Verdict::Send(0), "changed in something else since");
    let ended = Reservation { active: false, ..ahead };
    assert_eq!(decide(ended, 0), Verdict::NotSent(NotSent::ReservationEnded), "cancelled since");
}

#[test]
fn what_stands_in_the_way_is_said_by_its_own_name() {
    let open = account(1);
    for (places, why) in [
        (vec![], NotSent::NotLinked),
        (vec![Place { assurance: 1, ..place(open) }], NotSent::NotSureEnough),
        (vec![SURE], NotSent::AccountNotConnected),
        (vec![place(Account { serves: false, ..open })], NotSent::AccountNotConnected),
        (vec![place(Account { blocked: None, ..open })], NotSent::NotAFriend),
        (vec![place(Account { blocked: Some(true), ..open })], NotSent::FriendBlocked),
        (vec![place(Account { standby: true, ..open })], NotSent::Standby),
        (
            vec![Place { assurance: 1, ..place(open) }, place(Account { blocked: Some(true), ..open })],
            NotSent::FriendBlocked,
        ),
    ] {
        assert_eq!(choose(&places, LEAST), Err(why), "{places:?}");
    }
}

#[test]
fn the_tenant_says_how_sure_a_link_must_be() {
    let places =
        [Place { assurance: 1, ..place(account(1)) }, place(account(2)), Place { assurance: 3, ..place(account(3)) }];
    let latest = |least: i16, known: &[Place]| choose(known, least).ok();
    assert_eq!((latest(1, &places[..1]), latest(2, &places[..1])), (Some(0), None));
    assert_eq!((latest(2, &places[..2]), latest(3, &places[..2])), (Some(1), None));
    assert_eq!(latest(3, &places), Some(2));
}

#[test]
fn where_something_happened_last_the_customer_is_reminded() {
    let of = |number, activity: Option<i64>| place(Account { activity: activity.map(at), ..account(number) });
    assert_eq!(
        choose(&[of(3, None), of(1, Some(5)), of(2, Some(7)), Place { assurance: 1, ..of(4, Some(9)) }], LEAST),
        Ok(2)
    );
    assert_eq!(choose(&[of(1, None), of(2, None)], LEAST), Ok(1), "the same one whoever is asked first");
    assert_eq!(choose(&[of(2, None), of(1, None)], LEAST), Ok(0));
}

#[test]
fn codes_are_distinct() {
    let codes: std::collections::BTreeSet<i16> = NotSent::ALL.into_iter().map(NotSent::code).collect();
    assert_eq!((codes.len(), codes.first(), codes.last()), (13, Some(&1), Some(&13)));
}

fn any_place() -> impl Strategy<Value = Place> {
    let account = (0u128..4, any::<bool>(), prop::option::of(any::<bool>()), any::<bool>(), prop::option::of(0i64..9));
    (0i16..4, prop::option::of(account)).prop_map(|(assurance, account)| Place {
        assurance,
        account: account.map(|(id, serves, blocked, standby, activity)| Account {
            id: AccountId::from(Uuid::from_u128(id)),
            serves,
            blocked,
            standby,
            activity: activity.map(at),
        }),
    })
}

proptest! {
    #[test]
    fn nobody_is_reminded_who_is_not_surely_the_customer_or_cannot_be_reached(
        places in prop::collection::vec(any_place(), 0..6),
        active: bool, moved: bool, suspended: bool, now in -60i64..700,
    ) {
        let start = if moved { at(700) } else { at(600) };
        let reservation = Reservation { active, start: Some(start), version: 2 };
        if let Verdict::Send(chosen) = decide(said(), Some(reservation), Some(shop(suspended)), &places, at(now)) {
            let account = places[chosen].account.unwrap();
            prop_assert!(places[chosen].assurance >= LEAST);
            prop_assert!(account.serves && account.blocked == Some(false) && !account.standby);
            prop_assert!(active && !moved && !suspended && now < 120);
        }
    }
}

#[test]
fn what_the_customer_may_yet_do_and_news_may_pass_and_nothing_else() {
    let may_pass: Vec<_> = NotSent::ALL.into_iter().filter(|why| why.may_pass()).collect();
    assert_eq!(
        may_pass,
        [NotSent::ReservationUnknown, NotSent::NotLinked, NotSent::NotSureEnough, NotSent::NotAFriend]
    );
}
