"""How often the clients of one network may ask: a token bucket for each, in bounded memory.

A network is what one customer of a provider usually has: an IPv4 /24, an IPv6 /56. Nothing that says or takes back
somebody's consent is limited by this, only what can be asked for in vain: pages, and tokens that are none.
The clock is passed in. Never raises.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network

from consentmilter.web.clients import Address

MAX_NETWORKS = 10_000
"""How many networks are remembered; beyond that the one that has been quiet for longest is forgotten."""

_IPV4_BITS = 24
_IPV6_BITS = 56

Key = tuple[int, int]


@dataclass(slots=True)
class _Bucket:
    """What a network has left, as of a time of the clock."""

    left: float
    at: float


class Limits:
    """The right to ask: `per_minute` times at once, and as often every minute from then on."""

    def __init__(self, per_minute: int, clock: Callable[[], float], networks: int = MAX_NETWORKS) -> None:
        self._most = float(per_minute)
        self._per_second = per_minute / 60
        self._clock = clock
        self._networks = networks
        self._buckets: OrderedDict[Key | None, _Bucket] = OrderedDict()

    @property
    def pause(self) -> int:
        """Seconds after which a client that was refused may ask once more: what Retry-After says."""
        return math.ceil(1 / self._per_second)

    def allows(self, client: Address | None) -> bool:
        """Whether the client may ask now, which counts; those without an address share one right."""
        bucket = self._bucket(network_of(client))
        if bucket.left < 1:
            return False
        bucket.left -= 1
        return True

    def _bucket(self, key: Key | None) -> _Bucket:
        """The network's bucket, filled up to now."""
        now = self._clock()
        bucket = self._buckets.setdefault(key, _Bucket(self._most, now))
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._networks:
            self._buckets.popitem(last=False)
        bucket.left = min(self._most, bucket.left + (now - bucket.at) * self._per_second)
        bucket.at = now
        return bucket


def network_of(client: Address | None) -> Key | None:
    """The network of an address: IP version and leading bits."""
    if client is None:
        return None
    bits = 32 - _IPV4_BITS if isinstance(client, IPv4Address) else 128 - _IPV6_BITS
    return client.version, int(client) >> bits


def network_name(client: Address | None) -> str | None:
    """The network of an address in words: `192.0.2.0/24`."""
    if client is None:
        return None
    bits = _IPV4_BITS if isinstance(client, IPv4Address) else _IPV6_BITS
    return str(ip_network((client, bits), strict=False))
