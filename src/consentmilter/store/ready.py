"""Rows with all that can be made ready before the lock is held, and by another process than that which holds it.

Pure, and without the database's modules, as `said` is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from consentmilter.store.postgres import copy_binary
from consentmilter.store.postgres.copy_binary import Copy
from consentmilter.store.said import Columns
from consentmilter.store.values import Source, Values

Sources = Callable[[], Source]
"""Where rows come from that are recorded now."""


@dataclass(frozen=True, slots=True)
class Written:
    """Rows as they go into a database that takes them by COPY, and from where they were said to come."""

    source: Source
    copy: Copy


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that are to go in together: how many, the digest of them, and each that says something else, by key."""

    count: int
    digest: bytes
    distinct: Columns
    written: Written | None = None

    @classmethod
    def of(cls, columns: Columns, sources: Sources | None = None) -> Self:
        """Make rows ready that are in order, and no two of which say the same; in writing, if there are sources."""
        written = None
        if sources:
            source = sources()
            written = Written(source, copy_binary.made(Values(source, columns)))
        return cls(columns.count, columns.digest, columns, written)
