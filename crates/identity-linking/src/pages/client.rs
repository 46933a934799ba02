//! Who asks: the address a rate is kept for.

use std::net::IpAddr;

use http::HeaderMap;

const FORWARDED: &str = "x-forwarded-for";

/// The address of the client behind `proxies` proxies of ours. Each of them put the address it saw at the end of
/// `X-Forwarded-For`; what stands before those was written by the client, who may write anything.
pub(super) fn client(headers: &HeaderMap, peer: IpAddr, proxies: usize) -> IpAddr {
    let lines = headers.get_all(FORWARDED).iter().filter_map(|line| line.to_str().ok());
    let seen: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    // The nearest proxy is the peer; the outermost is the one that saw the client. With fewer entries than proxies, somebody
    // came past some of them: the first entry is the farthest that can be believed.
    let believed = &seen[seen.len().saturating_sub(proxies)..];
    let address = believed.first().and_then(|text| address(text));
    address.unwrap_or(peer).to_canonical()
}

/// An address, also with a port behind it or in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let socket = |text: &str| text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip());
    text.parse().ok().or_else(|| socket(text)).or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "10.0.0.1";

    fn of(lines: &[&str], proxies: usize) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED, line.parse().unwrap());
        }
        client(&headers, PEER.parse().unwrap(), proxies).to_string()
    }

    #[test]
    fn only_what_our_own_proxies_wrote_is_believed() {
        assert_eq!(of(&[], 0), PEER);
        assert_eq!(of(&["203.0.113.9"], 0), PEER, "nobody is trusted");
        assert_eq!(of(&["6.6.6.6, 203.0.113.9"], 1), "203.0.113.9", "the client wrote the first");
        assert_eq!(of(&["6.6.6.6", "203.0.113.9"], 1), "203.0.113.9", "in two lines, too");
        assert_eq!(of(&["6.6.6.6, 203.0.113.9, 10.0.0.2"], 2), "203.0.113.9");
        assert_eq!(of(&["203.0.113.9"], 2), "203.0.113.9");
        assert_eq!(of(&[], 2), PEER);
    }

    #[test]
    fn addresses_come_in_several_forms_and_nonsense_is_the_peers() {
        assert_eq!(of(&["2001:db8::1"], 1), "2001:db8::1");
        assert_eq!(of(&["[2001:db8::1]:4711"], 1), "2001:db8::1");
        assert_eq!(of(&["[2001:db8::1]"], 1), "2001:db8::1");
        assert_eq!(of(&["203.0.113.9:4711"], 1), "203.0.113.9");
        assert_eq!(of(&["::ffff:203.0.113.9"], 1), "203.0.113.9");
        assert_eq!(of(&["unknown"], 1), PEER);
    }
}
