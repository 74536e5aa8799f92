"""The journal in numbers: how often what was decided, by whatever its rows can be told apart by.

Counts only: no row, no person. Raises StoreError and its kinds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from consentmilter.store.databases import database
from consentmilter.store.rows import moment, seconds
from consentmilter.store.schema import JOURNAL, journal

# As `str` of a principal says it.
_USE = (
    sa.func.coalesce(journal.c.category, ""),
    sa.func.coalesce(journal.c.login, journal.c.client, journal.c.listener, ""),
)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many rows have these values, of how many people, the first and the last of them."""

    values: tuple[Any, ...]
    count: int
    people: int
    first: datetime
    last: datetime


def would_be(url: str, since: datetime | None, by: Sequence[str]) -> list[Tally]:
    """Verdicts of observe mode that would have been carried out, by these columns."""
    return _tallies(url, since, [journal.c[name] for name in by], journal.c.verdict.like("would-%"))


def bypassed(url: str, since: datetime | None, behind_loop: str | None) -> list[Tally]:
    """Opt-outs that exempt mail bypassed, by category, principal and the opt-out's reason.

    What the listener behind the loop saw, the one before it saw, too.
    """
    return _tallies(url, since, [*_USE, journal.c.reason], journal.c.detail == "bypassed", _not_behind(behind_loop))


def unverified(url: str, since: datetime | None, behind_loop: str | None) -> list[Tally]:
    """Exempt mail that went while the store could not be asked, by category and principal."""
    went = sa.and_(journal.c.verdict == "accept", journal.c.reason == "store")
    return _tallies(url, since, _USE, went, _not_behind(behind_loop))


def over_limit(url: str, since: datetime | None) -> list[Tally]:
    """Exempt mail beyond the cap of its rule, by category and principal."""
    return _tallies(url, since, _USE, journal.c.reason == "over-limit")


def by_time(url: str, since: datetime | None, width: int, stream: str | None) -> list[Tally]:
    """Everything, by spans of `width` seconds (the first value, where a span begins), stream, verdict and reason."""
    span = journal.c.at - journal.c.at % width
    of_stream = sa.true() if stream is None else journal.c.stream == stream
    found = _tallies(url, since, [span, journal.c.stream, journal.c.verdict, journal.c.reason], of_stream)
    return [Tally((moment(each.values[0]), *each.values[1:]), *_rest(each)) for each in found]


def _rest(tally: Tally) -> tuple[int, int, datetime, datetime]:
    return tally.count, tally.people, tally.first, tally.last


def _not_behind(listener: str | None) -> sa.ColumnElement[bool]:
    return sa.true() if listener is None else journal.c.listener.is_distinct_from(listener)


def _tallies(
    url: str, since: datetime | None, by: Sequence[sa.ColumnElement[Any]], *which: sa.ColumnElement[bool]
) -> list[Tally]:
    values = [column.label(f"value{number}") for number, column in enumerate(by)]
    at = journal.c.at
    query = (
        sa.select(
            *values,
            sa.func.count().label("count"),
            sa.func.count(journal.c.subject.distinct()).label("people"),
            sa.func.min(at).label("first"),
            sa.func.max(at).label("last"),
        )
        .where(*which)
        .group_by(*values)
        .order_by(*(sa.nulls_first(value) for value in values))
    )
    if since is not None:
        query = query.where(at >= seconds(since))
    return [
        Tally(
            tuple(row[value.name] for value in values),
            row["count"],
            row["people"],
            moment(row["first"]),
            moment(row["last"]),
        )
        for row in database(url).select(JOURNAL, query)
    ]
