//! Proof that a submission comes from a page we gave to the same browser: a random value in a cookie, and in the form what only
//! we could have made of it and the form token. Nothing is kept, so every replica knows it, also after a restart.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chassis::envelope::MasterKeys;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderValue, header};
use sha2::Sha256;

/// What the keys are derived for.
const PURPOSE: &str = "identity.form_proof";
/// Characters of 32 bytes in base64.
const LENGTH: usize = 43;
/// How long the browser keeps its value, in seconds: longer than a form token is good, so that whoever wrote past its end is
/// given back what he wrote.
const KEPT: u32 = 24 * 3_600;

/// Makes and checks proofs.
#[derive(Clone)]
pub(crate) struct Proofs(Vec<Hmac<Sha256>>);

/// A browser's own random value.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Browser(String);

impl Proofs {
    /// With the deployment's master keys.
    pub(crate) fn new(master_keys: &MasterKeys) -> Self {
        // A key of any length is taken.
        let keys = master_keys.derive(PURPOSE);
        Self(keys.iter().filter_map(|key| Hmac::new_from_slice(&**key).ok()).collect())
    }

    /// The proof that goes into the form of `token`.
    pub(super) fn make(&self, browser: &Browser, token: &str) -> String {
        let made = self.0.first().map(|key| mac(key, browser, token).finalize().into_bytes());
        made.map_or_else(String::new, |proof| URL_SAFE_NO_PAD.encode(proof))
    }

    /// Whether `proof` was made for this browser and token, with any of the keys.
    pub(super) fn holds(&self, browser: &Browser, token: &str, proof: &str) -> bool {
        let Ok(proof) = URL_SAFE_NO_PAD.decode(proof) else { return false };
        self.0.iter().any(|key| mac(key, browser, token).verify_slice(&proof).is_ok())
    }
}

/// The browser's value has one length, so no two pairs give the same bytes.
fn mac(key: &Hmac<Sha256>, browser: &Browser, token: &str) -> Hmac<Sha256> {
    key.clone().chain_update(&browser.0).chain_update(token)
}

impl Browser {
    /// A new one.
    pub(super) fn new() -> Self {
        Self(URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
    }

    /// The one whose cookie the request carries; none where it is missing, malformed or there twice.
    pub(super) fn of(headers: &HeaderMap, secure: bool) -> Option<Self> {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut values = pairs.filter(|(name, _)| *name == cookie_name(secure)).map(|(_, value)| value);
        let (value, None) = (values.next()?, values.next()) else { return None };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (value.len() == LENGTH && value.bytes().all(plain)).then(|| Self(value.to_owned()))
    }

    /// The cookie that makes the browser keep it. `Lax`: a second page opened from the chat gets the same one.
    pub(super) fn cookie(&self, secure: bool) -> Option<HeaderValue> {
        let (name, secure) = (cookie_name(secure), if secure { "; Secure" } else { "" });
        let Self(value) = self;
        format!("{name}={value}; Path=/; Max-Age={KEPT}; HttpOnly; SameSite=Lax{secure}").parse().ok()
    }
}

/// With `__Host-` no other host can set it; browsers take that over https alone.
fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-tsunagi-form" } else { "tsunagi-form" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proofs(keys: &str) -> Proofs {
        Proofs::new(&MasterKeys::parse(keys).unwrap())
    }

    const OLD: &str = "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const NEW: &str = "b:HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn a_proof_holds_for_its_browser_and_token_alone_at_every_replica() {
        let (one, other) = (proofs(OLD), proofs(OLD));
        let (browser, stranger) = (Browser::new(), Browser::new());
        let proof = one.make(&browser, "t.1");
        assert!(other.holds(&browser, "t.1", &proof));
        assert!(!other.holds(&stranger, "t.1", &proof));
        assert!(!other.holds(&browser, "t.2", &proof));
        assert!(!proofs(NEW).holds(&browser, "t.1", &proof));
        for wrong in ["", "AAAA", "?", &proof[1..], &format!("{proof}=")] {
            assert!(!one.holds(&browser, "t.1", wrong), "{wrong}");
        }
    }

    #[test]
    fn a_proof_outlives_a_new_master_key() {
        let browser = Browser::new();
        let proof = proofs(OLD).make(&browser, "t");
        assert!(proofs(&format!("{NEW},{OLD}")).holds(&browser, "t", &proof));
    }

    #[test]
    fn a_browser_is_known_by_one_well_formed_cookie() {
        let browser = Browser::new();
        let of = |cookies: &[&str], secure| {
            let mut headers = HeaderMap::new();
            for line in cookies {
                headers.append(header::COOKIE, line.parse().unwrap());
            }
            Browser::of(&headers, secure)
        };
        let value = &browser.0;
        let (plain, host) = (format!("tsunagi-form={value}"), format!("__Host-tsunagi-form={value}"));
        assert!(of(&[&format!("a=b; {host}")], true).is_some_and(|known| known == browser));
        assert!(of(&["a=b", &plain], false).is_some_and(|known| known == browser));
        assert!(of(&[&plain], true).is_none(), "another host could have set it");
        assert!(of(&[&host, &host], true).is_none());
        assert!(of(&["__Host-tsunagi-form=short"], true).is_none());
        assert!(of(&[&format!("__Host-tsunagi-form={}", "<".repeat(LENGTH))], true).is_none());
        assert!(of(&[], true).is_none());
    }

    #[test]
    fn the_cookie_is_for_this_host_and_no_script() {
        let cookie = |secure| Browser::new().cookie(secure).unwrap().to_str().unwrap().to_owned();
        let (host, plain) = (cookie(true), cookie(false));
        assert!(
            host.starts_with("__Host-tsunagi-form=")
                && host.ends_with("; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax; Secure")
        );
        assert!(plain.starts_with("tsunagi-form=") && plain.ends_with("; HttpOnly; SameSite=Lax"));
    }
}
