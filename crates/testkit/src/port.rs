//! Free ports on the loopback address.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::{Mutex, PoisonError};

use rand::RngExt;

/// Below the range the kernel gives to outgoing connections (from 32768): a server killed and started again finds its port
/// still free.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// Ports given by this process, each held by a UDP socket: whoever asks for a port next, in whatever process, cannot have the same
/// UDP port, and takes another one.
static GIVEN: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());

/// A port on which nothing listens now, and which nobody else gets from here before this process has ended.
///
/// # Panics
/// When no port of the range is free.
#[must_use]
pub fn free() -> u16 {
    let mut random = rand::rng();
    let (port, held) = (0..10_000)
        .map(|_| random.random_range(RANGE))
        .find_map(|port| {
            let held = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok().then_some((port, held))
        })
        .expect("a machine has free ports");
    GIVEN.lock().unwrap_or_else(PoisonError::into_inner).push(held);
    port
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_free_port_can_be_listened_on() {
        let port = free();
        assert!(RANGE.contains(&port));
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    }

    #[test]
    fn no_port_is_given_twice() {
        let ports: BTreeSet<u16> = (0..200).map(|_| free()).collect();
        assert_eq!(ports.len(), 200);
    }
}
