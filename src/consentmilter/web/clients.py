"""Who asks: the client's address, from the socket and from what trusted proxies say.

`X-Forwarded-For` and `Forwarded` (RFC 7239) are lists to which each proxy adds the address that it saw, at the right;
what stands left of the first address that is no trusted proxy was written by anybody. So they are read from right to
left, and only where the peer itself is a trusted proxy. Whatever cannot be understood on that way is answered with the
peer's own address. Never raises.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.datastructures import Headers
from starlette.types import Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_CHARACTERS = 2000
"""A header longer than this was not written by proxies alone, and is not worth the time to read it."""

_WITH_PORT = re.compile(r"(\d+\.\d+\.\d+\.\d+):\d{1,5}|\[([0-9a-fA-F:.]+)\](?::\d{1,5})?")
_ELEMENT = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*")+')
_FOR = re.compile(r'(?:^|;)\s*for=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))\s*(?=;|$)', re.IGNORECASE)


def client_of(scope: Scope, trusted: Sequence[Network]) -> Address | None:
    """The address of whoever sent the request; None if it came over a unix socket and no proxy says more."""
    peer = _address(scope["client"][0]) if scope.get("client") else None
    # Who may write to a unix socket says the mode of its directory: there is only the proxy.
    if scope.get("client") and (peer is None or not _is_trusted(peer, trusted)):
        return peer
    headers = Headers(scope=scope)
    told = {_told_by(hops, trusted) for hops in (_forwarded_for(headers), _forwarded(headers)) if hops is not None}
    # A proxy knows one of the two headers and hands on the other as the client wrote it: they must not contradict.
    client = told.pop() if len(told) == 1 else None
    return peer if client is None else client


def _told_by(hops: Iterable[str], trusted: Sequence[Network]) -> Address | None:
    """The first address from the right that is no trusted proxy, or else the leftmost."""
    found = None
    for hop in hops:
        found = _address(hop)
        if found is None or not _is_trusted(found, trusted):
            return found
    return found


def _forwarded_for(headers: Headers) -> Iterator[str] | None:
    text = _whole(headers, "x-forwarded-for")
    return None if text is None else (hop.strip() for hop in reversed(text.split(",")))


def _forwarded(headers: Headers) -> Iterator[str] | None:
    text = _whole(headers, "forwarded")
    return None if text is None else (_for(element) for element in reversed(_ELEMENT.findall(text)))


def _whole(headers: Headers, name: str) -> str | None:
    """All lines of a header as one (RFC 9110 5.3); nothing in it if no proxies could have written it."""
    lines = headers.getlist(name)
    text = ",".join(lines)
    return (text if len(text) <= MAX_CHARACTERS else "") if lines else None


def _for(element: str) -> str:
    match = _FOR.search(element.strip())
    return (match[1] or match[2] or "") if match else ""


def _address(text: str) -> Address | None:
    """The address in `text`, which may have a port behind it; IPv4 in IPv6 is IPv4."""
    if match := _WITH_PORT.fullmatch(text):
        text = match[1] or match[2]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)
