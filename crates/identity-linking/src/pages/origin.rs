//! Where a submission comes from, as far as the browser says.

use http::{HeaderMap, header};

const FETCH_SITE: &str = "sec-fetch-site";

/// Whether the browser says that a page of another origin sends the request. Old browsers say neither; then the proof decides
/// alone. Pages that forbid referrers, as ours do, send the origin `null` even to themselves (Fetch, "append a request `Origin`
/// header"), so `null` says nothing.
pub(super) fn is_foreign(headers: &HeaderMap, own: &str) -> bool {
    let origins = headers.get_all(header::ORIGIN).iter();
    let foreign_origin = origins.into_iter().any(|origin| origin != own && origin != "null");
    let sites = headers.get_all(FETCH_SITE).iter();
    let foreign_site = sites.into_iter().any(|site| site != "same-origin" && site != "none");
    foreign_origin || foreign_site
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "https://link.example.com";

    #[test]
    fn what_another_origin_sends_is_foreign() {
        let of = |pairs: &[(&'static str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
            is_foreign(&pairs.collect::<HeaderMap>(), OWN)
        };
        for own in [
            &[][..],
            &[("origin", OWN)],
            &[("origin", "null"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
        ] {
            assert!(!of(own), "{own:?}");
        }
        for foreign in [
            &[("origin", "https://evil.example")][..],
            &[("origin", "http://link.example.com")],
            &[("origin", "https://link.example.com:8443")],
            &[("origin", "null"), ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("origin", OWN), ("sec-fetch-site", "nonsense")],
        ] {
            assert!(of(foreign), "{foreign:?}");
        }
    }
}
