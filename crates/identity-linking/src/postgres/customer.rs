//! Customers with their phones and addresses.

use chassis::postgres::TenantTx;
use chrono::NaiveDate;
use identity_linking_core::{
    Address, AddressKind, BirthDate, Customer, ExternalReference, Line, NameKey, NameKeys, NamePart, PersonName, Phone,
    PhoneKind, Reading,
};
use kernel::{CustomerId, OrganizationId, Sight, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::types::Json;

use super::row::{self, Position, Stored};

/// A customer as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct StoredCustomer {
    /// The customer.
    pub(crate) stored: Stored<CustomerId, Customer>,
    /// When it last changed.
    pub(crate) update_time: Timestamp,
    /// The customer that absorbed it.
    pub(crate) merged_into: Option<CustomerId>,
}

/// A phone between a row and JSON.
#[derive(Serialize, Deserialize)]
struct PhoneRow {
    number: String,
    e164: bool,
    kind: Option<String>,
}

/// An address between a row and JSON.
#[derive(Serialize, Deserialize)]
struct AddressRow {
    kind: Option<String>,
    postal_code: Option<String>,
    region: Option<String>,
    locality: Option<String>,
    street: Option<String>,
}

impl PhoneRow {
    fn of(phone: &Phone) -> Self {
        let kind = phone.kind().map(|kind| kind.as_str().to_owned());
        Self { number: phone.number().to_owned(), e164: phone.e164().is_some(), kind }
    }

    fn read(self) -> Phone {
        Phone::kept(self.number, self.e164, self.kind.as_deref().and_then(PhoneKind::named))
    }
}

impl AddressRow {
    fn of(address: &Address) -> Self {
        Self {
            kind: address.kind.map(|kind| kind.as_str().to_owned()),
            postal_code: address.postal_code.as_ref().map(|line| line.as_str().to_owned()),
            region: address.region.as_ref().map(|line| line.as_str().to_owned()),
            locality: address.locality.as_ref().map(|line| line.as_str().to_owned()),
            street: address.street.as_ref().map(|line| line.as_str().to_owned()),
        }
    }

    fn read(self) -> Result<Address, sqlx::Error> {
        Ok(Address {
            kind: self.kind.as_deref().and_then(AddressKind::named),
            postal_code: line(self.postal_code.as_deref())?,
            region: line(self.region.as_deref())?,
            locality: line(self.locality.as_deref())?,
            street: line(self.street.as_deref())?,
        })
    }
}

fn line<const MAX: usize>(text: Option<&str>) -> Result<Option<Line<MAX>>, sqlx::Error> {
    Line::optional(text.unwrap_or_default()).map_err(|error| row::damaged("addresses", error))
}

fn stored(row: &PgRow) -> Result<StoredCustomer, sqlx::Error> {
    let name = PersonName::new(
        row::read(row, "family_name", NamePart::optional)?,
        row::read(row, "given_name", NamePart::optional)?,
        row::read(row, "family_reading", Reading::optional)?,
        row::read(row, "given_reading", Reading::optional)?,
    );
    let Json(phones): Json<Vec<PhoneRow>> = row::get(row, "phones")?;
    let Json(addresses): Json<Vec<AddressRow>> = row::get(row, "addresses")?;
    Ok(StoredCustomer {
        update_time: row::get(row, "update_time")?,
        merged_into: row::optional_id(row, "merged_into")?,
        stored: Stored {
            id: row::id(row, "customer_id")?,
            version: row::get(row, "version")?,
            create_time: row::get(row, "create_time")?,
            value: Customer {
                name: name.map_err(|error| row::damaged("family_name", error))?,
                phones: phones.into_iter().map(PhoneRow::read).collect(),
                addresses: addresses.into_iter().map(AddressRow::read).collect::<Result<_, _>>()?,
                birth_date: row::get::<Option<NaiveDate>>(row, "birth_date")?.map(BirthDate::kept),
                organization: row::optional_id(row, "organization_id")?,
                external_reference: row::read(row, "external_reference", Line::optional)?,
                provisional: row::get(row, "provisional")?,
            },
        },
    })
}

