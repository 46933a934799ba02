//! Where LINE's APIs are.

use url::Url;

/// LINE's hosts: <https://developers.line.biz/en/reference/messaging-api/#domain-name>. Tests point them to a simulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    api: Url,
    data: Url,
}

/// Why an address cannot be LINE's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an endpoint is an http or https address without query and fragment")]
pub struct EndpointError;

impl Endpoints {
    /// Takes http and https addresses, with or without a path.
    pub fn new(api: Url, data: Url) -> Result<Self, EndpointError> {
        for url in [&api, &data] {
            let plain = url.query().is_none() && url.fragment().is_none();
            if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !plain {
                return Err(EndpointError);
            }
        }
        Ok(Self { api, data })
    }

    /// LINE itself.
    #[expect(clippy::missing_panics_doc, clippy::expect_used, reason = "both addresses are constants that parse")]
    pub fn line() -> Self {
        Self {
            api: Url::parse("https://api.line.me").expect("constant address"),
            data: Url::parse("https://api-data.line.me").expect("constant address"),
        }
    }

    pub(crate) fn api(&self, path: &[&str]) -> Url {
        extend(&self.api, path)
    }

    pub(crate) fn data(&self, path: &[&str]) -> Url {
        extend(&self.data, path)
    }
}

/// Appends path segments, each percent-encoded.
fn extend(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    // http and https addresses always have path segments.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_appended_and_encoded() {
        let base = Url::parse("http://127.0.0.1:9000/line/").unwrap();
        let endpoints = Endpoints::new(base.clone(), base).unwrap();
        assert_eq!(endpoints.api(&["v2", "bot", "info"]).as_str(), "http://127.0.0.1:9000/line/v2/bot/info");
        assert_eq!(endpoints.data(&["a/b?c#d"]).as_str(), "http://127.0.0.1:9000/line/a%2Fb%3Fc%23d");
        assert_eq!(Endpoints::line().api(&["v2"]).as_str(), "https://api.line.me/v2");
    }

    #[test]
    fn other_schemes_are_refused() {
        let line = Url::parse("https://api.line.me").unwrap();
        for bad in ["ftp://api.line.me", "https://api.line.me?x=1", "https://api.line.me/#x", "data:text/plain,x"] {
            assert_eq!(Endpoints::new(Url::parse(bad).unwrap(), line.clone()), Err(EndpointError), "{bad}");
        }
    }
}
