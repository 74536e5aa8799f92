"""What the unit tests are made of: keys, streams, sites, suppressions, and the strategies that draw them."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from consentmilter.addresses import canonical
from consentmilter.keys import KeyRing, subject_of, subject_of_address
from consentmilter.model import ALL, Basis, Consent, ConsentState, Mode, Reason, Suppression
from consentmilter.policy.categories import BUILT_IN, Category
from consentmilter.policy.site import BULK, UNCLASSIFIED, Organisation, Site, Stream

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OPTED_OUT = datetime(2026, 2, 1, 8, 30, tzinfo=UTC)

RING = KeyRing(1, b"s" * 32, 0, {0: b"t" * 32})
OTHER_RING = KeyRing(1, b"S" * 32, 0, {0: b"T" * 32})


FACTOR = int(os.environ.get("EXAMPLES_FACTOR", "1"))
"""For a long run: EXAMPLES_FACTOR=100 pytest --timeout=0 tests/unit."""


def examples(count: int) -> settings:
    """So many drawn examples, without a deadline for each: a busy machine is no fault of the code."""
    return settings(
        max_examples=count * FACTOR,
        deadline=None,
        database=None,
        print_blob=True,
    )


def stream(name: str = "acme.newsletter", category: str | Category = "marketing", **changes: Any) -> Stream:
    """A stream that is enforced."""
    policy = BUILT_IN[category] if isinstance(category, str) else category
    given = {"title": "Weekly newsletter", "mode": Mode.ENFORCE, "unsubscribe_header": policy.unsubscribe_header}
    return Stream(name, category=policy, **{**given, **changes})


def site(*streams: Stream, **changes: Any) -> Site:
    """An enforcing site with these streams and the built-in ones."""
    every = (stream(BULK, title="Bulk mail"), stream(UNCLASSIFIED, title="Mail"), *streams)
    return Site({each.name: each for each in every}, **{"mode": Mode.ENFORCE, **changes})


def suppression(
    who: str = "person@example.com",
    scope: str = ALL,
    reason: Reason = Reason.UNSUBSCRIBE,
    *,
    ring: KeyRing = RING,
    **changes: Any,
) -> Suppression:
    """A suppression of an address, or of a domain where `who` has no @."""
    is_address = "@" in who
    subject = subject_of_address(canonical(who), ring, {}) if is_address else subject_of(who, ring)
    return Suppression(subject, scope, reason, "test", **{"created": OPTED_OUT, "address": who, **changes})


def consent(
    who: str = "person@example.com",
    to: str = "acme.newsletter",
    state: ConsentState = ConsentState.GRANTED,
    *,
    ring: KeyRing = RING,
    **changes: Any,
) -> Consent:
    """What is held of somebody's consent, as of the day on which people opted out."""
    subject = subject_of_address(canonical(who), ring, {})
    given = {"basis": Basis.CONSENT, "at": OPTED_OUT, "confirmed": False, "origin": "test", **changes}
    return Consent(subject, to, state, **given)


REASONS = st.sampled_from(list(Reason))
SCOPES = st.sampled_from([ALL, "acme", "acme.newsletter", "acme.newsletter.weekly", "acme.news", "other"])
SUPPRESSIONS = st.builds(
    Suppression,
    subject=st.just(b"k" * 16),
    scope=SCOPES,
    reason=REASONS,
    origin=st.just("test"),
    created=st.integers(0, 400).map(lambda days: OPTED_OUT - timedelta(days=days)),
    expires=st.none() | st.integers(-3, 3).map(lambda days: NOW + timedelta(days=days)),
)

ODD = st.sampled_from(list('@<>.":;\\ ()[],%!\t\n\x00\x7f\u0338\u0130\u1e9e\u212a\u3002\uff20\udc80\ud800-_=+'))
"""Characters that addresses and header fields trip over."""

ANY_TEXT = st.text(st.one_of(ODD, st.sampled_from("abAB19äß"), st.characters()), max_size=40)
"""Any text at all, lone surrogates included, with more than its share of awkward characters."""

FROM_THE_MTA = st.binary(max_size=40).map(lambda octets: octets.decode("utf-8", "surrogateescape"))
"""Any octets as pymilter hands them over (PEP 383)."""


def organisations(**titles: str) -> dict[str, Organisation]:
    """Organisations by their names."""
    return {name: Organisation(name, title) for name, title in titles.items()}
