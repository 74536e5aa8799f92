"""What rows for a table say: of each, and of all of them. Pure, and without the database's modules, as `said` is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Self

from consentmilter.store.said import Columns

_TOLD = ("scope", "reason", "since", "expires", "address")
"""What a row says of its key, in the order of its columns."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows come from, what is the same for all of them; `list_name` is there if they belong to a hash list.

    `recorded` is when, in seconds: what has no time of its own holds since then.
    """

    origin: str
    batch: str | None
    recorded: int
    list_name: str | None = None

    @property
    def table(self) -> str:
        return "suppression" if self.list_name is None else "hash_suppression"


@dataclass(frozen=True)
class Values:
    """What rows say, no two of one key, scope and reason, and what is said of all of them."""

    source: Source
    rows: Columns

    @property
    def table(self) -> str:
        return self.source.table

    @property
    def keys(self) -> Sequence[bytes]:
        keys: Sequence[bytes] = self.rows.told[0]
        return keys

    @property
    def count(self) -> int:
        return len(self.keys)

    @cached_property
    def by_row(self) -> Mapping[str, Sequence[object]]:
        """The columns with a value for each row."""
        return {name: column for name, column in self._columns() if isinstance(column, tuple)}

    @cached_property
    def same(self) -> Mapping[str, object]:
        """The values that are the same in all."""
        of_all = asdict(self.source)
        of_all["list"] = of_all.pop("list_name")
        return of_all | {name: column for name, column in self._columns() if not isinstance(column, tuple)}

    def only(self, chosen: Sequence[bool]) -> Self:
        """Some of the rows."""
        return replace(self, rows=self.rows.only(chosen))

    def _columns(self) -> Iterable[tuple[str, Any]]:
        return zip(_TOLD, self.rows.told[1:], strict=True)
