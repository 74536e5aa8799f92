"""Whose request it is: what proxies say is believed as far as they are trusted, and no further."""

import time
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consentmilter.web.clients import MAX_CHARACTERS, client_of
from tests.unit.making import examples

TRUSTED = [ip_network("127.0.0.1/32"), ip_network("::1/128"), ip_network("10.0.0.0/8")]
LOCAL = "127.0.0.1"
CLIENT = "198.51.100.7"


def client(peer: str | None, *headers: tuple[str, str]) -> str | None:
    """The client of a request from `peer` with these header lines."""
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    scope: dict[str, Any] = {"type": "http", "headers": raw, "client": (peer, 4711) if peer else None}
    found = client_of(scope, TRUSTED)
    return None if found is None else str(found)


def forwarded_for(*lines: str) -> list[tuple[str, str]]:
    return [("X-Forwarded-For", line) for line in lines]


def forwarded(*lines: str) -> list[tuple[str, str]]:
    return [("Forwarded", line) for line in lines]


@pytest.mark.parametrize(
    ("peer", "headers", "found"),
    [
        (CLIENT, [], CLIENT),
        (LOCAL, [], LOCAL),
        (LOCAL, forwarded_for(CLIENT), CLIENT),
        (LOCAL, forwarded_for(f"{CLIENT}:51234"), CLIENT),
        (LOCAL, forwarded_for("2001:db8::7"), "2001:db8::7"),
        (LOCAL, forwarded_for("[2001:db8::7]:443"), "2001:db8::7"),
        ("::1", forwarded_for(CLIENT), CLIENT),
        ("::ffff:127.0.0.1", forwarded_for(CLIENT), CLIENT),
        (f"::ffff:{CLIENT}", [], CLIENT),
        (LOCAL, forwarded_for(f"{CLIENT}, 10.1.2.3"), CLIENT),
        (LOCAL, forwarded_for(CLIENT, "10.1.2.3"), CLIENT),
        (LOCAL, forwarded_for("10.9.9.9, 10.1.2.3"), "10.9.9.9"),
        (LOCAL, forwarded(f"for={CLIENT}"), CLIENT),
        (LOCAL, forwarded(f"proto=https;For={CLIENT};by=10.0.0.1"), CLIENT),
        (LOCAL, forwarded('for="[2001:db8::7]:4711"'), "2001:db8::7"),
        (LOCAL, forwarded(f'for={CLIENT};host="a,b;for=1.2.3.4", for=10.1.2.3'), CLIENT),
        (LOCAL, [*forwarded_for(CLIENT), *forwarded(f"for={CLIENT}")], CLIENT),
        (None, forwarded_for(CLIENT), CLIENT),
        (None, [], None),
    ],
)
def test_the_client_is_the_nearest_address_that_is_no_trusted_proxy(
    peer: str | None, headers: list[tuple[str, str]], found: str | None
) -> None:
    """Read from the right, where the nearest proxy wrote; None stands for a unix socket."""
    assert client(peer, *headers) == found


@pytest.mark.parametrize(
    ("peer", "headers", "found"),
    [
        (CLIENT, forwarded_for("203.0.113.9"), CLIENT),
        (CLIENT, forwarded("for=203.0.113.9"), CLIENT),
        (LOCAL, forwarded_for(f"203.0.113.9, {CLIENT}"), CLIENT),
        (LOCAL, forwarded_for("203.0.113.9", CLIENT), CLIENT),
        (LOCAL, forwarded_for(f"no address, {CLIENT}"), CLIENT),
        (LOCAL, [*forwarded_for(CLIENT), *forwarded("for=203.0.113.9")], LOCAL),
        (LOCAL, [*forwarded("for=203.0.113.9"), *forwarded_for(CLIENT)], LOCAL),
    ],
)
def test_what_the_client_itself_wrote_is_never_believed(peer: str, headers: list[tuple[str, str]], found: str) -> None:
    """Left of the nearest stranger anybody wrote; of two headers that contradict, the proxy wrote only one."""
    assert client(peer, *headers) == found


@pytest.mark.parametrize(
    "headers",
    [
        forwarded_for(""),
        forwarded_for("unknown"),
        forwarded_for("1.2.3"),
        forwarded_for("1.2.3.4.5"),
        forwarded_for(f"{CLIENT},"),
        forwarded_for(f"{CLIENT} {CLIENT}"),
        forwarded_for("127.0.0.1:99999999"),
        forwarded_for("\u00e9"),
        forwarded(""),
        forwarded("for=unknown"),
        forwarded("for=_hidden"),
        forwarded('for="unclosed'),
        forwarded("by=10.0.0.1"),
        forwarded(f"for={CLIENT}, for=_proxy"),
        forwarded_for(f"{' ' * MAX_CHARACTERS}{CLIENT}"),
    ],
)
def test_a_header_that_cannot_be_understood_leaves_the_peer(headers: list[tuple[str, str]]) -> None:
    """It was no proxy of ours that wrote it, or one that does not want to say."""
    assert client(LOCAL, *headers) == LOCAL


@examples(200)
@given(
    st.sampled_from([LOCAL, CLIENT, "2001:db8::7", None]),
    st.lists(
        st.tuples(st.sampled_from(["X-Forwarded-For", "Forwarded"]), st.text('f(o)r="\\;,.:[] 0129%', max_size=40))
    ),
)
@example(LOCAL, [("Forwarded", '"' + '\\"' * 900)])
def test_no_header_raises_and_a_stranger_is_only_ever_itself(peer: str | None, headers: list[tuple[str, str]]) -> None:
    """Whatever stands in it."""
    found = client(peer, *headers)
    assert found is None or ip_address(found)
    if peer in (CLIENT, "2001:db8::7"):
        assert found == peer


@pytest.mark.parametrize("text", ['"' + '\\"' * 30_000, "for=" * 15_000, "," * 60_000, '"a' * 30_000])
def test_a_long_header_costs_no_time(text: str) -> None:
    """However it is written: read is only what proxies could have put together."""
    started = time.process_time()
    for name in ("Forwarded", "X-Forwarded-For"):
        for line in (text, text[:MAX_CHARACTERS]):
            client(LOCAL, (name, line))
    assert time.process_time() - started < 0.5
