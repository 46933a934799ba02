//! The token of a principal: `{tenant uuid | "platform"}.{principal uuid}.{43 characters of secret}`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{PrincipalId, TenantId};
use ring::rand::{SecureRandom as _, SystemRandom};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::config::Secret;

const PLATFORM: &str = "platform";
const SECRET_BYTES: usize = 32;
const SECRET_CHARACTERS: usize = 43;

/// A token, taken apart. Shows no secret.
#[derive(Clone, Debug)]
pub struct Token {
    /// The tenant of the principal; none for a principal of the platform.
    pub tenant: Option<TenantId>,
    /// The principal.
    pub principal: PrincipalId,
    secret: Secret,
}

/// A text that should be a token and is not, or a machine without randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The text has another form.
    #[error("not a token")]
    Malformed,
    /// The machine gives no random bytes.
    #[error("no random bytes to be had")]
    NoRandomness,
}

impl Token {
    /// A new token with 256 random bits.
    ///
    /// # Errors
    /// When the machine gives no random bytes.
    pub fn generate(tenant: Option<TenantId>, principal: PrincipalId) -> Result<Self, TokenError> {
        let mut bytes = zeroize::Zeroizing::new([0u8; SECRET_BYTES]);
        SystemRandom::new().fill(&mut *bytes).map_err(|_| TokenError::NoRandomness)?;
        Ok(Self { tenant, principal, secret: Secret::new(URL_SAFE_NO_PAD.encode(*bytes)) })
    }

    /// Reads a token.
    ///
    /// # Errors
    /// When the text has another form.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let mut parts = text.split('.');
        let (Some(tenant), Some(principal), Some(secret), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Malformed);
        };
        let tenant = match tenant {
            PLATFORM => None,
            tenant => Some(uuid(tenant)?.into()),
        };
        let is_secret = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        if secret.len() != SECRET_CHARACTERS || !secret.bytes().all(is_secret) {
            return Err(TokenError::Malformed);
        }
        Ok(Self { tenant, principal: uuid(principal)?.into(), secret: Secret::new(secret.to_owned()) })
    }

    /// SHA-256 of the 43 characters: all that is kept of it.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret.expose()).into()
    }

    /// The whole token, to show once.
    #[must_use]
    pub fn reveal(&self) -> Secret {
        let tenant = self.tenant.map_or_else(|| PLATFORM.to_owned(), |tenant| tenant.to_string());
        Secret::new(format!("{tenant}.{}.{}", self.principal, self.secret.expose()))
    }
}

/// Only the form with hyphens and small letters that [`Token::reveal`] writes, and never nil.
fn uuid(text: &str) -> Result<Uuid, TokenError> {
    let uuid = Uuid::try_parse(text).map_err(|_| TokenError::Malformed)?;
    if uuid.is_nil() || uuid.as_hyphenated().to_string() != text {
        return Err(TokenError::Malformed);
    }
    Ok(uuid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_token_survives_being_written(tenant in proptest::option::of(1u128..), principal in 1u128..) {
            let tenant = tenant.map(|tenant| TenantId::from(Uuid::from_u128(tenant)));
            let token = Token::generate(tenant, Uuid::from_u128(principal).into()).unwrap();
            let read = Token::parse(token.reveal().expose()).unwrap();
            prop_assert_eq!((read.tenant, read.principal), (token.tenant, token.principal));
            prop_assert_eq!(read.hash(), token.hash());
            let shown = format!("{token:?}");
            prop_assert!(!shown.contains(token.secret.expose()));
        }

        #[test]
        fn any_text_is_a_token_or_refused(text in "[a-z0-9.-]{0,140}") {
            let _ = Token::parse(&text);
        }
    }

    #[test]
    fn other_forms_are_refused() {
        let token = Token::generate(None, Uuid::from_u128(7).into()).unwrap().reveal();
        let good = token.expose();
        assert!(Token::parse(good).is_ok());
        let nil = Uuid::nil().to_string();
        for wrong in [
            good.replace("platform", "Platform"),
            good.replace("platform", &nil),
            format!("{good}x"),
            format!("{good}.x"),
            good[..good.len() - 1].to_owned(),
            good.to_uppercase(),
        ] {
            assert_eq!(Token::parse(&wrong).unwrap_err(), TokenError::Malformed, "{wrong}");
        }
    }
}
