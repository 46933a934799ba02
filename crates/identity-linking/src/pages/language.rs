//! In which language a page is shown.

use http::{HeaderMap, header};

/// A language the pages speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Japanese,
    English,
}

impl Language {
    /// What the address says (`?lang=en`), else what the browser likes best (RFC 9110, 12.5.4), else Japanese.
    pub(super) fn of(query: Option<&str>, headers: &HeaderMap) -> Self {
        let asked = query.and_then(|query| {
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            pairs.find_map(|(name, value)| (name == "lang").then(|| Self::named(&value)).flatten())
        });
        let liked = || headers.get(header::ACCEPT_LANGUAGE).and_then(|value| Self::liked(value.to_str().ok()?));
        asked.or_else(liked).unwrap_or(Self::Japanese)
    }

    /// The language of a tag; the region does not matter.
    fn named(tag: &str) -> Option<Self> {
        match tag.split('-').next()?.to_ascii_lowercase().as_str() {
            "ja" => Some(Self::Japanese),
            "en" => Some(Self::English),
            _ => None,
        }
    }

    /// The one liked best of those spoken here; of equals, the first.
    fn liked(accepted: &str) -> Option<Self> {
        let ranges = accepted.split(',').filter_map(|range| {
            let (tag, rest) = range.split_once(';').unwrap_or((range, ""));
            let quality = match rest.trim().strip_prefix("q=") {
                Some(quality) => quality.trim().parse::<f32>().ok()?,
                None => 1.0,
            };
            (quality > 0.0).then_some((Self::named(tag.trim())?, quality))
        });
        let best = |best: Option<(Self, f32)>, next: (Self, f32)| match best {
            Some(best) if best.1 >= next.1 => Some(best),
            _ => Some(next),
        };
        ranges.fold(None, best).map(|(language, _)| language)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(query: Option<&str>, accepted: &str) -> Language {
        let headers = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, accepted.parse().unwrap())]);
        Language::of(query, &headers)
    }

    #[test]
    fn the_address_speaks_before_the_browser_and_japanese_is_last() {
        use Language::{English, Japanese};
        assert_eq!(Language::of(None, &HeaderMap::new()), Japanese);
        for (query, accepted, wanted) in [
            (Some("lang=en"), "ja", English),
            (Some("x=1&lang=ja"), "en", Japanese),
            (Some("lang=fr"), "en-GB", English),
            (None, "en-US,en;q=0.9,ja;q=0.8", English),
            (None, "fr;q=0.9, EN;q=0.3, ja-JP;q=0.5", Japanese),
            (None, "ja;q=0, en;q=0.1", English),
            (None, "zh-TW,zh;q=0.9", Japanese),
            (None, "ja,en", Japanese),
            (None, "en;q=x", Japanese),
        ] {
            assert_eq!(of(query, accepted), wanted, "{query:?} {accepted}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_a_language(query in ".{0,40}", accepted in "[ -~]{0,60}") {
            of(Some(&query), &accepted);
        }
    }
}
