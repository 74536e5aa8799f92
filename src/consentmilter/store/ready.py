"""Rows with all that can be made ready before the lock is held, and by another process than that which holds it.

Pure, and without the database's modules, as `said` is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from consentmilter.store.postgres import copy_binary
from consentmilter.store.postgres.copy_binary import Copy
from consentmilter.store.said import Columns, Said, digest_of, in_order
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
    def of(cls, rows: Sequence[Said], sources: Sources | None = None) -> Self:
        """Make the rows ready; if somebody says where they come from, in writing."""
        columns = Columns.of(in_order(rows))
        digest = columns.digest if columns.count == len(rows) else digest_of(rows)
        return cls(len(rows), digest, columns, _written(sources(), columns) if sources else None)


def _written(source: Source, columns: Columns) -> Written:
    return Written(source, copy_binary.made(Values(source, columns)))
