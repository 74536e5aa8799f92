"""The chain over the ledger: each digest covers one entry and the digest before it. Pure.

    digest 0 = 32 zero octets
    digest n = BLAKE2b-256(digest n-1 || entry n, person "cm-chain")

An entry counts as the store has it, column by column, each with its kind and its length, so that no two different
entries are written alike. Personal fields are in it by their salted commitment only: they can be blanked later, and the
chain still holds. Raises ValueError for what this program cannot have written.
"""

import json
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from consentmilter.ledger import SALT_OCTETS, Evidence

DIGEST_OCTETS = 32
START = bytes(DIGEST_OCTETS)
"""What stands before the first entry."""

COLUMNS = (
    "id",
    "at",
    "actor",
    "source",
    "action",
    "batch",
    "subject",
    "scope",
    "reason",
    "count",
    "digest",
    "commitment",
)
"""What of an entry is chained, in this order, for ever: a chain outlives the program that began it."""

_COMMITMENT = COLUMNS.index("commitment")


def link(before: bytes, entry: Sequence[object]) -> bytes:
    """The digest that covers an entry, its `COLUMNS` as the store has them, and everything before it."""
    return blake2b(before + b"".join(map(_field, entry)), digest_size=DIGEST_OCTETS, person=b"cm-chain").digest()


def evidence_fault(entry: Sequence[object], salt: object, data: str | None) -> str | None:
    """What is wrong with the personal fields of an entry, `data` as JSON, or None.

    To be blank is not wrong: it is what erasure does. The entry still tells that there was something.
    """
    commitment = entry[_COMMITMENT]
    if salt is None and data is None:
        return None if commitment is None else "its evidence is gone; erasure would have left it blank"
    if commitment is None:
        return "it was made without evidence, and now has some"
    if is_blank(salt, data):
        return None
    said = _parsed(data)
    if said is None or not isinstance(salt, bytes) or len(salt) != SALT_OCTETS:
        return "its evidence was altered"
    return None if Evidence(salt, said).commitment() == commitment else "its evidence was altered"


def is_blank(salt: object, data: str | None) -> bool:
    """Whether evidence was erased."""
    return salt == b"" and data == "{}"


def _field(value: object) -> bytes:
    match value:
        case None:
            return b"-"
        case bytes():
            kind, octets = b"b", value
        case str():
            kind, octets = b"s", value.encode("utf-8", "surrogatepass")
        case int():
            kind, octets = b"i", b"%d" % value
        case _:
            raise ValueError(f"no entry has a value such as {value!r}")
    return b"%s%d:%s" % (kind, len(octets), octets)


def _parsed(data: str | None) -> dict[str, Any] | None:
    """The object that the text stands for, if it does."""
    try:
        found = json.loads(data or "", object_pairs_hook=_each_once)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object none of whose names stands twice: of two, one program would read the first and another the last."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found
