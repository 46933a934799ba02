//! What a webhook's calls are signed with, so that the endpoint knows who calls and when.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use kernel::Timestamp;
use sha2::Sha256;
use zeroize::Zeroizing;

/// The header that carries the signature.
pub(crate) const HEADER: &str = "tsunagi-signature";

/// A new secret: `whs_` and 64 hexadecimal digits, 32 bytes by chance.
pub(crate) fn new_secret() -> Zeroizing<String> {
    let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(rand::random());
    Zeroizing::new(format!("whs_{}", hex::encode(*bytes)))
}

/// What an endpoint's secret is encrypted for.
pub(crate) fn purpose(webhook: uuid::Uuid) -> String {
    format!("notice_webhook/{webhook}")
}

/// The header's value: the time, and one HMAC-SHA256 of it and the body for each secret.
pub(crate) fn sign(secrets: &[Zeroizing<Vec<u8>>], time: Timestamp, body: &[u8]) -> String {
    let time = time.timestamp();
    let mut signature = format!("t={time}");
    for secret in secrets {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { continue };
        mac.update(time.to_string().as_bytes());
        mac.update(b".");
        mac.update(body);
        // Writing to a string never fails.
        let _ = write!(signature, ",v1={}", hex::encode(mac.finalize().into_bytes()));
    }
    signature
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value was made with `printf '1700000000.{}' | openssl dgst -sha256 -hmac whs_test`.
    #[test]
    fn a_call_is_signed_by_each_secret_over_its_time_and_body() {
        let time = Timestamp::from_timestamp(1_700_000_000, 0).unwrap();
        let secret = |text: &str| Zeroizing::new(text.as_bytes().to_vec());
        let one = sign(&[secret("whs_test")], time, b"{}");
        assert_eq!(one, format!("t=1700000000,v1={OF_TEST}"));
        let two = sign(&[secret("whs_new"), secret("whs_test")], time, b"{}");
        assert!(two.starts_with("t=1700000000,v1=") && two.ends_with(OF_TEST));
        assert_eq!(two.matches("v1=").count(), 2);
    }

    const OF_TEST: &str = "048174e9aecf1432be2ee152542bca032a1c03acbf12d737f11cb17705604333";

    #[test]
    fn no_two_secrets_are_the_same() {
        let (one, other) = (new_secret(), new_secret());
        assert_ne!(*one, *other);
        assert_eq!(one.len(), 4 + 64);
    }
}
