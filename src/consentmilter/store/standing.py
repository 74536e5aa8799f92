"""The look-up by key, in one statement over people's own entries, partners' hash lists and consents.

A row of a hash list comes back like any other suppression: the digest is its subject, and it has no address. The
statement is made here once, for the mail path and for everything asynchronous.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from consentmilter.model import Consent, Suppression
from consentmilter.policy.facts import Facts
from consentmilter.store.rows import to_consent, to_suppression
from consentmilter.store.schema import consent, hash_suppression, suppression

Keys = list[sa.BindParameter[bytes]] | sa.BindParameter[bytes]

Chosen = Callable[[sa.Column[bytes]], sa.ColumnElement[bool]]
"""Which rows of a table are meant, by its column of keys."""

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


_SUBJECT, _WORD = 0, 1
"""Where a row has its subject, and a sign its word."""


class Sign(NamedTuple):
    """What a look-up tells besides: by a row without a subject, whose scope is `word`, where the condition holds."""

    word: str
    condition: sa.ColumnElement[bool]


ANY_HASH_LIST = Sign("hash lists", sa.exists().select_from(hash_suppression))
"""There is something in a hash list: digests are worth their look-up, and the making of them."""


def by_key(subjects: Keys, keys: Keys) -> sa.CompoundSelect[tuple[object, ...]]:
    """Every suppression of these `subjects`, and every entry of a hash list for these `keys`."""
    return sa.union_all(
        sa.select(suppression).where(suppression.c.subject.in_(subjects)),
        sa.select(*AS_SUPPRESSION).where(hash_suppression.c.digest.in_(keys)),
    )


def facts_by_key(subjects: Keys, keys: Keys) -> sa.CompoundSelect[tuple[object, ...]]:
    """The same, and every consent of these `subjects`; its rows are for `to_facts`."""
    return looked_up(lambda column: column.in_(subjects), lambda column: column.in_(keys), [])


def looked_up(
    of_people: Chosen | None, of_lists: Chosen | None, signs: Iterable[Sign]
) -> sa.CompoundSelect[tuple[object, ...]]:
    """The same, of whom is chosen, if anybody is; then the signs. Its rows are for `to_facts`."""
    parts: list[sa.Select[Any]] = []
    without_basis = sa.null().label("basis")
    if of_people:
        parts.append(sa.select(suppression, without_basis).where(of_people(suppression.c.subject)))
    if of_lists:
        parts.append(sa.select(*AS_SUPPRESSION, without_basis).where(of_lists(hash_suppression.c.digest)))
    if of_people:
        parts.append(sa.select(*_CONSENT_AS_SUPPRESSION).where(of_people(consent.c.subject)))
    return sa.union_all(*parts, *map(_sign_row, signs))


def signs_of(rows: Iterable[Sequence[Any]]) -> set[str]:
    """The words of the signs among the rows of `looked_up`."""
    return {row[_WORD] for row in rows if row[_SUBJECT] is None}


def to_facts(rows: Iterable[Sequence[Any]]) -> Facts:
    """What the rows of `facts_by_key` say, or those of `looked_up`."""
    suppressions: list[Suppression] = []
    consents: list[Consent] = []
    for row in rows:
        *columns, basis = row
        if columns[_SUBJECT] is None:
            continue
        if basis is None:
            suppressions.append(to_suppression(columns))
        else:
            subject, stream, state, origin, batch, confirmed, at, _, address, _ = columns
            consents.append(to_consent((subject, stream, state, basis, at, confirmed, origin, batch, address)))
    return Facts(suppressions, consents)


def _sign_row(sign: Sign) -> sa.Select[Any]:
    columns: list[sa.ColumnElement[Any]] = [sa.null().label(column.name) for column in _CONSENT_AS_SUPPRESSION]
    columns[_WORD] = sa.literal_column(f"'{sign.word}'").label("scope")
    return sa.select(*columns).where(sign.condition)
