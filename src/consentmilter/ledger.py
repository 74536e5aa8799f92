"""The ledger's words: what one entry says, and the digests that it carries. Pure.

An entry about a person holds no personal data itself: address and evidence lie apart, and the entry holds a commitment
to them, so that erasing them later leaves the entry as it was. Salt and time are passed in.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from itertools import starmap

from consentmilter.model import Reason

SALT_OCTETS = 16


class Action(StrEnum):
    """What was done."""

    ADD = "add"
    """A suppression was made."""
    REPEAT = "repeat"
    """One that stood already was asserted again."""
    LIFT = "lift"
    """A suppression was removed, with evidence."""
    IMPORT = "import"
    """A chunk of an import batch was asserted; `count` and `digest` stand for its rows."""
    EXPORT = "export"
    """The list, or a part of it, was written out; `count` and `digest` stand for what was written."""
    REQUEST = "request"
    """A person was asked for their consent to a stream (`scope`)."""
    GRANT = "grant"
    """They consented."""
    WITHDRAW = "withdraw"
    """They took their consent back."""
    RECTIFY = "rectify"
    """What is held about a person was moved to another address."""
    ERASE = "erase"
    """The personal fields held about a person were blanked."""
    RESTRICT = "restrict"
    """Nothing is done with a person's data any more but to keep it."""
    OBJECT = "object"
    """A person objected to direct marketing."""
    PRUNE = "prune"
    """What was kept long enough was removed; `count` says how much."""
    HOLD = "hold"
    """Nothing about a person may be deleted from now on."""
    RELEASE = "release"
    """It may be again."""
    CHECKPOINT = "checkpoint"
    """The end of the chain was written out; `digest` is what it was."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The personal fields of an entry, such as the address and what the person wrote."""

    salt: bytes
    data: Mapping[str, str]

    def commitment(self) -> bytes:
        """What the entry holds of this; the salt keeps short data, such as an address, from being guessed.

        Raises ValueError for a salt of another length: salt and data could then be shifted against each other.
        """
        if len(self.salt) != SALT_OCTETS:
            raise ValueError(f"the salt of a commitment has {SALT_OCTETS} octets, not {len(self.salt)}")
        return hashlib.blake2b(self.salt + canonical(self.data), digest_size=32, person=b"cm-evidence").digest()


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger.

    `commitment` outlives the `evidence` that it was made from. `id` is None until the store has given it one.
    """

    at: datetime
    actor: str
    source: str
    action: Action
    batch: str | None = None
    subject: bytes | None = None
    scope: str | None = None
    reason: Reason | None = None
    count: int = 1
    digest: bytes | None = None
    commitment: bytes | None = None
    evidence: Evidence | None = None
    id: int | None = None


def canonical(data: Mapping[str, str]) -> bytes:
    """The one way to write `data` as JSON: sorted keys, no spaces, ASCII."""
    return json.dumps(dict(data), sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def said_digest(rows: Iterable[tuple[bytes, str, str, int | None, int | None]]) -> bytes:
    """What rows said, whatever their order: subject or digest, scope, reason, time and expiry in seconds of each."""
    return _of_lines(sorted(starmap(_line, rows)))


def alike_digest(
    subjects: Iterable[bytes], scope: str, reason: str, times: Iterable[int | None], expires: int | None
) -> bytes:
    """`said_digest` of rows that differ in subject and time alone, as nearly all do, in the order of the subjects."""
    before, behind = f" {reason} ", f" {'-' if expires is None else expires} {_escaped(scope)}\n"
    hexed = map(bytes.hex, subjects)
    lines = [f"{one}{before}{'-' if at is None else at}{behind}" for one, at in zip(hexed, times, strict=True)]
    return _of_lines(lines)  # in order, since their beginnings are


def _of_lines(lines: Iterable[str]) -> bytes:
    text = "".join(lines)
    return hashlib.blake2b(text.encode("ascii"), digest_size=32, person=b"cm-rows").digest()


def _line(subject: bytes, scope: str, reason: str, at: int | None, expires: int | None) -> str:
    """One row as a line that no other row shares."""
    since, until = "-" if at is None else at, "-" if expires is None else expires
    return f"{subject.hex()} {reason} {since} {until} {_escaped(scope)}\n"


@lru_cache(maxsize=64)
def _escaped(scope: str) -> str:
    """The scope without newlines and other octets than those of ASCII."""
    return scope.encode("unicode_escape").decode("ascii")
