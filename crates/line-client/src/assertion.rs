//! JWT assertions for channel access tokens: <https://developers.line.biz/en/docs/messaging-api/generate-json-web-token/>.

use std::{fmt, time::Duration};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chrono::{DateTime, Utc};
use line_types::id::ChannelId;
use ring::{
    rand::SystemRandom,
    rsa::{KeyPair, KeyPairComponents, PublicKeyComponents},
    signature::RSA_PKCS1_SHA256,
};
use serde::Deserialize;
use serde_json::json;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Longest life of an assertion.
pub const MAX_ASSERTION_LIFETIME: Duration = Duration::from_mins(30);
/// Longest life of a v2.1 token.
pub const MAX_TOKEN_LIFETIME: Duration = Duration::from_hours(24 * 30);

const AUDIENCE: &str = "https://api.line.me/";
const MAX_KID: usize = 128;

/// Why a key cannot sign assertions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssertionKeyError {
    /// The key id is empty or longer than 128 visible ASCII characters.
    #[error("key id is malformed")]
    KeyId,
    /// Neither a PKCS#8 key in PEM nor a private RSA key in JWK.
    #[error("private key cannot be read")]
    Unreadable,
    /// Not an RSA key of 2048 to 4096 bits with consistent parts.
    #[error("private key is not a usable RSA key")]
    Rejected,
    /// The system gave no randomness.
    #[error("signing failed")]
    Signing,
}

/// The assertion signing key of a channel. Its public half, without `kid`, is registered in LINE's console, which assigns
/// the `kid`.
pub struct AssertionKey {
    kid: String,
    key: KeyPair,
}

impl fmt::Debug for AssertionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AssertionKey({})", self.kid)
    }
}

/// A private RSA key in JWK form (RFC 7518 section 6.3).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    n: String,
    e: String,
    d: String,
    p: String,
    q: String,
    dp: String,
    dq: String,
    qi: String,
}

impl Drop for Jwk {
    fn drop(&mut self) {
        for part in [&mut self.d, &mut self.p, &mut self.q, &mut self.dp, &mut self.dq, &mut self.qi] {
            part.zeroize();
        }
    }
}

impl AssertionKey {
    /// Reads a private key in either form operators have: PKCS#8 in PEM, or JWK as LINE's guide makes it.
    pub fn parse(kid: &str, key: &str) -> Result<Self, AssertionKeyError> {
        if key.trim_start().starts_with('{') { Self::from_jwk(kid, key) } else { Self::from_pkcs8_pem(kid, key) }
    }

    /// Reads a PKCS#8 key in PEM (`BEGIN PRIVATE KEY`).
    pub fn from_pkcs8_pem(kid: &str, pem: &str) -> Result<Self, AssertionKeyError> {
        let inner = pem
            .split_once("-----BEGIN PRIVATE KEY-----")
            .and_then(|(_, rest)| rest.split_once("-----END PRIVATE KEY-----"))
            .map(|(inner, _)| inner)
            .ok_or(AssertionKeyError::Unreadable)?;
        let packed: Zeroizing<String> = Zeroizing::new(inner.split_ascii_whitespace().collect());
        let der = Zeroizing::new(STANDARD.decode(packed.as_bytes()).map_err(|_| AssertionKeyError::Unreadable)?);
        Self::of(kid, KeyPair::from_pkcs8(&der))
    }

    /// Reads a private RSA key in JWK form.
    pub fn from_jwk(kid: &str, jwk: &str) -> Result<Self, AssertionKeyError> {
        let jwk: Jwk = serde_json::from_str(jwk).map_err(|_| AssertionKeyError::Unreadable)?;
        if jwk.kty != "RSA" {
            return Err(AssertionKeyError::Rejected);
        }
        let part =
            |text: &str| URL_SAFE_NO_PAD.decode(text).map(Zeroizing::new).map_err(|_| AssertionKeyError::Unreadable);
        let (modulus, exponent, private) = (part(&jwk.n)?, part(&jwk.e)?, part(&jwk.d)?);
        let (first, second) = ((part(&jwk.p)?, part(&jwk.dp)?), (part(&jwk.q)?, part(&jwk.dq)?));
        let coefficient = part(&jwk.qi)?;
        let components = KeyPairComponents {
            public_key: PublicKeyComponents { n: modulus.as_slice(), e: exponent.as_slice() },
            d: private.as_slice(),
            p: first.0.as_slice(),
            q: second.0.as_slice(),
            dP: first.1.as_slice(),
            dQ: second.1.as_slice(),
            qInv: coefficient.as_slice(),
        };
        Self::of(kid, KeyPair::from_components(&components))
    }

