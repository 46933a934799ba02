//! A program's signed word about which staff member acts: a JWT (RFC 7519) signed with Ed25519 (RFC 8037), at most five
//! minutes long.
//!
//! Nothing is negotiated: one algorithm, one form, keys registered for the calling principal.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta};
use kernel::{PrincipalId, StaffId, TenantId, Timestamp};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use uuid::Uuid;

/// The longest assertion that is read, in bytes.
const LONGEST: usize = 4096;
/// How long an assertion may be valid.
const LONGEST_VALIDITY: TimeDelta = TimeDelta::minutes(5);
/// How far the signer's clock may be ahead of ours.
const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(30);

/// An assertion that says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused;

/// A key that may sign, and its `kid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AssertionKey {
    pub(super) id: String,
    pub(super) public: [u8; 32],
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
    /// Extensions that must be understood (RFC 7515 section 4.1.11): none is.
    crit: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Claims {
    iss: Uuid,
    sub: Uuid,
    tenant: Uuid,
    iat: i64,
    exp: i64,
}

/// The staff member that `text` names, when one of `keys` signed it, for `principal` and `tenant`, and it is valid `now`.
pub(super) fn verify(
    text: &str,
    keys: &[AssertionKey],
    principal: PrincipalId,
    tenant: TenantId,
    now: Timestamp,
) -> Result<StaffId, Refused> {
    if text.len() > LONGEST {
        return Err(Refused);
    }
    let (signed, signature) = text.rsplit_once('.').ok_or(Refused)?;
    let (header, claims) = signed.split_once('.').ok_or(Refused)?;
    let header: Header = json(header)?;
    if header.alg != "EdDSA" || header.crit.is_some() {
        return Err(Refused);
    }
    let key = keys.iter().find(|key| key.id == header.kid).ok_or(Refused)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refused)?;
    UnparsedPublicKey::new(&ED25519, &key.public).verify(signed.as_bytes(), &signature).map_err(|_| Refused)?;
    let claims: Claims = json(claims)?;
    let issued = DateTime::from_timestamp(claims.iat, 0).ok_or(Refused)?;
    let expires = DateTime::from_timestamp(claims.exp, 0).ok_or(Refused)?;
    let good = claims.iss == principal.uuid()
        && claims.tenant == tenant.uuid()
        && issued < expires
        && expires - issued <= LONGEST_VALIDITY
        && issued <= now + CLOCK_SKEW
        && now < expires;
    if good { Ok(claims.sub.into()) } else { Err(Refused) }
}

fn json<T: DeserializeOwned>(part: &str) -> Result<T, Refused> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused)?;
    serde_json::from_slice(&bytes).map_err(|_| Refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    use serde_json::{Value, json};

    const NOW: i64 = 1_700_000_000;

    fn signer(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    fn key(id: &str, seed: u8) -> AssertionKey {
        AssertionKey { id: id.to_owned(), public: signer(seed).public_key().as_ref().try_into().unwrap() }
    }

    fn signed(header: &Value, claims: &Value, seed: u8) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", encode(header), encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(signer(seed).sign(text.as_bytes()));
        format!("{text}.{signature}")
    }

    fn good_header() -> Value {
        json!({ "alg": "EdDSA", "typ": "JWT", "kid": "one" })
    }

    fn good_claims() -> Value {
        json!({
            "iss": Uuid::from_u128(1), "sub": Uuid::from_u128(2), "tenant": Uuid::from_u128(3),
            "iat": NOW - 10, "exp": NOW + 290,
        })
    }

    fn verified(text: &str) -> Result<StaffId, Refused> {
        let keys = [key("one", 1), key("two", 2)];
        let now = DateTime::from_timestamp(NOW, 0).unwrap();
        verify(text, &keys, Uuid::from_u128(1).into(), Uuid::from_u128(3).into(), now)
    }

    #[test]
    fn a_good_assertion_names_the_staff_member() {
        assert_eq!(verified(&signed(&good_header(), &good_claims(), 1)), Ok(Uuid::from_u128(2).into()));
    }

    #[test]
    fn each_wrong_header_is_refused() {
        for header in [
            json!({ "alg": "none", "kid": "one" }),
            json!({ "alg": "HS256", "kid": "one" }),
            json!({ "alg": "EdDSA" }),
            json!({ "alg": "EdDSA", "kid": "three" }),
            json!({ "alg": "EdDSA", "kid": "two" }),
            json!({ "alg": "EdDSA", "kid": "one", "crit": ["b64"] }),
        ] {
            assert_eq!(verified(&signed(&header, &good_claims(), 1)), Err(Refused), "{header}");
        }
    }

    #[test]
    fn each_wrong_claim_is_refused() {
        for (name, wrong) in [
            ("iss", json!(Uuid::from_u128(9))),
            ("tenant", json!(Uuid::from_u128(9))),
            ("sub", json!("somebody")),
            ("iat", json!(NOW - 11)),
            ("iat", json!(NOW + 60)),
            ("iat", json!(NOW + 290)),
            ("exp", json!(NOW)),
            ("exp", json!(i64::MAX)),
            ("exp", json!(null)),
        ] {
            let mut claims = good_claims();
            claims[name] = wrong;
            assert_eq!(verified(&signed(&good_header(), &claims, 1)), Err(Refused), "{claims}");
        }
    }

    #[test]
    fn a_signers_clock_may_be_half_a_minute_ahead() {
        let mut claims = good_claims();
        claims["iat"] = json!(NOW + 30);
        assert!(verified(&signed(&good_header(), &claims, 1)).is_ok());
    }

    #[test]
    fn no_signature_is_no_assertion() {
        let text = signed(&good_header(), &good_claims(), 1);
        let unsigned = &text[..=text.rfind('.').unwrap()];
        assert_eq!(verified(unsigned), Err(Refused));
        assert_eq!(verified(&format!("{text}.x")), Err(Refused));
    }

    proptest! {
        #[test]
        fn a_changed_character_breaks_it(at in 0usize..400, to in "[A-Za-z0-9_-]") {
            let text = signed(&good_header(), &good_claims(), 1);
            let at = at % text.len();
            let changed = format!("{}{to}{}", &text[..at], &text[at + 1..]);
            // The last character of a signature carries four unused bits, which must be zero.
            prop_assert_eq!(verified(&changed).is_ok(), changed == text);
        }

        #[test]
        fn any_text_is_refused(text in "[A-Za-z0-9._-]{0,300}") {
            prop_assert_eq!(verified(&text), Err(Refused));
        }
    }
}
