"""Which address means what."""

import pytest

from consentmilter.config import Config
from consentmilter.config.compile import compile_site
from consentmilter.intake.address import BySender, ByToken, Door, Doors, ForBounces, ForCopies, Manner
from consentmilter.keys import KeyRing
from consentmilter.service.targets import Targets
from consentmilter.tokens import Purpose, Token, make, stream_hash
from tests.intake.site import NOON, SITE, laid_over

RING = KeyRing(1, bytes(32), 1, {1: b"t" * 32})
SUBJECT = b"s" * 16
GONE = {stream_hash("acme.gone"): "acme.gone", stream_hash("old.news"): "old.news"}


def token(purpose: Purpose, stream: str = "acme.newsletter") -> str:
    return make(Token(purpose, SUBJECT, stream_hash(stream), NOON.date()), RING)


def door(address: str, config: Config | None = None) -> Door | None:
    chosen = config or Config.model_validate(SITE)
    names = GONE | {stream_hash(name): name for name in chosen.streams}
    return Doors(chosen, Targets(compile_site(chosen), names), RING).of(address)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("dkim-check@example.com", ForCopies()),
        ("DKIM-Check@EXAMPLE.com.", ForCopies()),
        ("privacy@example.com", BySender(Manner.PRIVACY, "*")),
        ("privacy@acme.example", BySender(Manner.PRIVACY, "acme")),
        ("unsub@example.com", BySender(Manner.PLAIN, "*")),
        ("unsub+@example.com", BySender(Manner.PLAIN, "*")),
        ("unsub@acme.example", BySender(Manner.PLAIN, "acme")),
        ("unsub+zenith.news@acme.example", BySender(Manner.STREAM, "zenith.news")),
        ("unsub+zenith@example.com", BySender(Manner.STREAM, "zenith")),
        ("unsub+acme.gone@example.com", BySender(Manner.STREAM, "acme")),
        ("unsub+old.news@example.com", BySender(Manner.STREAM, "old")),
        ("unsub+never.was@acme.example", BySender(Manner.PLAIN, "acme")),
        ("bounce@example.com", None),
        ("privacy+x@example.com", None),
        ("unsub@example.org", None),
        ("unsub", None),
        ("", None),
        ("un\x00sub@example.com", None),
    ],
)
def test_addresses_without_a_token(address: str, expected: Door | None) -> None:
    """The site's mean everything, an organisation's its own mail; a stream that is gone means its organisation."""
    assert door(address) == expected


@pytest.mark.parametrize(
    ("stream", "scope"),
    [
        ("acme.newsletter", "acme.newsletter"),
        ("acme.gone", "acme"),
        ("zenith", "zenith"),
        ("*", "*"),
        ("never.was", "*"),
    ],
)
def test_a_token_names_a_stream_or_what_is_left_of_it(stream: str, scope: str) -> None:
    """Links outlive their streams; a question may be about an organisation, or about everything."""
    found = door(f"unsub+{token(Purpose.CONFIRM, stream)}@example.com")
    assert isinstance(found, ByToken)
    assert (found.token.subject, found.scope) == (SUBJECT, scope)


def test_a_bounce_address_stands_for_the_organisation() -> None:
    """A dead mailbox is dead for all of its streams."""
    found = door(f"Bounce+{token(Purpose.BOUNCE).upper()}@example.com")
    assert isinstance(found, ForBounces)
    assert found.scope == "acme"


def test_where_only_one_mails_its_addresses_mean_everything() -> None:
    """Also mail that belongs to no stream of theirs, such as the built-in stream of bulk mail."""
    site = {name: value for name, value in SITE.items() if name not in ("organisations", "streams")}
    alone = {"organisations": {"acme": SITE["organisations"]["acme"]}, "streams": {"acme.newsletter": {}}}
    assert door("privacy@acme.example", Config.model_validate(site | alone)) == BySender(Manner.PRIVACY, "*")


def test_one_address_for_bounces_and_requests_is_told_apart_by_the_token() -> None:
    """Each token for its purpose."""
    shared = Config.model_validate(laid_over(SITE, {"unsubscribe": {"bounce": "unsub@example.com"}}))
    assert isinstance(door(f"unsub+{token(Purpose.BOUNCE)}@example.com", shared), ForBounces)
    assert isinstance(door(f"unsub+{token(Purpose.UNSUBSCRIBE)}@example.com", shared), ByToken)


def test_an_address_that_two_share_speaks_of_everything() -> None:
    """Nobody can tell whom a person means."""
    shared = laid_over(SITE, {"organisations": {"zenith": {"privacy": ["privacy@acme.example"]}}})
    assert door("privacy@acme.example", Config.model_validate(shared)) == BySender(Manner.PRIVACY, "*")
