//! What customers do: reservations, service use, purchases, contracts, visits, carts, favourites; known by kind and the
//! reference of the system that records them.

use kernel::{CustomerId, OrganizationId, Timestamp};

use crate::word::words;
use crate::{ExternalReference, Line, Unfit};

words! {
    /// What an activity is.
    ActivityKind {
        /// A reservation.
        Reservation = "RESERVATION",
        /// Use of an online service; never moves to another customer (F-23).
        ServiceUse = "SERVICE_USE",
        /// A purchase.
        Purchase = "PURCHASE",
        /// A contract.
        Contract = "CONTRACT",
        /// A visit.
        Visit = "VISIT",
        /// A cart.
        Cart = "CART",
        /// A favourite.
        Favourite = "FAVOURITE",
    }
}

words! {
    /// Where an activity stands.
    ActivityState {
        /// Ahead or under way.
        Active = "ACTIVE",
        /// Done.
        Completed = "COMPLETED",
        /// Cancelled.
        Cancelled = "CANCELLED",
    }
}

/// Something a customer did or will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// The customer.
    pub customer: CustomerId,
    /// What it is; never changes.
    pub kind: ActivityKind,
    /// Its ID in the caller's own system, unique per kind; never changes.
    pub external_reference: ExternalReference,
    /// Where it stands.
    pub state: ActivityState,
    /// What to show staff.
    pub title: Option<Line<300>>,
    /// When it begins or happened.
    pub start: Timestamp,
    /// When it ends; none where it has no length.
    pub end: Option<Timestamp>,
    /// The organization it is with.
    pub organization: Option<OrganizationId>,
}

/// What becomes of an activity that is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It was not known.
    New,
    /// It is known, and changes.
    Changed,
    /// It is known as it is told; nothing changes.
    Same,
}

/// The use of a service stays with the customer who used it (F-23).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the use of a service never moves to another customer")]
pub struct ServiceUseStays;

/// Checks when an activity ends.
///
/// # Errors
/// When it ends before it begins.
pub fn check_times(start: Timestamp, end: Option<Timestamp>) -> Result<(), Unfit> {
    if end.is_some_and(|end| end < start) { Err(Unfit("is before start_time")) } else { Ok(()) }
}

/// Decides what becomes of `told`, when `known` is what is kept under its kind and reference.
///
/// # Errors
/// When the use of a service would move to another customer (F-23).
pub fn record(known: Option<&Activity>, told: &Activity) -> Result<Recorded, ServiceUseStays> {
    match known {
        None => Ok(Recorded::New),
        Some(known) if known == told => Ok(Recorded::Same),
        Some(known) if known.kind == ActivityKind::ServiceUse && known.customer != told.customer => {
            Err(ServiceUseStays)
        }
        Some(_) => Ok(Recorded::Changed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn activity(kind: ActivityKind, customer: u128) -> Activity {
        Activity {
            customer: Uuid::from_u128(customer).into(),
            kind,
            external_reference: Line::parse("R-1").unwrap(),
            state: ActivityState::Active,
            title: None,
            start: Timestamp::UNIX_EPOCH,
            end: None,
            organization: None,
        }
    }

    #[test]
    fn a_repetition_changes_nothing_and_a_difference_does() {
        let told = activity(ActivityKind::Reservation, 1);
        assert_eq!(record(None, &told), Ok(Recorded::New));
        assert_eq!(record(Some(&told), &told), Ok(Recorded::Same));
        let cancelled = Activity { state: ActivityState::Cancelled, ..told.clone() };
        assert_eq!(record(Some(&told), &cancelled), Ok(Recorded::Changed));
    }

    #[test]
    fn only_service_use_stays_with_its_customer() {
        for kind in ActivityKind::ALL {
            let moved = record(Some(&activity(*kind, 1)), &activity(*kind, 2));
            let stays = *kind == ActivityKind::ServiceUse;
            assert_eq!(moved, if stays { Err(ServiceUseStays) } else { Ok(Recorded::Changed) }, "{kind:?}");
        }
    }

    #[test]
    fn nothing_ends_before_it_begins() {
        let (early, late) = (Timestamp::UNIX_EPOCH, Timestamp::from_timestamp(1, 0).unwrap());
        assert!(check_times(early, None).is_ok() && check_times(early, Some(early)).is_ok());
        assert_eq!(check_times(late, Some(early)), Err(Unfit("is before start_time")));
    }

    #[test]
    fn every_word_is_found_again() {
        assert!(ActivityKind::ALL.iter().all(|kind| ActivityKind::named(kind.as_str()) == Some(*kind)));
        assert!(ActivityState::ALL.iter().all(|state| ActivityState::named(state.as_str()) == Some(*state)));
    }
}
