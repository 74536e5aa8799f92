"""How often the clients of one network may ask."""

from ipaddress import ip_address

import pytest

from consentmilter.web.clients import Address
from consentmilter.web.limits import Limits, network_of


class Clock:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


ONE = ip_address("192.0.2.1")
OTHER = ip_address("198.51.100.1")


def asked(limits: Limits, client: Address | None, times: int) -> int:
    """How many of so many questions were allowed."""
    return sum(limits.allows(client) for _ in range(times))


def test_a_network_may_ask_so_often_and_then_has_to_wait() -> None:
    """Others are not held up by it."""
    limits = Limits(10, Clock())
    assert asked(limits, ONE, 50) == 10
    assert asked(limits, OTHER, 50) == 10


def test_the_right_comes_back_evenly_and_never_beyond_its_most() -> None:
    """A minute after, as many again; a day after, not more."""
    clock = Clock()
    limits = Limits(10, clock)
    asked(limits, ONE, 50)
    clock.now += limits.pause
    assert asked(limits, ONE, 50) == 1
    clock.now += 60
    assert asked(limits, ONE, 50) == 10
    clock.now += 86400
    assert asked(limits, ONE, 50) == 10


def test_asking_in_vain_does_not_make_the_wait_longer() -> None:
    """Whoever is refused spends nothing."""
    clock = Clock()
    limits = Limits(1, clock)
    assert asked(limits, ONE, 1000) == 1
    clock.now += limits.pause
    assert limits.allows(ONE)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.254", True),
        ("192.0.2.1", "192.0.3.1", False),
        ("2001:db8:0:1::1", "2001:db8:0:ff::1", True),
        ("2001:db8:0:1::1", "2001:db8:0:100::1", False),
        ("0.0.0.1", "::1", False),
    ],
)
def test_a_network_is_what_one_customer_has(one: str, other: str, same: bool) -> None:
    """A /24 of IPv4, a /56 of IPv6."""
    assert (network_of(ip_address(one)) == network_of(ip_address(other))) is same


def test_clients_without_an_address_share_one_right() -> None:
    """Those behind a proxy on a unix socket that says nothing of them."""
    assert asked(Limits(3, Clock()), None, 9) == 3


def test_memory_is_bounded_and_the_quietest_network_is_forgotten() -> None:
    """However many addresses an attacker has; who keeps asking is remembered."""
    limits = Limits(2, Clock(), networks=100)
    asked(limits, ONE, 2)
    for number in range(10_000):
        limits.allows(ip_address(number << 8))
        assert number % 50 or not limits.allows(ONE)
    assert len(limits._buckets) == 100
    for number in range(100):
        limits.allows(ip_address((number + 20_000) << 8))
    assert limits.allows(ONE)