    fn of(kid: &str, key: Result<KeyPair, ring::error::KeyRejected>) -> Result<Self, AssertionKeyError> {
        if kid.is_empty() || kid.len() > MAX_KID || !kid.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(AssertionKeyError::KeyId);
        }
        Ok(Self { kid: kid.to_owned(), key: key.map_err(|_| AssertionKeyError::Rejected)? })
    }

    /// Makes an assertion for a channel.
    ///
    /// `lifetime` is the assertion's own, cut to 30 minutes; `token_lifetime` that of the v2.1 token asked for, cut to 30
    /// days, and none for a stateless token or for listing key ids.
    pub fn assert(
        &self,
        channel: &ChannelId,
        now: DateTime<Utc>,
        lifetime: Duration,
        token_lifetime: Option<Duration>,
    ) -> Result<Assertion, AssertionKeyError> {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.kid});
        let expiry = now.timestamp().saturating_add_unsigned(lifetime.min(MAX_ASSERTION_LIFETIME).as_secs());
        let mut claims = json!({"iss": channel, "sub": channel, "aud": AUDIENCE, "exp": expiry});
        if let Some(lifetime) = token_lifetime {
            claims["token_exp"] = lifetime.min(MAX_TOKEN_LIFETIME).as_secs().into();
        }
        let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let mut token = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)
            .map_err(|_| AssertionKeyError::Signing)?;
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(Assertion(token))
    }
}

/// A signed assertion: a bearer credential for its short life. Wiped on drop, never shown.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Assertion(String);

impl Assertion {
    /// The JWT in clear, for the form that must carry it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Assertion(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    const PEM: &str = include_str!("../tests/data/assertion-key.pem");
    const JWK: &str = include_str!("../tests/data/assertion-key.jwk.json");

    fn channel() -> ChannelId {
        ChannelId::parse("1234567890").unwrap()
    }

    fn claims(assertion: &Assertion, part: usize) -> serde_json::Value {
        let encoded = assertion.expose().split('.').nth(part).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap()
    }

    #[test]
    fn both_forms_sign_what_the_public_key_verifies() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let (pem, jwk) = (AssertionKey::parse("kid-1", PEM).unwrap(), AssertionKey::parse("kid-1", JWK).unwrap());
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pem.key.public().as_ref().to_vec());
        for key in [pem, jwk] {
            let assertion = key.assert(&channel(), now, Duration::from_mins(1), Some(Duration::from_hours(1))).unwrap();
            let (signed, signature) = assertion.expose().rsplit_once('.').unwrap();
            public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
            assert_eq!(claims(&assertion, 0), json!({"alg": "RS256", "typ": "JWT", "kid": "kid-1"}));
            assert_eq!(
                claims(&assertion, 1),
                json!({"iss": "1234567890", "sub": "1234567890", "aud": "https://api.line.me/",
                    "exp": 1_700_000_060_i64, "token_exp": 3600})
            );
        }
    }

    #[test]
    fn lifetimes_are_cut_to_what_line_takes() {
        let now = DateTime::from_timestamp(0, 0).unwrap();
        let key = AssertionKey::parse("k", PEM).unwrap();
        let long = Duration::from_hours(10_000);
        let assertion = key.assert(&channel(), now, long, Some(long)).unwrap();
        assert_eq!(claims(&assertion, 1)["exp"], 1_800);
        assert_eq!(claims(&assertion, 1)["token_exp"], 2_592_000);
        let stateless = key.assert(&channel(), now, long, None).unwrap();
        assert!(claims(&stateless, 1).get("token_exp").is_none());
    }

    #[test]
    fn bad_keys_are_refused_and_none_is_shown() {
        assert_eq!(AssertionKey::parse("", PEM).unwrap_err(), AssertionKeyError::KeyId);
        assert_eq!(AssertionKey::parse("k", "no key").unwrap_err(), AssertionKeyError::Unreadable);
        assert_eq!(AssertionKey::parse("k", r#"{"kty":"EC"}"#).unwrap_err(), AssertionKeyError::Unreadable);
        let broken = PEM.replace("MII", "MIX");
        assert!(AssertionKey::parse("k", &broken).is_err());
        let key = AssertionKey::parse("k", PEM).unwrap();
        let assertion = key.assert(&channel(), DateTime::UNIX_EPOCH, Duration::from_secs(1), None).unwrap();
        assert_eq!(format!("{key:?} {assertion:?}"), "AssertionKey(k) Assertion(..)");
    }
}
