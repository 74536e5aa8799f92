"""The look-up by key, in one statement over people's own entries, partners' hash lists and consents.

A row of a hash list comes back like any other suppression: the digest is its subject, and it has no address. The
statement is made here once, for the mail path and for everything asynchronous.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from consentmilter.model import Consent, Suppression
from consentmilter.policy.facts import Facts
from consentmilter.store.rows import to_consent, to_suppression
from consentmilter.store.schema import consent, hash_suppression, suppression

Keys = list[sa.BindParameter[bytes]] | sa.BindParameter[bytes]

AS_SUPPRESSION = [
    hash_suppression.c.digest.label("subject"),
    hash_suppression.c.scope,
    hash_suppression.c.reason,
    hash_suppression.c.origin,
    hash_suppression.c.batch,
    hash_suppression.c.asserted_again,
    hash_suppression.c.created,
    hash_suppression.c.expires,
    sa.null().label("address"),
    hash_suppression.c.repeated,
]
"""The columns of a hash list in the order of those of `suppression`."""

_CONSENT_AS_SUPPRESSION = [
    consent.c.subject,
    consent.c.stream.label("scope"),
    consent.c.state.label("reason"),
    consent.c.origin,
    consent.c.batch,
    consent.c.confirmed.label("asserted_again"),
    consent.c.at.label("created"),
    sa.null().label("expires"),
    consent.c.address,
    sa.null().label("repeated"),
    consent.c.basis,
]
"""The columns of a consent in the same order, and its basis, by which the rows are told apart."""


def by_key(subjects: Keys, keys: Keys) -> sa.CompoundSelect[tuple[object, ...]]:
    """Every suppression of these `subjects`, and every entry of a hash list for these `keys`."""
    return sa.union_all(
        sa.select(suppression).where(suppression.c.subject.in_(subjects)),
        sa.select(*AS_SUPPRESSION).where(hash_suppression.c.digest.in_(keys)),
    )


def facts_by_key(subjects: Keys, keys: Keys) -> sa.CompoundSelect[tuple[object, ...]]:
    """The same, and every consent of these `subjects`; its rows are for `to_facts`."""
    without_basis = sa.null().label("basis")
    return sa.union_all(
        sa.select(suppression, without_basis).where(suppression.c.subject.in_(subjects)),
        sa.select(*AS_SUPPRESSION, without_basis).where(hash_suppression.c.digest.in_(keys)),
        sa.select(*_CONSENT_AS_SUPPRESSION).where(consent.c.subject.in_(subjects)),
    )


def to_facts(rows: Iterable[Sequence[Any]]) -> Facts:
    """What the rows of `facts_by_key` say."""
    suppressions: list[Suppression] = []
    consents: list[Consent] = []
    for row in rows:
        *columns, basis = row
        if basis is None:
            suppressions.append(to_suppression(columns))
        else:
            subject, stream, state, origin, batch, confirmed, at, _, address, _ = columns
            consents.append(to_consent((subject, stream, state, basis, at, confirmed, origin, batch, address)))
    return Facts(suppressions, consents)
