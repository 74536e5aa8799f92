"""What the look at a copy of our own mail showed, by stream: written by the intake, read by the milter and `doctor`.

Raises the store's errors.
"""

from consentmilter.store import dkim_checks
from consentmilter.store.dkim_checks import DkimCheck
from consentmilter.store.writer import Store


async def note(store: Store, check: DkimCheck) -> None:
    """Note a check in place of the stream's last one."""
    await store.write(lambda connection: dkim_checks.put(connection, check))


async def last(store: Store, stream: str) -> DkimCheck | None:
    """The stream's last check."""
    return await store.read(lambda connection: dkim_checks.get(connection, stream))
