"""For which streams the signature of what leaves the system does not cover the list fields; synchronous.

Raises StoreError and its kinds.
"""

import sqlalchemy as sa

from consentmilter.store.schema import CORE, dkim_check
from consentmilter.store.sqlite import files
from consentmilter.store.sqlite.background import select


def uncovered_streams(url: str) -> frozenset[str]:
    """The streams of which the last check found a field uncovered."""
    found = select(files.database_path(url), CORE, sa.select(dkim_check.c.stream).where(~dkim_check.c.covered))
    return frozenset(row["stream"] for row in found)
