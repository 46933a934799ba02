//! The secrets of one throw-away platform.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Master key and sealing keys as settings.
pub(crate) fn settings() -> BTreeMap<String, String> {
    let master: [u8; 32] = rand::random();
    let mut settings =
        BTreeMap::from([("TSUNAGI_MASTER_KEYS".to_owned(), format!("test:{}", STANDARD.encode(master)))]);
    for recipient in ["INGEST", "MESSAGING"] {
        let key = chassis::seal::PrivateKey::generate();
        settings.insert(format!("TSUNAGI_{recipient}_SEAL_KEY"), key.reveal().expose().to_owned());
        settings.insert(format!("TSUNAGI_{recipient}_SEAL_PUBLIC_KEY"), key.public().text());
    }
    settings
}
