"""Which IP addresses belong to the public internet.

An own table, because `ipaddress.is_global` changed between Python versions and is true for several dangerous ones:
addresses that carry an IPv4 address inside (mapped, NAT64), cloud metadata services, and what is reserved.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_DENIED_V4 = [
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; a cloud's metadata at 100.100.100.200
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's host agent, on a public number
        "169.254.0.0/16",  # link-local; metadata at 169.254.169.254
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; metadata at 192.0.0.192
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved; broadcast
    )
]
_GLOBAL_V6 = IPv6Network("2000::/3")  # all that is assigned to the internet; everything else is denied
_DENIED_V6 = [
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, among them Teredo and ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: wraps any IPv4 address
        "3fff::/20",  # documentation
    )
]
_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: Address, allowed: Iterable[Network] = ()) -> bool:
    """Whether a request may go there: on the public internet, or within a network that the operator allowed."""
    plain = unwrap(address)
    if any(plain.version == network.version and plain in network for network in allowed):
        return True
    if isinstance(plain, IPv4Address):
        return not any(plain in network for network in _DENIED_V4)
    return plain in _GLOBAL_V6 and not any(plain in network for network in _DENIED_V6)


def unwrap(address: Address) -> Address:
    """The IPv4 address inside an IPv4-mapped or NAT64 address, which is where the packets go; else the address."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def parse_address(text: str) -> Address | None:
    """The address that the text spells in its one normal form (no zone), or None."""
    try:
        return None if "%" in text else ip_address(text)
    except ValueError:
        return None


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """CIDRs as networks; raises ValueError for one that is none."""
    return tuple(ip_network(text, strict=False) for text in texts)
