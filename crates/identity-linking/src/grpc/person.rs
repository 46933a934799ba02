//! Reading and telling a customer's name, phones and addresses.

use contracts::identity::v1::{
    Address as WireAddress, AddressKind as WireAddressKind, PersonName as WireName, Phone as WirePhone,
    PhoneKind as WirePhoneKind,
};
use identity_linking_core::{
    Address, AddressKind, CallingRegion, Line, MAX_ADDRESSES, MAX_PHONES, NamePart, PersonName, Phone, PhoneKind,
    Reading, check_addresses, check_phones,
};

use super::fields::Fields;
use crate::replica::text;

/// Reads the name in `field`.
pub(super) fn name(fields: &mut Fields, field: &str, wire: &WireName) -> Option<PersonName> {
    let (family, given, family_reading, given_reading) = parts(fields, field, wire)?;
    fields.take(field, PersonName::new(family, given, family_reading, given_reading))
}

/// The parts of a name: family, given, and their readings.
type Parts = (Option<NamePart>, Option<NamePart>, Option<Reading>, Option<Reading>);

/// Reads the parts of the name in `field`, each by itself.
pub(super) fn parts(fields: &mut Fields, field: &str, wire: &WireName) -> Option<Parts> {
    let family = fields.take(&format!("{field}.family"), NamePart::optional(&wire.family));
    let given = fields.take(&format!("{field}.given"), NamePart::optional(&wire.given));
    let family_reading = fields.take(&format!("{field}.family_reading"), Reading::optional(&wire.family_reading));
    let given_reading = fields.take(&format!("{field}.given_reading"), Reading::optional(&wire.given_reading));
    Some((family?, given?, family_reading?, given_reading?))
}

/// Reads phones, without country code as numbers of `region`.
pub(super) fn phones(fields: &mut Fields, wire: &[WirePhone], region: CallingRegion) -> Option<Vec<Phone>> {
    // One more than may be is enough to see that there are too many.
    let read: Vec<Option<Phone>> = wire
        .iter()
        .take(MAX_PHONES + 1)
        .enumerate()
        .map(|(index, phone)| {
            let kind = match phone.kind() {
                WirePhoneKind::Unspecified => None,
                WirePhoneKind::Mobile => Some(PhoneKind::Mobile),
                WirePhoneKind::Landline => Some(PhoneKind::Landline),
            };
            fields.take(&format!("customer.phones[{index}].number"), Phone::parse(&phone.number, kind, region))
        })
        .collect();
    let phones: Vec<Phone> = read.into_iter().collect::<Option<_>>()?;
    fields.take("customer.phones", check_phones(&phones))?;
    Some(phones)
}

/// Reads addresses.
pub(super) fn addresses(fields: &mut Fields, wire: &[WireAddress]) -> Option<Vec<Address>> {
    let read: Vec<Option<Address>> = wire
        .iter()
        .take(MAX_ADDRESSES + 1)
        .enumerate()
        .map(|(index, address)| {
            let part = |name: &str| format!("customer.addresses[{index}].{name}");
            let postal_code = fields.take(&part("postal_code"), Line::optional(&address.postal_code));
            let region = fields.take(&part("region"), Line::optional(&address.region));
            let locality = fields.take(&part("locality"), Line::optional(&address.locality));
            let street = fields.take(&part("street"), Line::optional(&address.street));
            let kind = match address.kind() {
                WireAddressKind::Unspecified => None,
                WireAddressKind::Home => Some(AddressKind::Home),
                WireAddressKind::Workplace => Some(AddressKind::Workplace),
                WireAddressKind::Other => Some(AddressKind::Other),
            };
            let address =
                Address { kind, postal_code: postal_code?, region: region?, locality: locality?, street: street? };
            fields.take(&format!("customer.addresses[{index}]"), address.checked())
        })
        .collect();
    let addresses: Vec<Address> = read.into_iter().collect::<Option<_>>()?;
    fields.take("customer.addresses", check_addresses(&addresses))?;
    Some(addresses)
}

/// A name on the wire.
pub(super) fn tell_name(name: &PersonName) -> WireName {
    WireName {
        family: name.family().to_owned(),
        given: name.given().to_owned(),
        family_reading: name.family_reading().to_owned(),
        given_reading: name.given_reading().to_owned(),
    }
}

/// A phone on the wire.
pub(super) fn tell_phone(phone: &Phone) -> WirePhone {
    let kind = match phone.kind() {
        None => WirePhoneKind::Unspecified,
        Some(PhoneKind::Mobile) => WirePhoneKind::Mobile,
        Some(PhoneKind::Landline) => WirePhoneKind::Landline,
    };
    WirePhone { number: phone.number().to_owned(), kind: kind.into() }
}

/// An address on the wire.
pub(super) fn tell_address(address: &Address) -> WireAddress {
    let kind = match address.kind {
        None => WireAddressKind::Unspecified,
        Some(AddressKind::Home) => WireAddressKind::Home,
        Some(AddressKind::Workplace) => WireAddressKind::Workplace,
        Some(AddressKind::Other) => WireAddressKind::Other,
    };
    WireAddress {
        kind: kind.into(),
        postal_code: text(address.postal_code.as_ref()),
        region: text(address.region.as_ref()),
        locality: text(address.locality.as_ref()),
        street: text(address.street.as_ref()),
    }
}
