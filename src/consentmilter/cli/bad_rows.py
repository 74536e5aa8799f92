"""Bad rows of a file that is imported: the first few are shown, all are rejected and counted."""

from consentmilter.cli.output import printable, say
from consentmilter.cli.rejects import Rejects
from consentmilter.importers import BadRow, Plan

SHOWN = 50
"""Bad rows that are shown; the rest is counted only."""


class BadRows:
    """Told of each bad row of the file that goes by `name`, which is read by `plan`."""

    def __init__(self, name: str, rejects: Rejects) -> None:
        self.plan = Plan("csv", "csv")
        self._name = name
        self._rejects = rejects
        self._seen = 0

    def __call__(self, row: BadRow) -> None:
        self._rejects.put(row, self.plan)
        self._seen += 1
        if self._seen <= SHOWN:
            say(f"{self._name}:{row.line}: {row.column}: {printable(row.cause)}")
        elif self._seen == SHOWN + 1:
            say(f"{self._name}: more bad rows are counted, not shown")
