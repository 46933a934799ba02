//! The company's own customer. Adding the official account as a friend never makes one (F-01, F-03).

use kernel::OrganizationId;

use crate::{Address, BirthDate, ExternalReference, PersonName, Phone, Unfit};

/// Most phones of one customer.
pub const MAX_PHONES: usize = 10;
/// Most addresses of one customer.
pub const MAX_ADDRESSES: usize = 10;

/// A customer of the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// The name.
    pub name: PersonName,
    /// Phones, at most [`MAX_PHONES`], no number twice.
    pub phones: Vec<Phone>,
    /// Addresses, at most [`MAX_ADDRESSES`].
    pub addresses: Vec<Address>,
    /// The birth date; none: unknown.
    pub birth_date: Option<BirthDate>,
    /// The organization responsible; none: nobody yet.
    pub organization: Option<OrganizationId>,
    /// The ID in the caller's own system; unique within the tenant.
    pub external_reference: Option<ExternalReference>,
    /// Made by a first message or a failed match, and touched by nobody yet (D-9).
    pub provisional: bool,
}

impl Customer {
    /// The customer after staff or an activity touched it: not provisional any more (D-9).
    #[must_use]
    pub fn touched(self) -> Self {
        Self { provisional: false, ..self }
    }
}

/// Checks a list of phones as a whole.
///
/// # Errors
/// When there are too many, or a number is given twice.
pub fn check_phones(phones: &[Phone]) -> Result<(), Unfit> {
    if phones.len() > MAX_PHONES {
        return Err(Unfit("are more than 10"));
    }
    let twice =
        phones.iter().enumerate().any(|(i, phone)| phones[..i].iter().any(|other| other.number() == phone.number()));
    if twice { Err(Unfit("hold a number twice")) } else { Ok(()) }
}

/// Checks a list of addresses as a whole.
///
/// # Errors
/// When there are too many.
pub fn check_addresses(addresses: &[Address]) -> Result<(), Unfit> {
    if addresses.len() > MAX_ADDRESSES { Err(Unfit("are more than 10")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CallingRegion, NamePart};

    #[test]
    fn the_same_number_typed_in_two_ways_is_one_number() {
        let tokyo = CallingRegion::of_zone(chrono_tz::Tz::Asia__Tokyo);
        let phone = |typed: &str| Phone::parse(typed, None, tokyo).unwrap();
        assert!(check_phones(&[phone("090-1234-5678"), phone("03-1234-5678")]).is_ok());
        assert_eq!(check_phones(&[phone("090-1234-5678"), phone("+819012345678")]), Err(Unfit("hold a number twice")));
        let many: Vec<Phone> = (0..11).map(|n| phone(&format!("090-1234-56{n:02}"))).collect();
        assert_eq!(check_phones(&many), Err(Unfit("are more than 10")));
    }

    #[test]
    fn a_touch_ends_the_provisional_time() {
        let name = PersonName::new(NamePart::optional("山田").unwrap(), None, None, None).unwrap();
        let customer = Customer {
            name,
            phones: vec![],
            addresses: vec![],
            birth_date: None,
            organization: None,
            external_reference: None,
            provisional: true,
        };
        assert_eq!(customer.clone().touched(), Customer { provisional: false, ..customer });
    }
}
