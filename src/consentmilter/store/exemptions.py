"""How much mail of exempt categories goes out: what was used, and what rules have leased of their cap a day.

Uses are counted by the day, the category and the principal. A lease stands in the same table, under no category and the
rule's fingerprint: what is leased counts as used until it is given back, so a cap holds whatever becomes of who leased.
Changes are made behind the mail path's back, by one thread. Raises StoreError and its kinds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from consentmilter.store.databases import database
from consentmilter.store.dialect import upsert
from consentmilter.store.schema import CORE, exemption_use

LEASED = ""
"""Stands in the place of a category, of which none has an empty name."""

_COUNT = exemption_use.c.count
_KEY = [exemption_use.c.day, exemption_use.c.category, exemption_use.c.principal]


class Use(NamedTuple):
    """Who used which category on which day."""

    day: int
    category: str
    principal: str


@dataclass(frozen=True, slots=True)
class Used:
    """How much mail of a category a principal sent, from the first day of use to the last."""

    category: str
    principal: str
    count: int
    first: date
    last: date


def day_of(at: datetime) -> int:
    """The day of a time in UTC, counted from 1970-01-01."""
    return int(at.timestamp() // 86400)


def date_of(day: int) -> date:
    """The date of such a day."""
    return datetime.fromtimestamp(0, UTC).date() + timedelta(days=day)


class ExemptionBook:
    """The counts, open for changes by one thread; opens nothing before the first."""

    def __init__(self, url: str, key_checks: Mapping[str, bytes]) -> None:
        self._behind = database(url).behind(CORE, key_checks, durable=True)

    def lease(self, day: int, rule: str, wanted: int, cap: int) -> int:
        """Take up to `wanted` of what is left of the rule's cap for the day, and say how much that is."""
        row = Use(day, LEASED, rule)
        begun = upsert(exemption_use).values(**row._asdict(), count=0).on_conflict_do_nothing()
        # Whatever else is locked: two nodes never lease from one row at once.
        taken = sa.select(_COUNT).where(*_of(row)).with_for_update()

        def job(connection: sa.Connection) -> int:
            connection.execute(begun)
            granted = max(min(wanted, cap - int(connection.scalars(taken).one())), 0)
            connection.execute(_add(row, granted))
            return granted

        return self._behind.write(job)

    def give_back(self, day: int, rule: str, count: int) -> None:
        """Return what was leased and not used."""
        self._behind.write(lambda connection: connection.execute(_add(Use(day, LEASED, rule), -count)))

    def count(self, uses: Mapping[Use, int]) -> None:
        """Add to what was used."""
        row = upsert(exemption_use)
        more = row.on_conflict_do_update(index_elements=_KEY, set_={"count": _COUNT + row.excluded.count})
        self._behind.run(more, [use._asdict() | {"count": count} for use, count in uses.items()])

    def close(self) -> None:
        self._behind.close()


def used(url: str, since: datetime | None) -> list[Used]:
    """What was used, on the day of `since` and later, by category and principal."""
    names = exemption_use.c.category, exemption_use.c.principal
    query = (
        sa.select(
            *names,
            sa.func.sum(_COUNT).label("count"),
            sa.func.min(exemption_use.c.day).label("first"),
            sa.func.max(exemption_use.c.day).label("last"),
        )
        .where(exemption_use.c.category != LEASED, exemption_use.c.day >= (day_of(since) if since else 0))
        .group_by(*names)
        .order_by(*names)
    )
    found = database(url).select(CORE, query)
    return [
        Used(row["category"], row["principal"], int(row["count"]), date_of(row["first"]), date_of(row["last"]))
        for row in found
    ]


def _of(use: Use) -> list[sa.ColumnElement[bool]]:
    return [column == value for column, value in zip(_KEY, use, strict=True)]


def _add(use: Use, count: int) -> sa.Update:
    return sa.update(exemption_use).where(*_of(use)).values(count=_COUNT + count)
