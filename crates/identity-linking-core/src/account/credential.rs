//! What messaging gets channel access tokens with (<https://developers.line.biz/en/docs/basics/channel-access-token/>).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::Unfit;
use crate::principal::KeyId;

/// Longest long-lived token taken, in bytes. LINE's have about 172 and are opaque.
const MAX_TOKEN: usize = 1_024;
/// Longest JWK taken, in bytes. An RSA-2048 private key takes about 1,700.
const MAX_JWK: usize = 8_192;
/// Bytes of an RSA-2048 modulus.
const MODULUS: usize = 256;

/// How channel access tokens are obtained.
#[derive(Debug)]
pub enum Credential {
    /// A long-lived channel access token made in LINE's console.
    LongLivedToken(LongLivedToken),
    /// Stateless tokens by channel ID and the channel secret that is set.
    ChannelSecret,
    /// Tokens v2.1 by a JWT signed with a key registered in LINE's console.
    AssertionKey(AssertionKeyCredential),
}

/// A long-lived channel access token. `Debug` shows none of it.
pub struct LongLivedToken(String);

/// A key that signs LINE's JWT assertions. `Debug` shows only its ID.
pub struct AssertionKeyCredential {
    key_id: KeyId,
    private_jwk: String,
}

/// The members of an RSA private JWK (RFC 7517, RFC 7518 section 6.3) that tell whether it is one.
#[derive(Deserialize)]
struct RsaJwk {
    kty: String,
    n: String,
    e: String,
    d: String,
}

impl Credential {
    /// The word its kind is kept as.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LongLivedToken(_) => "LONG_LIVED_TOKEN",
            Self::ChannelSecret => "CHANNEL_SECRET",
            Self::AssertionKey(_) => "ASSERTION_KEY",
        }
    }
}

impl LongLivedToken {
    /// Reads a token: printable ASCII without spaces.
    ///
    /// # Errors
    /// When it is empty, longer than 1,024 bytes or holds anything else.
    pub fn parse(text: &str) -> Result<Self, Unfit> {
        let fits = (1..=MAX_TOKEN).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Self(text.to_owned())) } else { Err(Unfit("is not a channel access token")) }
    }

    /// The token.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl AssertionKeyCredential {
    /// Reads an RSA-2048 private key as a JWK.
    ///
    /// # Errors
    /// When it is not JSON, not an RSA private key, or not of 2,048 bits.
    pub fn parse(key_id: KeyId, private_jwk: &str) -> Result<Self, Unfit> {
        const WRONG: Unfit = Unfit("is not an RSA-2048 private key as a JWK");
        if private_jwk.len() > MAX_JWK {
            return Err(WRONG);
        }
        let jwk: RsaJwk = serde_json::from_str(private_jwk).map_err(|_| WRONG)?;
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| WRONG);
        let modulus = bytes(&jwk.n)?;
        let modulus_fits = modulus.len() == MODULUS && modulus.first().is_some_and(|first| first & 0x80 != 0);
        let complete = jwk.kty == "RSA" && modulus_fits && !bytes(&jwk.e)?.is_empty() && !bytes(&jwk.d)?.is_empty();
        if complete { Ok(Self { key_id, private_jwk: private_jwk.to_owned() }) } else { Err(WRONG) }
    }

    /// The `kid` LINE gave the key.
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// The private key as a JWK.
    pub fn reveal(&self) -> &str {
        &self.private_jwk
    }
}

impl fmt::Debug for LongLivedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LongLivedToken(..)")
    }
}

impl fmt::Debug for AssertionKeyCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AssertionKeyCredential({})", self.key_id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwk(kty: &str, modulus: &[u8]) -> String {
        let n = URL_SAFE_NO_PAD.encode(modulus);
        format!(r#"{{"kty":"{kty}","n":"{n}","e":"AQAB","d":"{n}","alg":"RS256"}}"#)
    }

    #[test]
    fn only_an_rsa_2048_private_key_signs_assertions() {
        let id = || KeyId::parse("kid-1").unwrap();
        let key = AssertionKeyCredential::parse(id(), &jwk("RSA", &[0xff; 256])).unwrap();
        assert_eq!(format!("{key:?}"), "AssertionKeyCredential(kid-1)");
        for wrong in [
            jwk("EC", &[0xff; 256]),
            jwk("RSA", &[0xff; 128]),
            jwk("RSA", &[0x01; 256]),
            r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#.to_owned(),
            "not json".to_owned(),
            " ".repeat(9_000),
        ] {
            assert!(AssertionKeyCredential::parse(id(), &wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_printable_and_not_shown() {
        let token = LongLivedToken::parse("abc+/=").unwrap();
        assert_eq!((token.reveal(), format!("{token:?}").as_str()), ("abc+/=", "LongLivedToken(..)"));
        for wrong in ["", "a b", "a\n", "é", &"x".repeat(1_025)] {
            assert!(LongLivedToken::parse(wrong).is_err());
        }
    }
}
