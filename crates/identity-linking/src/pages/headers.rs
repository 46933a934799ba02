//! The headers of every page: no script, nobody else's content, no frame, nothing kept.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::view::STYLE;

/// The hash that allows our own style alone (<https://www.w3.org/TR/CSP3/#framework-directive-source-list>).
static STYLE_HASH: LazyLock<String> = LazyLock::new(|| STANDARD.encode(Sha256::digest(STYLE)));

const STRICT_TRANSPORT: (HeaderName, &str) = (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
const ALWAYS: [(HeaderName, &str); 9] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::VARY, "Accept-Language, Cookie"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=()"),
];

/// Where LINE may send people on to from its login host, to log in for instance.
const LINES_HOSTS: &str = "https://*.line.me";

/// The headers of pages that are served as `own` and send people on to `line_login`. The redirect that answers a form counts as
/// its action, and so does every further one: Chromium stops at the first host that is not named
/// (<https://www.w3.org/TR/CSP3/#directive-form-action>).
pub(super) fn of_pages(own: &Url, line_login: &Url) -> HeaderMap {
    let line = line_login.origin().ascii_serialization();
    let style = &*STYLE_HASH;
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self' {line} {LINES_HOSTS}; frame-ancestors 'none'; base-uri 'none'"
    );
    let mut headers: HeaderMap =
        ALWAYS.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
    // An origin is ASCII, so this is a value always; without it no page may be served at all.
    let policy = HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'; sandbox"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    if own.scheme() == "https" {
        let (name, value) = STRICT_TRANSPORT;
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(own: &str) -> HeaderMap {
        of_pages(&own.parse().unwrap(), &"https://access.line.me/x".parse().unwrap())
    }

    #[test]
    fn nothing_is_allowed_but_our_style_our_form_and_lines_dialog() {
        let headers = of("https://link.example.com");
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(
            policy.ends_with(
                "'; form-action 'self' https://access.line.me https://*.line.me; frame-ancestors 'none'; base-uri 'none'"
            ),
            "{policy}"
        );
        assert!(!policy.contains("unsafe") && policy.matches('*').count() == 1 && !policy.contains("script"));
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers["cross-origin-opener-policy"], "same-origin");
    }

    #[test]
    fn https_is_remembered_where_there_is_https() {
        assert!(of("https://link.example.com").contains_key(header::STRICT_TRANSPORT_SECURITY));
        assert!(!of("http://127.0.0.1:8081").contains_key(header::STRICT_TRANSPORT_SECURITY));
    }
}
