"""What a list is made of, seen from a file: entries of people and domains, and those of partners' hash lists."""

from dataclasses import dataclass
from datetime import UTC, datetime

from consentmilter.model import Reason, Suppression


@dataclass(frozen=True, slots=True)
class Hashed:
    """An entry of a partner's hash list: whoever's address has this digest (16 octets MD5, 20 SHA-1, 32 SHA-256)."""

    digest: bytes
    scope: str
    reason: Reason
    list: str
    origin: str
    created: datetime
    expires: datetime | None = None
    batch: str | None = None
    asserted_again: bool = False

    def holds(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return self.expires is None or now < self.expires


Row = Suppression | Hashed


def is_address(text: str) -> bool:
    """Whether it is an address, and not a domain."""
    return "@" in text


def stamp(time: datetime) -> str:
    """A time in UTC, to the second."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
