//! Which addresses plugins reach: those of the public network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses within a public range at which a cloud tells its machines their secrets.
const METADATA: [Ipv4Addr; 1] = [Ipv4Addr::new(168, 63, 129, 16)];

/// Whether an address is one of the public network: of no machine or network of the
/// operator's, and none that stands for such.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_special = address.is_unspecified()
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        || METADATA.contains(&address);
    // "This network", shared by carriers, protocol assignments, 6to4 relays, benchmarks,
    // reserved: RFC 6890 and the registry it made.
    let is_reserved = first == 0
        || (first == 100 && (64..128).contains(&second))
        || (first == 192 && second == 0 && third == 0)
        || (first == 192 && second == 88 && third == 99)
        || (first == 198 && (18..20).contains(&second))
        || first >= 240;
    !is_special && !is_reserved
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // Global unicast is 2000::/3. All that stands for an address of version 4 is outside of
    // it but 6to4 and Teredo, which nobody needs.
    let is_global = first & 0xe000 == 0x2000;
    let stands_for_v4 = first == 0x2002 || (first == 0x2001 && second == 0);
    let is_special = match first {
        // Protocol assignments, and documentation.
        0x2001 => second < 0x0200 || second == 0x0db8,
        0x3fff => second < 0x1000,
        _ => false,
    };
    is_global && !stands_for_v4 && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_of_the_operators_is_public() {
        let all = "0.0.0.0 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.8.8.8 169.254.169.254 \
                   172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 \
                   198.18.0.1 203.0.113.9 224.0.0.1 240.0.0.1 255.255.255.255 168.63.129.16 \
                   :: ::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1 64:ff9b::7f00:1 \
                   64:ff9b:1::a00:1 100::1 2001::1 2001:db8::1 2002:7f00:1:: 3fff::1 fc00::1 \
                   fd00:ec2::254 fe80::1 fec0::1 ff02::1 5f00::1";
        for address in all.split_whitespace() {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "192.1.0.1", "2606:4700::1111"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }
}
