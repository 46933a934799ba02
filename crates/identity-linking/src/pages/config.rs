//! Where the form pages are, and who stands before them.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use chassis::config::Settings;
use url::{Host, Url};

/// Connections at once where nobody says otherwise.
const CONNECTIONS: NonZeroU32 = NonZeroU32::new(2_000).unwrap();
const PAGES_URL: &str = "TSUNAGI_IDENTITY_PAGES_URL";
const LINE_LOGIN_URL: &str = "TSUNAGI_LINE_LOGIN_URL";
const TRUSTED_PROXIES: &str = "TSUNAGI_IDENTITY_TRUSTED_PROXIES";
/// More proxies in a row are a mistake.
const MOST_PROXIES: usize = 8;

/// The settings of the form pages.
#[derive(Clone, Debug)]
pub struct PagesConfig {
    /// Where the pages are served. Plain HTTP: an ingress in front of it speaks TLS with browsers.
    pub addr: SocketAddr,
    /// The address browsers know: scheme, host and port alone.
    pub url: Url,
    /// LINE's login host, where the account-link dialog is.
    pub line_login_url: Url,
    /// How many addresses at the end of `X-Forwarded-For` proxies of ours wrote; 0: the header is not looked at.
    pub trusted_proxies: usize,
    /// Most connections at once.
    pub connections: NonZeroU32,
}

impl PagesConfig {
    /// Reads the settings; mistakes are collected there.
    pub fn read(settings: &mut Settings) -> Self {
        let addr = settings.required(
            "TSUNAGI_IDENTITY_PAGES_ADDR",
            "Where the form pages are served: plain HTTP, behind an ingress that speaks TLS.",
        );
        let url: Url = settings.required(
            PAGES_URL,
            "The address of the form pages as browsers know it, without a path: https://link.example.com. Cards in the chat \
             lead there.",
        );
        if !is_safe(&url) || url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            settings.mistake(PAGES_URL, "must be https:// (http:// on loopback), a host, and no more");
        }
        let line_login_url: Url =
            settings.or(LINE_LOGIN_URL, lines_own(), "LINE's login host, where somebody confirms to be linked.");
        if !is_safe(&line_login_url) {
            settings.mistake(LINE_LOGIN_URL, "must be https:// (http:// on loopback)");
        }
        let trusted_proxies = settings.or(
            TRUSTED_PROXIES,
            0,
            "How many proxies in a row stand before the form pages, each adding to X-Forwarded-For. Who asks is told apart \
             by the address the outermost of them saw; with 0, by the connection's.",
        );
        if trusted_proxies > MOST_PROXIES {
            settings.mistake(TRUSTED_PROXIES, "must lie between 0 and 8");
        }
        let connections = settings.or(
            "TSUNAGI_IDENTITY_PAGES_CONNECTIONS",
            CONNECTIONS,
            "Connections to the form pages at once; more wait.",
        );
        Self { addr, url, line_login_url, trusted_proxies, connections }
    }
}

/// Whether what is sent there travels encrypted, or not at all.
fn is_safe(url: &Url) -> bool {
    let bare = url.username().is_empty() && url.password().is_none();
    bare && match url.scheme() {
        "https" => url.host().is_some(),
        "http" => is_loopback(url),
        _ => false,
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// LINE's login host.
#[expect(clippy::expect_used, reason = "a constant that is a URL")]
fn lines_own() -> Url {
    Url::parse("https://access.line.me").expect("a URL")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(name: &str, value: &str) -> Vec<String> {
        let mut given = std::collections::BTreeMap::from(
            [("TSUNAGI_IDENTITY_PAGES_ADDR", "127.0.0.1:0"), (PAGES_URL, "https://link.example.com")]
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        given.insert(name.to_owned(), value.to_owned());
        let mut settings = Settings::from_map(given);
        PagesConfig::read(&mut settings);
        settings.finish().err().map_or_else(Vec::new, |error| error.mistakes)
    }

    #[test]
    fn addresses_are_encrypted_or_on_loopback_and_hold_nothing_more() {
        for name in [PAGES_URL, LINE_LOGIN_URL] {
            for good in
                ["https://link.example.com", "https://link.example.com:8443/", "http://127.0.0.1:8081", "http://[::1]"]
            {
                assert_eq!(mistakes(name, good), [""; 0], "{good}");
            }
            for bad in ["http://link.example.com", "ftp://link.example.com", "https://a:b@link.example.com", "data:x"] {
                assert_eq!(mistakes(name, bad).len(), 1, "{bad}");
            }
        }
        for bad in ["https://link.example.com/x", "https://link.example.com/?x", "https://link.example.com/#x"] {
            assert_eq!(mistakes(PAGES_URL, bad).len(), 1, "{bad}");
        }
    }

    #[test]
    fn more_proxies_than_anybody_has_are_refused() {
        assert_eq!(mistakes(TRUSTED_PROXIES, "8"), [""; 0]);
        assert_eq!(mistakes(TRUSTED_PROXIES, "9").len(), 1);
    }
}
