"""Checkpoints: a few lines that say what the end of the chain was, to keep where nobody can rewrite them. Pure.

    consentmilter checkpoint 1
    position 4711
    digest 5d41...
    time 2026-03-01T12:00:00+00:00

Who holds one can tell later whether the ledger is still the one of then, up to that place. Raises `UsageError` for a
text that is none.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from consentmilter.errors import UsageError

_TEXT = re.compile(r"consentmilter checkpoint 1\nposition (\d{1,18})\ndigest ([0-9a-f]{64})\ntime (\S{1,40})\n")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """So many entries were chained at that time, and the last digest was this; `at` is a whole second."""

    position: int
    digest: bytes
    at: datetime

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Read a checkpoint's text; every octet counts."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise UsageError("this is no checkpoint: it has four lines, the first `consentmilter checkpoint 1`")
        try:
            at = datetime.fromisoformat(match[3]).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise UsageError(f"this is no checkpoint: the time {match[3]} is none") from error
        return cls(int(match[1]), bytes.fromhex(match[2]), at)

    def render(self) -> str:
        """The checkpoint's text."""
        return (
            "consentmilter checkpoint 1\n"
            f"position {self.position}\n"
            f"digest {self.digest.hex()}\n"
            f"time {self.at.isoformat(timespec='seconds')}\n"
        )
