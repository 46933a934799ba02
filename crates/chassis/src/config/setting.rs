//! The types a setting can have.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use url::Url;

use super::Secret;

/// A type that a setting can have.
pub trait Setting: Sized {
    /// What the text must be, with its article: `a URL`.
    const FORM: &'static str;

    /// Reads the text.
    ///
    /// # Errors
    /// Why it is not of this form, without repeating it.
    fn parse(text: &str) -> Result<Self, String>;

    /// What stands in for a value that is missing, until [`super::Settings::finish`] refuses it.
    fn placeholder() -> Self;
}

macro_rules! parsed_settings {
    ($($kind:ty, $form:literal, $placeholder:expr;)+) => {$(
        impl Setting for $kind {
            const FORM: &'static str = $form;

            fn parse(text: &str) -> Result<Self, String> {
                text.parse().map_err(|error: <$kind as std::str::FromStr>::Err| error.to_string())
            }

            fn placeholder() -> Self {
                $placeholder
            }
        }
    )+};
}

parsed_settings! {
    u16, "a number from 0 to 65535", 0;
    u32, "a whole number", 0;
    u64, "a whole number", 0;
    usize, "a whole number", 0;
    NonZeroU32, "a whole number, 1 or more", NonZeroU32::MIN;
    NonZeroUsize, "a whole number, 1 or more", NonZeroUsize::MIN;
    f64, "a number", 0.0;
    bool, "`true` or `false`", false;
    SocketAddr, "an address such as 127.0.0.1:8080", SocketAddr::from(([127, 0, 0, 1], 0));
    String, "a text", String::new();
    PathBuf, "a path", PathBuf::new();
}

impl Setting for Url {
    const FORM: &'static str = "a URL";

    fn parse(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|error| error.to_string())
    }

    fn placeholder() -> Self {
        #[expect(clippy::expect_used, reason = "a constant that is a URL")]
        Self::parse("http://placeholder.invalid").expect("a URL")
    }
}

impl Setting for Secret {
    const FORM: &'static str = "a secret";

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self::new(text.to_owned()))
    }

    fn placeholder() -> Self {
        Self::new(String::new())
    }
}