/// Text that is null where it is empty.
fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// Adds a customer.
pub(crate) async fn insert(tx: &mut TenantTx, customer: &StoredCustomer) -> Result<(), sqlx::Error> {
    let StoredCustomer { stored, update_time, .. } = customer;
    let name = &stored.value.name;
    let keys = NameKeys::of(name);
    sqlx::query(
        "INSERT INTO identity.customer
             (tenant_id, customer_id, version, family_name, given_name, family_reading, given_reading, birth_date,
              organization_id, external_reference, provisional, create_time, update_time, name_key, reading_key, variant_key)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind(tx.tenant().uuid())
    .bind(stored.id.uuid())
    .bind(stored.version)
    .bind(some(name.family()))
    .bind(some(name.given()))
    .bind(some(name.family_reading()))
    .bind(some(name.given_reading()))
    .bind(stored.value.birth_date.map(BirthDate::day))
    .bind(stored.value.organization.map(OrganizationId::uuid))
    .bind(stored.value.external_reference.as_ref().map(Line::as_str))
    .bind(stored.value.provisional)
    .bind(stored.create_time)
    .bind(update_time)
    .bind(keys.exact.as_str())
    .bind(keys.reading.as_ref().map(NameKey::as_str).unwrap_or_default())
    .bind(keys.variant.as_str())
    .execute(&mut **tx)
    .await?;
    put_contacts(tx, stored.id, &stored.value).await
}

/// Keeps a customer's new version.
pub(crate) async fn update(tx: &mut TenantTx, customer: &StoredCustomer) -> Result<(), sqlx::Error> {
    let StoredCustomer { stored, update_time, merged_into } = customer;
    let name = &stored.value.name;
    let keys = NameKeys::of(name);
    sqlx::query(
        "UPDATE identity.customer
         SET version = $3, family_name = $4, given_name = $5, family_reading = $6, given_reading = $7, birth_date = $8,
             organization_id = $9, external_reference = $10, provisional = $11, update_time = $12, name_key = $13,
             reading_key = $14, variant_key = $15, merged_into = $16
         WHERE tenant_id = $1 AND customer_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(stored.id.uuid())
    .bind(stored.version)
    .bind(some(name.family()))
    .bind(some(name.given()))
    .bind(some(name.family_reading()))
    .bind(some(name.given_reading()))
    .bind(stored.value.birth_date.map(BirthDate::day))
    .bind(stored.value.organization.map(OrganizationId::uuid))
    .bind(stored.value.external_reference.as_ref().map(Line::as_str))
    .bind(stored.value.provisional)
    .bind(update_time)
    .bind(keys.exact.as_str())
    .bind(keys.reading.as_ref().map(NameKey::as_str).unwrap_or_default())
    .bind(keys.variant.as_str())
    .bind(merged_into.map(CustomerId::uuid))
    .execute(&mut **tx)
    .await?;
    for table in [
        "DELETE FROM identity.customer_phone WHERE tenant_id = $1 AND customer_id = $2",
        "DELETE FROM identity.customer_address WHERE tenant_id = $1 AND customer_id = $2",
    ] {
        sqlx::query(table).bind(tx.tenant().uuid()).bind(stored.id.uuid()).execute(&mut **tx).await?;
    }
    put_contacts(tx, stored.id, &stored.value).await
}

async fn put_contacts(tx: &mut TenantTx, id: CustomerId, customer: &Customer) -> Result<(), sqlx::Error> {
    if !customer.phones.is_empty() {
        sqlx::query(
            "INSERT INTO identity.customer_phone (tenant_id, customer_id, position, number, e164, kind)
             SELECT $1, $2, p.ordinality, p.value ->> 'number', (p.value ->> 'e164')::boolean, p.value ->> 'kind'
             FROM jsonb_array_elements($3) WITH ORDINALITY p",
        )
        .bind(tx.tenant().uuid())
        .bind(id.uuid())
        .bind(Json(customer.phones.iter().map(PhoneRow::of).collect::<Vec<_>>()))
        .execute(&mut **tx)
        .await?;
    }
    if !customer.addresses.is_empty() {
        sqlx::query(
            "INSERT INTO identity.customer_address
                 (tenant_id, customer_id, position, kind, postal_code, region, locality, street)
             SELECT $1, $2, a.ordinality, a.value ->> 'kind', a.value ->> 'postal_code', a.value ->> 'region',
                 a.value ->> 'locality', a.value ->> 'street'
             FROM jsonb_array_elements($3) WITH ORDINALITY a",
        )
        .bind(tx.tenant().uuid())
        .bind(id.uuid())
        .bind(Json(customer.addresses.iter().map(AddressRow::of).collect::<Vec<_>>()))
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// A customer, by ID.
pub(crate) async fn find(tx: &mut TenantTx, id: CustomerId) -> Result<Option<StoredCustomer>, sqlx::Error> {
    let row = sqlx::query(concat!(
        "SELECT c.*, ",
        include_str!("customer_contacts.sql"),
        " FROM identity.customer c WHERE c.tenant_id = $1 AND c.customer_id = $2"
    ))
    .bind(tx.tenant().uuid())
    .bind(id.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(stored).transpose()
}

/// A customer, by the ID in the caller's own system.
pub(crate) async fn find_by_reference(
    tx: &mut TenantTx,
    reference: &ExternalReference,
) -> Result<Option<StoredCustomer>, sqlx::Error> {
    let row = sqlx::query(concat!(
        "SELECT c.*, ",
        include_str!("customer_contacts.sql"),
        " FROM identity.customer c WHERE c.tenant_id = $1 AND c.external_reference = $2"
    ))
    .bind(tx.tenant().uuid())
    .bind(reference.as_str())
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(stored).transpose()
}

/// A customer, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut TenantTx, id: CustomerId) -> Result<Option<StoredCustomer>, sqlx::Error> {
    sqlx::query("SELECT FROM identity.customer WHERE tenant_id = $1 AND customer_id = $2 FOR NO KEY UPDATE")
        .bind(tx.tenant().uuid())
        .bind(id.uuid())
        .fetch_optional(&mut **tx)
        .await?;
    find(tx, id).await
}

/// At most `size` customers that `sight` takes in, latest change first, behind `after`.
pub(crate) async fn list(
    tx: &mut TenantTx,
    sight: &Sight,
    after: Option<Position>,
    size: i64,
) -> Result<Vec<StoredCustomer>, sqlx::Error> {
    let (time, id) = after.unzip();
    // A branch's are read along the index of its latest, a page of each branch.
    let query = match sight.limits() {
        None => concat!(
            "SELECT c.*, ",
            include_str!("customer_contacts.sql"),
            " FROM identity.customer c
              WHERE c.tenant_id = $1 AND c.merged_into IS NULL AND $5::uuid[] IS NULL
                  AND (c.update_time, c.customer_id) < (coalesce($2::timestamptz, 'infinity'), $3)
              ORDER BY c.update_time DESC, c.customer_id DESC LIMIT $4"
        ),
        Some(_) => concat!(
            "SELECT c.*, ",
            include_str!("customer_contacts.sql"),
            " FROM (
                  SELECT page.* FROM unnest($5::uuid[]) AS o (id) CROSS JOIN LATERAL (
                      SELECT * FROM identity.customer
                      WHERE tenant_id = $1 AND organization_id = o.id AND merged_into IS NULL
                          AND (update_time, customer_id) < (coalesce($2::timestamptz, 'infinity'), $3)
                      ORDER BY update_time DESC, customer_id DESC LIMIT $4) page
                  ORDER BY page.update_time DESC, page.customer_id DESC LIMIT $4) c
              ORDER BY c.update_time DESC, c.customer_id DESC"
        ),
    };
    let rows = sqlx::query(query)
        .bind(tx.tenant().uuid())
        .bind(time)
        .bind(id)
        .bind(size)
        .bind(sight.limits().map(|of| of.iter().map(|id| id.uuid()).collect::<Vec<_>>()))
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(stored).collect()
}

/// At most `size` customers behind `after`, by ID: an order that no change disturbs.
pub(crate) async fn list_by_id(
    tx: &mut TenantTx,
    after: Option<CustomerId>,
    size: i64,
) -> Result<Vec<StoredCustomer>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT c.*, '[]'::jsonb AS phones, '[]'::jsonb AS addresses FROM identity.customer c
         WHERE c.tenant_id = $1 AND c.customer_id > coalesce($2::uuid, '00000000-0000-0000-0000-000000000000') ORDER BY c.customer_id LIMIT $3",
    )
    .bind(tx.tenant().uuid())
    .bind(after.map(CustomerId::uuid))
    .bind(size)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(stored).collect()
}
