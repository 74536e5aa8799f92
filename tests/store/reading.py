"""What the tests of the mail path's reader share: a store with these rows in it, and a reader of it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from consentmilter.model import Consent, Suppression
from consentmilter.store import schema
from consentmilter.store.databases import database
from consentmilter.store.reader import Reader
from tests.store.support import KEYS, NOON


def fill(url: str, *rows: Suppression) -> None:
    """Have these suppressions in the store."""
    _insert(url, schema.suppression, [_columns(row) for row in rows])


def consented(url: str, *rows: Consent) -> None:
    """Have these consents in the store."""
    _insert(url, schema.consent, [_columns(row) for row in rows])


def listed(url: str, *digests: bytes) -> None:
    """Have these digests on the list of a partner."""
    common = {"scope": "*", "reason": "imported", "list": "partner", "origin": "list:partner", "batch": "b1",
              "asserted_again": False, "created": int(NOON.timestamp())}  # fmt: skip
    _insert(url, schema.hash_suppression, [{"digest": digest, **common} for digest in digests])


def changed(url: str, statement: str) -> None:
    """Change something that this program would not."""
    database(url).make(lambda connection: connection.exec_driver_sql(statement))


@contextmanager
def reading(url: str, deadline: float = 2.0) -> Iterator[Reader]:
    """A reader that is closed after the test."""
    with Reader(url, KEYS, deadline) as reader:
        yield reader


def _columns(row: Suppression | Consent) -> dict[str, Any]:
    return {
        name: int(value.timestamp()) if isinstance(value, datetime) else value for name, value in asdict(row).items()
    }


def _insert(url: str, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    database(url).make(lambda connection: connection.execute(sa.insert(table), rows))
