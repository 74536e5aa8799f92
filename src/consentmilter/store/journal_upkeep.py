"""What is read and changed in the journal besides writing verdicts: a person's rows, and what is old.

Synchronous. Each change is a transaction of its own, of rows that were looked for before, so that the mail path never
waits long. Raises StoreError and its kinds.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from consentmilter.model import Mode
from consentmilter.store.databases import database
from consentmilter.store.journal import JournalRow
from consentmilter.store.rows import moment, seconds
from consentmilter.store.schema import JOURNAL, journal

ROWS_AT_ONCE = 5000


class Place(NamedTuple):
    """A row of the journal, and whom it is about."""

    id: int
    subject: bytes | None


def of_subjects(url: str, subjects: Sequence[bytes]) -> list[JournalRow]:
    """Every row about these subjects, the oldest first."""
    query = sa.select(journal).where(journal.c.subject.in_(subjects)).order_by(journal.c.id)
    found = database(url).select(JOURNAL, query)
    columns = [name for name in JournalRow.__slots__ if name not in ("at", "mode")]
    return [
        JournalRow(at=moment(row["at"]), mode=Mode(row["mode"]), **{name: row[name] for name in columns})
        for row in found
    ]


def count_of(url: str, subjects: Sequence[bytes]) -> int:
    """How many rows are about these subjects."""
    query = sa.select(sa.func.count().label("rows")).where(journal.c.subject.in_(subjects))
    return int(database(url).select(JOURNAL, query)[0]["rows"])


def forget(url: str, subjects: Sequence[bytes]) -> int:
    """Take the key out of every row about these subjects, which stays for the counts, and say how many there were."""
    done, after = 0, 0
    while places := _page(url, journal.c.subject.in_(subjects), after):
        ids = [place.id for place in places]
        # Only those: a row that falls to prune meanwhile is gone, and its id is another's perhaps.
        of_them = (journal.c.id.in_(ids), journal.c.subject.in_(subjects))
        done += _change(url, sa.update(journal).where(*of_them).values(subject=None))
        after = ids[-1]
    return done


def old(url: str, before: datetime, after: int, rows: int = ROWS_AT_ONCE) -> list[Place]:
    """Up to `rows` rows of before this time, behind a row."""
    return _page(url, journal.c.at < seconds(before), after, rows)


def remove(url: str, ids: Sequence[int], before: datetime) -> int:
    """Remove these rows, and say how many there were."""
    return _change(url, sa.delete(journal).where(journal.c.id.in_(ids), journal.c.at < seconds(before)))


def _page(url: str, chosen: sa.ColumnElement[bool], after: int, rows: int = ROWS_AT_ONCE) -> list[Place]:
    query = sa.select(journal.c.id, journal.c.subject).where(chosen, journal.c.id > after)
    found = database(url).select(JOURNAL, query.order_by(journal.c.id).limit(rows))
    return [Place(row["id"], row["subject"]) for row in found]


def _change(url: str, statement: sa.Update | sa.Delete) -> int:
    return database(url).change(JOURNAL, lambda connection: connection.execute(statement).rowcount)
