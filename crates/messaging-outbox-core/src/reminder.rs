//! Reminders of reservations (F-107): whether one is sent when its moment has come, to whom, and why not. What it says is in
//! [`text`].

pub mod text;

use chrono::TimeDelta;
use kernel::{AccountId, Timestamp};

use crate::answer;

/// How sure it must be that a LINE user is the customer before anything of a reservation is told, where the tenant's policy says nothing
/// else (D-7): name and mobile number were given as the record has them. The codes are those of `tsunagi.events.v1.Assurance`, of which
/// a later one is surer.
pub const LEAST: i16 = 2;
/// How long all that is said together with a reminder waits for news of its reservation, after it was said. Later it waits alone, until
/// it is too late for it.
pub const PATIENCE: TimeDelta = TimeDelta::minutes(5);

/// A reservation as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Neither cancelled nor over.
    pub active: bool,
    /// When it begins; none: not known.
    pub start: Option<Timestamp>,
    /// Which version of it that is: a later one is higher.
    pub version: i64,
}

/// A reminder as it was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// When the reservation begins, as the reminder was planned.
    pub start: Timestamp,
    /// After this nobody is reminded.
    pub expire: Timestamp,
    /// When it was said.
    pub time: Timestamp,
    /// Which version of the reservation stood then.
    pub version: i64,
}

/// A place where the customer may be reached: a link of the customer, and an official account under its provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// How sure the link is: the number of `tsunagi.events.v1.Assurance`.
    pub assurance: i16,
    /// The account; none: there is none under the provider.
    pub account: Option<Account>,
}

/// An official account, and how the LINE user stands with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Which.
    pub id: AccountId,
    /// It is connected, and for customers.
    pub serves: bool,
    /// Whether the LINE user blocked it; none: was never seen on it.
    pub blocked: Option<bool>,
    /// Another module holds the chat (D-11).
    pub standby: bool,
    /// When something happened in its conversation last; none: there is none.
    pub activity: Option<Timestamp>,
}

/// The shop that reminds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Nothing is sent for it.
    pub suspended: bool,
    /// What a link must at least be sure of by its policy (D-7): the number of `tsunagi.events.v1.Assurance`; [`LEAST`] where it has none.
    pub least: i16,
}

/// What becomes of a reminder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is sent to the place of that number.
    Send(usize),
    /// Nobody is reminded.
    NotSent(NotSent),
    /// The reservation as the reminder was said of it, or the tenant, has not been heard of yet.
    Wait,
}

/// Why nobody is reminded. The codes are those of `tsunagi.messaging.v1.ReminderReason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotSent {
    /// It is too late for it.
    Expired,
    /// The reservation is not known, or not as the reminder was said of it.
    ReservationUnknown,
    /// The reservation was cancelled, or is over.
    ReservationEnded,
    /// The reservation begins at another time by now.
    ReservationMoved,
    /// The reservation has begun.
    ReservationBegun,
    /// The customer is linked to no LINE user.
    NotLinked,
    /// It is not sure enough that the LINE user is the customer.
    NotSureEnough,
    /// No account for customers is connected under the LINE user's provider.
    AccountNotConnected,
    /// The LINE user was never seen on such an account.
    NotAFriend,
    /// The LINE user blocked every such account.
    FriendBlocked,
    /// Another module holds the chat.
    Standby,
    /// The tenant is suspended.
    TenantSuspended,
    /// The text cannot be filled in, or LINE would refuse it.
    TextRefused,
}

impl NotSent {
    /// Every reason.
    pub const ALL: [Self; 13] = [
        Self::Expired,
        Self::ReservationUnknown,
        Self::ReservationEnded,
        Self::ReservationMoved,
        Self::ReservationBegun,
        Self::NotLinked,
        Self::NotSureEnough,
        Self::AccountNotConnected,
        Self::NotAFriend,
        Self::FriendBlocked,
        Self::Standby,
        Self::TenantSuspended,
        Self::TextRefused,
    ];

