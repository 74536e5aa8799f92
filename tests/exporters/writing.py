"""What the tests of the formats share: entries, and a format's lines with its tally."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from consentmilter.exporters import FORMATS, Hashed, Setting, Tally
from consentmilter.model import ALL, Reason, Suppression

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SINCE = datetime(2026, 2, 7, 8, 30, 5, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(days=1), NOW - timedelta(days=1)
SETTING = Setting(NOW, "subject-1:" + "00" * 16)


def row(
    address: str | None = "a@x.example", scope: str = ALL, reason: Reason = Reason.UNSUBSCRIBE, **more: Any
) -> Suppression:
    """An entry, whose subject is made of the address."""
    subject = (address or "nobody").encode().ljust(16)[:16]
    return Suppression(
        **{"subject": subject, "origin": "click", "created": SINCE, "address": address, **more},
        scope=scope,
        reason=reason,
    )


def hashed(digest: bytes, **more: Any) -> Hashed:
    """An entry of a hash list."""
    return Hashed(
        digest,
        **{"scope": ALL, "reason": Reason.IMPORTED, "list": "partner", "origin": "import", "created": SINCE, **more},
    )


def written(name: str, *rows: Suppression, setting: Setting = SETTING) -> tuple[str, Tally]:
    """What a format makes of entries, header included."""
    tally = Tally()
    return FORMATS[name].header + "".join(FORMATS[name].people(rows, setting, tally)), tally


def written_hashes(name: str, rows: Sequence[Hashed]) -> tuple[str, Tally]:
    """What a format makes of entries of hash lists."""
    tally = Tally()
    return "".join(FORMATS[name].hashes(rows, SETTING, tally)), tally
