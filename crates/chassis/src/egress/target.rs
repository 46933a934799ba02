//! An address somebody entered.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use super::Allowed;

/// The longest address.
const LONGEST: usize = 2_048;

/// An address that may be called, as far as it can be judged without asking for its name. It does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Target(Url);

/// Why an address is none that may be called. The words are meant for whoever entered it, and do not repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No URL, or one without a host.
    #[error("is not a URL")]
    NotUrl,
    /// Longer than 2,048 bytes.
    #[error("is longer than 2,048 bytes")]
    TooLong,
    /// Another scheme.
    #[error("does not begin with https://")]
    NotHttps,
    /// A user name or a password.
    #[error("holds a user name or a password")]
    UserInfo,
    /// What stands behind a `#` is never sent.
    #[error("holds a fragment")]
    Fragment,
    /// A host or a port that nobody has: a name or a part of it without a letter or too long (RFC 1035, section 2.3.4), port 0.
    #[error("names a host or a port that cannot be")]
    Nowhere,
    /// An IP address that is not public.
    #[error("is an address that may not be called")]
    Forbidden,
}

impl Target {
    pub(super) fn parse(text: &str, allowed: &Allowed) -> Result<Self, TargetError> {
        if text.len() > LONGEST {
            return Err(TargetError::TooLong);
        }
        let url = Url::parse(text).map_err(|_| TargetError::NotUrl)?;
        if url.scheme() != "https" {
            return Err(TargetError::NotHttps);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(TargetError::Fragment);
        }
        if url.port() == Some(0) {
            return Err(TargetError::Nowhere);
        }
        // No resolver is asked for an address that is written out, so it is judged here.
        let address = match url.host().ok_or(TargetError::NotUrl)? {
            Host::Domain(name) if !is_name(name) => return Err(TargetError::Nowhere),
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
        };
        if address.is_some_and(|address| !allowed.permits(address)) {
            return Err(TargetError::Forbidden);
        }
        Ok(Self(url))
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }

    /// The address itself, to be kept; never for a log or an error.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Target(..)")
    }
}

/// Whether a name can be asked for: parts of 1 to 63 bytes, 253 in all, and a dot at the end or none.
fn is_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() <= 253 && name.split('.').all(|part| (1..=63).contains(&part.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Setting as _;

    #[test]
    fn an_address_is_judged_however_it_is_written() {
        let parse = |text: &str| Target::parse(text, &Allowed::default()).map(drop);
        for (text, error) in [
            ("", TargetError::NotUrl),
            ("hooks.example", TargetError::NotUrl),
            ("http://hooks.example/", TargetError::NotHttps),
            ("ftp://hooks.example/", TargetError::NotHttps),
            ("file:///etc/passwd", TargetError::NotHttps),
            ("https://a:b@hooks.example/", TargetError::UserInfo),
            ("https://a@hooks.example/", TargetError::UserInfo),
            ("https://hooks.example/#x", TargetError::Fragment),
            ("https://./", TargetError::Nowhere),
            ("https://a..example/", TargetError::Nowhere),
            ("https://hooks.example:0/", TargetError::Nowhere),
            ("https://127.0.0.1/", TargetError::Forbidden),
            ("https://2130706433/", TargetError::Forbidden),
            ("https://0x7f.1/", TargetError::Forbidden),
            ("https://017700000001/", TargetError::Forbidden),
            ("https://169.254.169.254/latest/meta-data", TargetError::Forbidden),
            ("https://[::1]/", TargetError::Forbidden),
            ("https://[::ffff:10.0.0.1]:8443/", TargetError::Forbidden),
            ("https://[fd00:ec2::254]/", TargetError::Forbidden),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
        assert_eq!(parse(&format!("https://hooks.example/{}", "a".repeat(LONGEST))), Err(TargetError::TooLong));
        let with_label = |length: usize| parse(&format!("https://{}.example/", "a".repeat(length)));
        assert_eq!((with_label(63), with_label(64)), (Ok(()), Err(TargetError::Nowhere)));
        let long = ["a".repeat(62), "b".repeat(62), "c".repeat(62), "d".repeat(62)].join(".");
        assert_eq!(parse(&format!("https://{long}.e/")), Ok(()), "253 bytes");
        assert_eq!(parse(&format!("https://{long}.ee/")), Err(TargetError::Nowhere), "254 bytes");
        for text in [
            "https://hooks.example",
            "https://hooks.example./a",
            "https://hooks.example:8443/a?b=c",
            "https://8.8.8.8/",
            "https://[2606:4700::1]/",
        ] {
            assert_eq!(parse(text), Ok(()), "{text}");
        }
        let allowed = Allowed::parse("127.0.0.0/8").unwrap();
        assert!(Target::parse("https://0x7f.1:1/", &allowed).is_ok());
    }

    #[test]
    fn an_address_shows_itself_nowhere() {
        let target = Target::parse("https://hooks.example/secret", &Allowed::default()).unwrap();
        assert_eq!(format!("{target:?}"), "Target(..)");
    }
}