    /// Whether it may pass before the reminder is too late: the customer links, or confirms who it is, or becomes a friend, or news of
    /// the reservation comes after a standstill. What the shop or the reservation decided is not waited for.
    #[must_use]
    pub const fn may_pass(self) -> bool {
        match self {
            Self::NotLinked | Self::NotSureEnough | Self::NotAFriend | Self::ReservationUnknown => true,
            Self::Expired
            | Self::ReservationEnded
            | Self::ReservationMoved
            | Self::ReservationBegun
            | Self::AccountNotConnected
            | Self::FriendBlocked
            | Self::Standby
            | Self::TenantSuspended
            | Self::TextRefused => false,
        }
    }

    /// The reason's number, as the proto has it and the tables keep it.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Expired => 1,
            Self::ReservationUnknown => 2,
            Self::ReservationEnded => 3,
            Self::ReservationMoved => 4,
            Self::ReservationBegun => 5,
            Self::NotLinked => 6,
            Self::NotSureEnough => 7,
            Self::AccountNotConnected => 8,
            Self::NotAFriend => 9,
            Self::FriendBlocked => 10,
            Self::Standby => 11,
            Self::TenantSuspended => 12,
            Self::TextRefused => 13,
        }
    }
}

/// Decides over a reminder at `now`. `tenant`: none where it is not known. `places`: all of the customer's.
#[must_use]
pub fn decide(
    said: Said,
    reservation: Option<Reservation>,
    tenant: Option<Tenant>,
    places: &[Place],
    now: Timestamp,
) -> Verdict {
    if said.start <= now {
        return Verdict::NotSent(NotSent::ReservationBegun);
    }
    if answer::is_over(Some(said.expire), now) {
        return Verdict::NotSent(NotSent::Expired);
    }
    let patient = now.signed_duration_since(said.time) < PATIENCE;
    // Scheduler may hear of a change long before us: what is known here then is of the past, and says nothing of the reminder.
    let reservation = reservation.filter(|known| known.version >= said.version);
    let (Some(reservation), Some(tenant)) = (reservation, tenant) else {
        return if patient { Verdict::Wait } else { Verdict::NotSent(NotSent::ReservationUnknown) };
    };
    if !reservation.active {
        return Verdict::NotSent(NotSent::ReservationEnded);
    }
    if reservation.start != Some(said.start) {
        return Verdict::NotSent(NotSent::ReservationMoved);
    }
    if tenant.suspended {
        return Verdict::NotSent(NotSent::TenantSuspended);
    }
    match choose(places, tenant.least) {
        Ok(place) => Verdict::Send(place),
        Err(why) => Verdict::NotSent(why),
    }
}

/// The place where a customer is reminded: of those where that may be, the one in which something happened last. `least`: what a link
/// must at least be sure of.
///
/// # Errors
/// Where it may be nowhere: what stands in the way of those that come nearest to it.
pub fn choose(places: &[Place], least: i16) -> Result<usize, NotSent> {
    let all: Vec<(usize, &Place)> = places.iter().enumerate().collect();
    let linked = some(all, NotSent::NotLinked)?;
    let sure = linked.into_iter().filter(|(_, place)| place.assurance >= least).collect();
    let sure: Vec<(usize, &Place)> = some(sure, NotSent::NotSureEnough)?;
    let with_account = |(at, place): (usize, &Place)| Some((at, place.account?));
    let serving = sure.into_iter().filter_map(with_account).filter(|(_, account)| account.serves).collect();
    let serving: Vec<(usize, Account)> = some(serving, NotSent::AccountNotConnected)?;
    let friend = serving.into_iter().filter(|(_, account)| account.blocked.is_some()).collect();
    let friend: Vec<(usize, Account)> = some(friend, NotSent::NotAFriend)?;
    let open = friend.into_iter().filter(|(_, account)| account.blocked == Some(false)).collect();
    let open: Vec<(usize, Account)> = some(open, NotSent::FriendBlocked)?;
    let ours = open.into_iter().filter(|(_, account)| !account.standby);
    let last = ours.max_by_key(|(_, account)| (account.activity, account.id));
    last.map(|(at, _)| at).ok_or(NotSent::Standby)
}

fn some<T>(left: Vec<T>, why_none: NotSent) -> Result<Vec<T>, NotSent> {
    if left.is_empty() { Err(why_none) } else { Ok(left) }
}

#[cfg(test)]
mod tests;
