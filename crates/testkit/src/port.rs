//! Free ports on the loopback address.

use std::net::{Ipv4Addr, TcpListener};

use rand::RngExt;

/// Below the range the kernel gives to outgoing connections (from 32768): a server killed and started again finds its port
/// still free.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// A port on which nothing listens now. Another process may take it before it is used: whoever starts a server on it should
/// be ready to ask for another one.
///
/// # Panics
/// When no port of the range is free.
#[must_use]
pub fn free() -> u16 {
    let mut random = rand::rng();
    (0..10_000)
        .map(|_| random.random_range(RANGE))
        .find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        .expect("a machine has free ports")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_can_be_listened_on() {
        let port = free();
        assert!(RANGE.contains(&port));
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    }
}
