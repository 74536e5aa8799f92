"""The one mailbox of From: exactly one, or none."""

import pytest

from consentmilter.reports.message import read
from tests.reports.mails import written


def author(value: str) -> str | None:
    return written(f"From: {value}\n\nx").author


@pytest.mark.parametrize(
    "value",
    [
        "alice@example.com",
        "<alice@example.com>",
        "Alice <alice@example.com>",
        "Alice Example\n <alice@example.com>",
        "Alice O'Neill-Smith Jr. <Alice@Example.COM>",
        '"Example, Alice" <alice@example.com>',
        '"evil@evil.example" <alice@example.com>',
        '"a \\" <evil@evil.example>" <alice@example.com>',
        "=?utf-8?Q?=40evil?= <alice@example.com>",
        "alice@example.com (Alice)",
        "(evil@evil.example) alice@example.com",
        "Alice (evil@evil.example) <alice@example.com>",
        "Älice <alice@example.com>",
        '"alice"@example.com',
    ],
)
def test_the_address_of_one_mailbox_is_canonical(value: str) -> None:
    """Whatever name stands before it."""
    assert author(value) == "alice@example.com"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Alice",
        "<>",
        "@example.com",
        "alice@",
        "alice@example.com, bob@example.com",
        "Alice <alice@example.com>, Bob <bob@example.com>",
        "Alice <alice@example.com> <bob@example.com>",
        "alice@example.com <bob@example.com>",
        "Alice <alice@example.com> bob@example.com",
        # CVE-2023-27043: what stands behind a special character was taken for the address.
        "alice@example.org)bob@example.com",
        "alice@example.org(bob@example.com",
        "alice@example.org<bob@example.com>",
        "alice@example.org[bob@example.com",
        "alice@example.org;bob@example.com",
        "alice@example.org:bob@example.com",
        'alice@example.org"bob@example.com',
        "alice@example.org\\bob@example.com",
        "alice@example.org,bob@example.com",
        "alice@evil.example@example.com",
        "<@route.example:alice@example.com>",
        "group: alice@example.com;",
        '"alice@example.com',
        '"Alice" <alice@example.com',
        "Alice (a(b)) <alice@example.com>",
        '"a(" <alice@example.com>, ")" <bob@example.com>',
        "alice(x)@example.com",
        "alice @example.com",
        "<alice@[192.0.2.1]>",
        "alice@exa\x00mple.com",
        "alice\x7f@example.com",
        "alice@example..com",
        f"{'a' * 2000} <alice@example.com>",
        "\udcff <alice\udcff@example.com>",
    ],
)
def test_what_is_not_one_mailbox_is_none(value: str) -> None:
    """No guess is made."""
    assert author(value) is None


def test_two_from_fields_are_none() -> None:
    """One of them was authenticated, and nobody can tell which one a reader shows."""
    assert read(b"From: a@example.com\nFrom: a@example.com\n\nx").author is None
    assert read(b"Sender: a@example.com\nReply-To: a@example.com\n\nx").author is None


def test_unicode_addresses_are_canonical() -> None:
    """As imports and commands store them."""
    assert author("Jürgen <JÜRGEN@Bücher.example>") == "jürgen@xn--bcher-kva.example"
