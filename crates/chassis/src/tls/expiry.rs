//! When a chain of certificates ends.

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// When the first certificate of the chain expires, in seconds since 1970: from then on nobody trusts the chain. None where one of them
/// is no X.509 certificate.
pub(super) fn expiry(chain: &[CertificateDer<'_>]) -> Option<i64> {
    let ends = chain.iter().map(|der| {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        Some(certificate.validity().not_after.timestamp())
    });
    ends.collect::<Option<Vec<i64>>>()?.into_iter().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(year: i32) -> CertificateDer<'static> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        certificate.not_after = rcgen::date_time_ymd(year, 1, 1);
        certificate.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn a_chain_ends_with_the_first_of_its_certificates() {
        assert_eq!(expiry(&[until(2040), until(2033), until(2050)]), Some(1_988_150_400));
        assert_eq!(expiry(&[until(2040), CertificateDer::from(vec![0x30, 0])]), None);
        assert_eq!(expiry(&[]), None);
    }
}
