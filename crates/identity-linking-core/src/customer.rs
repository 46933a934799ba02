//! The company's own customer. Adding the official account as a friend never makes one (F-01, F-03).

use kernel::OrganizationId;

use crate::account::OfficialAccount;
use crate::{Address, BirthDate, ExternalReference, MobileNumber, PersonName, Phone, PhoneKind, Unfit};

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

/// What a customer is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeFor {
    /// An attempt to link, or a first message, that matched nobody (D-1, D-2).
    Attempt,
    /// An activity that came with what was typed, with the organization that it names.
    Activity(Option<OrganizationId>),
    /// Staff who said that the person is new.
    Staff,
}

impl Customer {
    /// The customer that is made of what somebody typed, by way of an account where one is known. It is provisional where neither
    /// staff nor an activity stand behind it (D-9). Responsible is the organization that the activity names, else the one that
    /// the account's friends belong to.
    pub fn made(
        name: PersonName,
        mobile: Option<&MobileNumber>,
        made_for: MadeFor,
        account: Option<&OfficialAccount>,
    ) -> Self {
        let named = match made_for {
            MadeFor::Activity(organization) => organization,
            MadeFor::Attempt | MadeFor::Staff => None,
        };
        let phone = |number: &MobileNumber| Phone::kept(number.as_str().to_owned(), true, Some(PhoneKind::Mobile));
        Self {
            name,
            phones: mobile.map(phone).into_iter().collect(),
            addresses: Vec::new(),
            birth_date: None,
            organization: named.or(account.and_then(OfficialAccount::organization_of_friends)),
            external_reference: None,
            provisional: made_for == MadeFor::Attempt,
        }
    }

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
    fn a_customer_is_made_as_whoever_stands_behind_it_says() {
        use crate::account::{AccountPurpose, AccountState};
        use uuid::Uuid;

        let [named, owner, default] = [1, 2, 3].map(|n| OrganizationId::from(Uuid::from_u128(n)));
        let account = |owner_organization, default_organization| OfficialAccount {
            provider: Uuid::nil().into(),
            channel_id: line_types::id::ChannelId::parse("1234567890").unwrap(),
            display_name: None,
            basic_id: None,
            bot: None,
            state: AccountState::Connected,
            purpose: AccountPurpose::Customers,
            owner_organization,
            default_organization,
            chat_mode: None,
            chat_mode_time: None,
            connect_time: None,
        };
        let (both, shared, bare) =
            (account(Some(owner), Some(default)), account(None, Some(default)), account(None, None));
        let table = [
            (MadeFor::Attempt, Some(&both), Some(owner), true),
            (MadeFor::Attempt, Some(&shared), Some(default), true),
            (MadeFor::Attempt, Some(&bare), None, true),
            (MadeFor::Staff, Some(&both), Some(owner), false),
            (MadeFor::Activity(Some(named)), Some(&both), Some(named), false),
            (MadeFor::Activity(None), Some(&shared), Some(default), false),
            (MadeFor::Activity(Some(named)), None, Some(named), false),
            (MadeFor::Activity(None), None, None, false),
        ];
        let name = PersonName::new(NamePart::optional("山田").unwrap(), None, None, None).unwrap();
        let mobile = MobileNumber::kept("+819012345678".to_owned());
        for (made_for, account, organization, provisional) in table {
            let made = Customer::made(name.clone(), Some(&mobile), made_for, account);
            assert_eq!((made.organization, made.provisional), (organization, provisional), "{made_for:?}");
            assert_eq!((made.phones[0].e164(), made.name), (Some(mobile.as_str()), name.clone()));
            assert!(Customer::made(name.clone(), None, made_for, account).phones.is_empty());
        }
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
