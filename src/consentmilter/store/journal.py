"""The journal: what was decided about mail, written behind the mail path's back.

See `consentmilter.store.background` for what that means. Opening and reading raise StoreError and its kinds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from consentmilter.model import Mode
from consentmilter.store.background import Background
from consentmilter.store.databases import database
from consentmilter.store.rows import moment, seconds
from consentmilter.store.schema import JOURNAL, journal


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One verdict, or one that would have been; `ref` is the number that the reply names."""

    at: datetime
    ref: str
    verdict: str
    mode: Mode
    reason: str | None = None
    queue_id: str | None = None
    login: str | None = None
    client: str | None = None
    listener: str | None = None
    stream: str | None = None
    category: str | None = None
    subject: bytes | None = None
    scope: str | None = None
    detail: str | None = None


class Journal(Background[JournalRow]):
    """A journal open for writing."""

    def __init__(self, url: str, on_trouble: Callable[[str], None], capacity: int = 20_000) -> None:
        place = database(url)
        place.select(JOURNAL, sa.select(journal.c.id).limit(0))  # a journal of another version is refused here
        # After power loss the last verdicts told may be missing, which is better than a slow disk for each of them.
        behind = place.behind(JOURNAL, {}, durable=False)
        super().__init__("journal", behind, sa.insert(journal), _values, on_trouble=on_trouble, capacity=capacity)


def read_journal(
    url: str, *, ref: str | None = None, since: datetime | None = None, limit: int = 1000
) -> list[JournalRow]:
    """The newest `limit` rows, the oldest of them first: those of one `ref`, or from `since` on, or all."""
    newest = sa.select(journal).order_by(journal.c.id.desc()).limit(limit)
    if ref is not None:
        newest = newest.where(journal.c.ref == ref)
    if since is not None:
        newest = newest.where(journal.c.at >= seconds(since))
    found = database(url).select(JOURNAL, newest)
    return [_row(**row) for row in reversed(found)]


def _values(row: JournalRow) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in JournalRow.__slots__}
    return values | {"at": seconds(row.at), "verdict": str(row.verdict), "mode": str(row.mode)}


def _row(*, id: int, at: int, mode: str, **others: Any) -> JournalRow:  # noqa: A002, ARG001 - the columns' names
    return JournalRow(at=moment(at), mode=Mode(mode), **others)
