"""For which streams the signature of what leaves the system does not cover the list fields; synchronous.

Raises StoreError and its kinds.
"""

import sqlalchemy as sa

from consentmilter.store.databases import database
from consentmilter.store.schema import CORE, dkim_check


def uncovered_streams(url: str) -> frozenset[str]:
    """The streams of which the last check found a field uncovered."""
    found = database(url).select(CORE, sa.select(dkim_check.c.stream).where(~dkim_check.c.covered))
    return frozenset(row["stream"] for row in found)
