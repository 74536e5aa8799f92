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

from consentmilter.model import Assertion, Reason

SALT_OCTETS = 16


class Action(StrEnum):
    """What was done to suppressions."""

    ADD = "add"
    """A suppression was made."""
    REPEAT = "repeat"
    """One that stood already was asserted again."""
    LIFT = "lift"
    """A suppression was removed, with evidence."""
    IMPORT = "import"
    """A chunk of an import batch was asserted; `count` and `digest` stand for its rows."""


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


def rows_digest(assertions: Iterable[Assertion]) -> bytes:
    """What an import chunk said, whatever the order: subject, scope, reason, time and expiry of each row."""
    lines = sorted(map(_line, assertions))
    return hashlib.blake2b(b"".join(lines), digest_size=32, person=b"cm-rows").digest()


def _line(said: Assertion) -> bytes:
    """One row as a line that no other row shares: escaped, the scope holds neither a newline nor other octets."""
    at = int(said.at.timestamp()) if said.at else "-"
    expires = int(said.expires.timestamp()) if said.expires else "-"
    scope = said.scope.encode("unicode_escape").decode("ascii")
    return f"{said.subject.hex()} {said.reason} {at} {expires} {scope}\n".encode("ascii")
