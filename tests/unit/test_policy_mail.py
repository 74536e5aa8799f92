"""What the policy knows of a message."""

from ipaddress import ip_address

import pytest

from consentmilter.policy.mail import Header, Headers, Principal

HEADERS = Headers((Header("list-id", " a\n\t<b> "), Header("x", ""), Header("list-id", "c")))


def test_values_are_unfolded_and_trimmed() -> None:
    """A fold is one blank (RFC 5322 2.2.3)."""
    assert HEADERS.values("list-id") == ["a <b>", "c"]
    assert HEADERS.values("x") == [""]
    assert HEADERS.values("y") == []


def test_fields_are_found_and_counted_by_their_name() -> None:
    """An empty field is there too."""
    assert HEADERS.has("x")
    assert not HEADERS.has("y")
    assert [HEADERS.count(name) for name in ("list-id", "x", "y")] == [2, 1, 0]


@pytest.mark.parametrize(
    ("principal", "shown"),
    [
        (Principal("news", ip_address("192.0.2.1"), "submission"), "news"),
        (Principal(None, ip_address("192.0.2.1"), "submission"), "192.0.2.1"),
        (Principal(None, None, "submission"), "submission"),
        (Principal(), ""),
    ],
)
def test_a_principal_is_called_by_the_best_that_is_known_of_it(principal: Principal, shown: str) -> None:
    """Login before client before listener."""
    assert str(principal) == shown
