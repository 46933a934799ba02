//! Reading a request's fields: every wrong one is noted, and all are told at once.

use std::fmt::Display;
use std::str::FromStr;

use crate::grpc::refuse::Violations;
use crate::page::{Page, Place};
use contracts::ListRequest;
use kernel::{TenantId, Timestamp};
use tonic::Status;

/// The fields of one request.
#[derive(Debug, Default)]
pub struct Fields(Violations);

impl Fields {
    /// Nothing read yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What a field reads as; noted if it is wrong.
    pub fn take<T, E: Display>(&mut self, field: &str, read: Result<T, E>) -> Option<T> {
        read.map_err(|why| self.0.add(field, why.to_string())).ok()
    }

    /// What a value of an enumeration, as it was sent, reads as; it must be given, and be one that there is.
    pub fn named<T>(&mut self, field: &str, wire: i32, read: Option<T>) -> Option<T> {
        self.take(field, read.ok_or(if wire == 0 { "is required" } else { "does not exist" }))
    }

    /// Notes that a field is wrong.
    pub fn wrong(&mut self, field: &str, why: &str) {
        self.0.add(field, why);
    }

    /// An ID that must be there.
    pub fn id<I: FromStr>(&mut self, field: &str, text: &str) -> Option<I> {
        self.take(field, text.parse().map_err(|_| if text.is_empty() { "is required" } else { "is not a UUID" }))
    }

    /// An ID that may be left out: the inner value is none then.
    pub fn optional_id<I: FromStr>(&mut self, field: &str, text: &str) -> Option<Option<I>> {
        if text.is_empty() { Some(None) } else { self.id(field, text).map(Some) }
    }

    /// A moment that may be left out.
    pub fn optional_time(&mut self, field: &str, wire: Option<&prost_types::Timestamp>) -> Option<Option<Timestamp>> {
        let Some(wire) = wire else { return Some(None) };
        // Beyond these years no calendar of the database or of a caller agrees.
        let moment = contracts::to_timestamp(wire)
            .filter(|moment| (-2_208_988_800..32_503_680_000).contains(&moment.timestamp()));
        let moment = moment.and_then(|moment| Timestamp::from_timestamp_micros(moment.timestamp_micros()));
        self.take(field, moment.ok_or("is not a moment between 1900 and 3000")).map(Some)
    }

    /// A duration that may be left out.
    pub fn optional_duration(
        &mut self,
        field: &str,
        wire: Option<&prost_types::Duration>,
    ) -> Option<Option<chrono::TimeDelta>> {
        let Some(wire) = wire else { return Some(None) };
        let fits = wire.nanos.unsigned_abs() < 1_000_000_000 && wire.seconds.unsigned_abs() < 315_576_000_000;
        let duration = fits
            .then(|| chrono::TimeDelta::try_seconds(wire.seconds))
            .flatten()
            .and_then(|whole| whole.checked_add(&chrono::TimeDelta::nanoseconds(wire.nanos.into())));
        self.take(field, duration.ok_or("is not a duration")).map(Some)
    }

    /// Which page of a list of `tenant` is asked for.
    pub fn page<P: Place>(&mut self, tenant: TenantId, request: &impl ListRequest) -> Option<Page<P>> {
        Page::read(tenant, request, &mut self.0)
    }

    /// What `build` makes of the values read.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` that names every wrong field, if there is one.
    pub fn all<T>(self, build: impl FnOnce() -> Option<T>) -> Result<T, Status> {
        self.0.finish()?;
        // A missing value was noted above; this is for a value that was not read at all.
        build().ok_or_else(|| Status::internal("internal error"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::identity::v1::ListCustomersRequest;
    use kernel::CustomerId;
    use tonic_types::StatusExt as _;

    #[test]
    fn every_wrong_field_is_told_at_once() {
        let mut fields = Fields::new();
        let name = fields.take("name", Err::<(), _>("is required"));
        let id = fields.id::<CustomerId>("customer_id", "x");
        let wrong = ListCustomersRequest { page_size: -1, page_token: "%".to_owned() };
        let page = fields.page::<i64>(TenantId::from(uuid::Uuid::nil()), &wrong);
        let refusal = fields.all(|| Some((name?, id?, page?))).unwrap_err();
        let told = refusal.get_details_bad_request().unwrap().field_violations;
        let names: Vec<&str> = told.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(names, ["name", "customer_id", "page_size", "page_token"]);
    }

    #[test]
    fn a_value_that_does_not_exist_is_not_taken_for_one_that_was_left_out() {
        let mut fields = Fields::new();
        assert_eq!((fields.named("one", 1, Some("a")), fields.named::<()>("two", 0, None)), (Some("a"), None));
        assert_eq!(fields.named::<()>("three", 99, None), None);
        let refusal = fields.all(|| Some(())).unwrap_err();
        let told = refusal.get_details_bad_request().unwrap().field_violations;
        let told: Vec<(&str, &str)> = told.iter().map(|one| (one.field.as_str(), one.description.as_str())).collect();
        assert_eq!(told, [("two", "is required"), ("three", "does not exist")]);
    }

    #[test]
    fn moments_and_durations_out_of_range_are_refused() {
        let mut fields = Fields::new();
        for seconds in [i64::MAX, i64::MIN, -62_135_596_801] {
            let wire = prost_types::Timestamp { seconds, nanos: 0 };
            assert_eq!(fields.optional_time("time", Some(&wire)), None);
            let wire = prost_types::Duration { seconds, nanos: i32::MIN };
            assert_eq!(fields.optional_duration("duration", Some(&wire)), None);
        }
        assert_eq!(fields.optional_time("time", None), Some(None));
        let wire = prost_types::Duration { seconds: 90, nanos: 0 };
        assert_eq!(fields.optional_duration("duration", Some(&wire)), Some(Some(chrono::TimeDelta::seconds(90))));
    }
}
