"""The feed: what changed on the list, in the order of the ledger, for systems that follow it.

A cursor is where a reader is. The ledger's ids are given out under the one lock under which everything is written, so
entries become visible in the order of their ids and none comes in behind a cursor. An import is one change for each
entry that it made and that still stands, at the place of its last ledger entry; while it goes on, that place moves, and
a reader can meet an entry twice. Entries of hash lists are left out. Raises UsageError for a cursor that is none of
this list, and the store's errors.
"""

import base64
import binascii
import struct
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b

from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.errors import UsageError
from consentmilter.ledger import Action, Entry
from consentmilter.model import Reason, Suppression
from consentmilter.service.suppressions import Actor
from consentmilter.store import exports
from consentmilter.store.rows import moment
from consentmilter.store.suppressions import Key
from consentmilter.store.writer import Store

_VERSION = 1
_HEAD = struct.Struct(">Bqq")
_SUBJECT_OCTETS = 16
_SUM_OCTETS = 4


@dataclass(frozen=True, slots=True)
class Change:
    """One change: `action` is add, repeat, lift or import; `batch` is the import that made the suppression."""

    at: datetime
    action: str
    subject: bytes
    address: str | None
    scope: str
    reason: Reason
    origin: str
    batch: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some changes, the cursor behind them, and whether there may be more now."""

    items: list[Change]
    cursor: str
    more: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """Behind the ledger entry with this id and time; with an import's `key`, behind that one of its entries.

    `open` says that the entries of the import are still to come.
    """

    id: int = 0
    at: int = 0
    open: bool = False
    key: Key | None = None

    def cursor(self) -> str:
        octets = _HEAD.pack(_VERSION, self.id, self.at)
        if self.open:
            octets += b"\1" if self.key is None else self.key.subject + f"{self.key.reason} {self.key.scope}".encode()
        return base64.urlsafe_b64encode(octets + _sum(octets)).rstrip(b"=").decode("ascii")


async def changes(store: Store, cursor: str | None, limit: int) -> Page:
    """Up to `limit` changes behind the cursor, or from the beginning; the cursor of the end gives what is new."""
    if limit < 1:
        raise UsageError(f"a page has at least one change, not {limit}")
    place = _Place() if cursor is None else _read(cursor)
    await store.read(lambda connection: _refuse_foreign(connection, place))
    items: list[Change] = []
    while len(items) < limit:
        here, left = place, limit - len(items)
        found, place = await store.read(lambda connection: _step(connection, here, left))  # noqa: B023 - awaited at once
        items += found
        if place == here:
            return Page(items, place.cursor(), more=False)
    return Page(items, place.cursor(), more=True)


async def end(store: Store) -> str:
    """The cursor behind everything that has happened so far."""
    last = await store.read(exports.last_entry)
    return _Place(*last or ()).cursor()


async def _step(connection: AsyncConnection, place: _Place, limit: int) -> tuple[list[Change], _Place]:
    """Some changes on one state of the list, and the place behind them."""
    if place.open:
        return await _entries_of_import(connection, place, limit)
    items: list[Change] = []
    for entry, address in await exports.told(connection, place.id, limit):
        place = _Place(entry.id or 0, int(entry.at.timestamp()), open=entry.action is Action.IMPORT)
        if place.open:
            break
        items.append(_of_entry(entry, address))
    return items, place


async def _entries_of_import(connection: AsyncConnection, place: _Place, limit: int) -> tuple[list[Change], _Place]:
    batch = await exports.batch_of(connection, place.id)
    assert batch is not None
    rows = await exports.of_batch(connection, batch, place.key, limit)
    at = moment(place.at)
    if len(rows) < limit:
        return [_of_row(row, at) for row in rows], _Place(place.id, place.at)
    last = rows[-1]
    return [_of_row(row, at) for row in rows], replace(place, key=Key(last.subject, last.scope, last.reason))


def _of_entry(entry: Entry, address: str | None) -> Change:
    assert entry.subject is not None
    assert entry.scope is not None
    assert entry.reason is not None
    said = entry.evidence.data.get("address") if entry.evidence else None
    origin = Actor(entry.actor, entry.source).origin
    return Change(
        entry.at, entry.action, entry.subject, address or said, entry.scope, entry.reason, origin, entry.batch
    )


def _of_row(row: Suppression, at: datetime) -> Change:
    return Change(at, Action.IMPORT, row.subject, row.address, row.scope, row.reason, row.origin, row.batch)


async def _refuse_foreign(connection: AsyncConnection, place: _Place) -> None:
    """Refuse a cursor of another list, or of one that was set back: changes behind it would be missed in silence."""
    if place.id and await exports.last_entry(connection, place.id) != (place.id, place.at):
        raise UsageError("the cursor is not of this list, or the list was restored since: begin without a cursor")
    if place.open and await exports.batch_of(connection, place.id) is None:
        raise UsageError("this is no cursor")


def _read(cursor: str) -> _Place:
    try:
        octets = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        version, entry, at = _HEAD.unpack_from(octets)
        place = _Place(entry, at, *_opened(octets[_HEAD.size : -_SUM_OCTETS]))
    except (ValueError, binascii.Error, struct.error):
        raise UsageError("this is no cursor") from None
    if version != _VERSION or place.cursor() != cursor:
        raise UsageError("this is no cursor")
    return place


def _sum(octets: bytes) -> bytes:
    """Against slips of whoever copies a cursor, not against malice: a cursor gives no right."""
    return blake2b(octets, digest_size=_SUM_OCTETS, person=b"cm-cursor").digest()


def _opened(octets: bytes) -> tuple[bool, Key | None]:
    """What the end of a cursor says of an import; raises ValueError for what `_Place.cursor` did not write."""
    if octets in (b"", b"\1"):
        return bool(octets), None
    reason, _, scope = octets[_SUBJECT_OCTETS:].decode().partition(" ")
    return True, Key(octets[:_SUBJECT_OCTETS], scope, Reason(reason))
