"""What the journal holds of a stretch of time; synchronous. Raises StoreError and its kinds."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from consentmilter.model import Mode
from consentmilter.store.databases import database
from consentmilter.store.journal import JournalRow
from consentmilter.store.rows import moment, seconds
from consentmilter.store.schema import JOURNAL, journal

_COLUMNS = [name for name in JournalRow.__slots__ if name not in ("at", "mode")]


def between(url: str, subjects: Sequence[bytes], begin: datetime, end: datetime) -> list[JournalRow]:
    """The rows about these subjects from one time to another, both included, the oldest first."""
    chosen = (journal.c.at.between(seconds(begin), seconds(end)), journal.c.subject.in_(subjects))
    found = database(url).select(JOURNAL, sa.select(journal).where(*chosen).order_by(journal.c.id))
    return [
        JournalRow(at=moment(row["at"]), mode=Mode(row["mode"]), **{name: row[name] for name in _COLUMNS})
        for row in found
    ]


def first(url: str) -> datetime | None:
    """The time of the oldest row that there is."""
    [row] = database(url).select(JOURNAL, sa.select(sa.func.min(journal.c.at).label("at")))
    return None if row["at"] is None else moment(row["at"])
