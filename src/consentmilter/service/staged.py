"""What a file says, gathered to go into the store: that of people and domains, and that of each hash list.

Raises StoreError where it cannot be put aside.
"""

from consentmilter.service.parsing import Chunk
from consentmilter.store.said import Said
from consentmilter.store.staging import Spill, Staging


class Staged:
    """The rows by the list that they are for; None is that of people and domains."""

    def __init__(self, spill: Spill) -> None:
        self._spill = spill
        self.by_list: dict[str | None, Staging] = {}

    def add(self, chunk: Chunk) -> None:
        self._add(None, chunk.said)
        for name, rows in chunk.digests.items():
            self._add(name, rows)

    def of(self, name: str | None) -> Staging:
        """The rows for a list, of which there may be none yet."""
        if name not in self.by_list:
            self.by_list[name] = Staging(self._spill)
        return self.by_list[name]

    def _add(self, name: str | None, rows: list[Said]) -> None:
        if rows:
            self.of(name).add(rows)
