//! What a form page asks of the linking.
#![cfg_attr(not(test), expect(dead_code, reason = "made by what opens and submits forms"))]

use std::net::IpAddr;
use std::time::Duration;

use url::Url;

use super::Desk;

/// A form whose token is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// Which form it is.
    pub(crate) form: Form,
    /// The name of the shop's official account; may be empty.
    pub(crate) account_name: String,
}

/// The forms there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Asks for the name and a text.
    Inquiry,
    /// Asks for the name and the mobile number.
    Link,
}

/// What was typed; what the form does not ask for is empty. Line ends are `\n`. `Debug` shows nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The family name.
    pub(crate) family: String,
    /// The given name.
    pub(crate) given: String,
    /// The mobile number.
    pub(crate) mobile: String,
    /// The text of the inquiry.
    pub(crate) text: String,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entry(..)")
    }
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Submitted {
    /// LINE's account-link dialog is to be opened.
    Confirm(Url),
    /// These fields are wrong. The token is not used up.
    Wrong(Vec<(FormField, Wrong)>),
    /// The token is unknown, expired, used or foreign.
    Gone,
    /// Too many submissions; the next one after this time.
    TooMany(Duration),
    /// LINE or the database is away. The token is not used up.
    Away,
}

/// A field of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FormField {
    /// [`Entry::family`].
    Family,
    /// [`Entry::given`].
    Given,
    /// [`Entry::mobile`].
    Mobile,
    /// [`Entry::text`].
    Text,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It must not be empty.
    Missing,
    /// It is too long.
    TooLong,
    /// It is no mobile number.
    NotMobile,
    /// It holds characters that cannot be taken.
    Unfit,
}

/// Why a form cannot be opened at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotNow {
    /// The database is away.
    Away,
    /// The client opened too many; the next one after this time.
    TooMany(Duration),
}

/// Opens the form of a token, which uses nothing up; none where [`Submitted::Gone`] would be answered.
pub(crate) async fn open(_desk: &Desk, _token: &str, _client: IpAddr) -> Result<Option<Opened>, NotNow> {
    Ok(None)
}

/// Submits what was typed.
pub(crate) async fn submit(_desk: &Desk, _token: &str, _entry: Entry, _client: IpAddr) -> Submitted {
    Submitted::Gone
}
