"""The file of rejected rows: CSV with the columns of the original, to be mended and imported again as it is.

It is written beside its place and put there at the end, also of an import that was interrupted; an older one is
replaced. Rows of files with other columns go to a file of their own, with a number. Raises `UsageError` where it cannot
be written.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from consentmilter.cli.output import printable
from consentmilter.errors import UsageError
from consentmilter.exporters.cells import guarded, line
from consentmilter.importers import CAUSE, LINE, BadRow, Plan

_OURS = {"hashes": ("hash",), "txt": ("email",), "postfix": ("email",)}
"""The column of files that have no columns."""


class Rejects:
    """Rejected rows on their way to a file, or to several; a context."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._drafts: dict[tuple[str, ...], tuple[Path, TextIO]] = {}
        self.written: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def refuse_among(self, files: Iterable[Path]) -> None:
        """Refuse to take the place of a file that is to be imported."""
        if self._path is not None and any(file.exists() and _is_same(file, self._path) for file in files):
            raise UsageError(f"--rejects {printable(str(self._path))}: that is a file to import; choose another name")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for path, draft in self._drafts.values():
            try:
                draft.close()
                _draft_of(path).replace(path)
            except OSError as fault:
                raise UsageError(f"{printable(str(path))}: {fault.strerror}") from fault
            self.written.append(path)

    def put(self, row: BadRow, plan: Plan) -> None:
        """Write the row down, with its line and why it was rejected."""
        if self._path is None:
            return
        names = tuple(name for name in plan.names if name not in {LINE, CAUSE}) or _OURS.get(plan.shape, ("email",))
        cells = [cell for name, cell in zip(plan.names or names, row.cells, strict=False) if name not in {LINE, CAUSE}]
        if len(row.cells) < len(names):  # a record that is no record goes where it is seen first
            cells = [*cells, *[""] * (len(names) - len(cells))]
        try:
            draft = self._draft(names, self._path)
            draft.write(line(map(guarded, [*cells, str(row.line), f"{row.column}: {row.cause}"])))
        except OSError as error:
            raise UsageError(f"{printable(str(self._path))}: {error.strerror}") from error

    def _draft(self, names: Sequence[str], path: Path) -> TextIO:
        key = tuple(names)
        if key not in self._drafts:
            number = len(self._drafts) + 1
            own = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
            draft = _draft_of(own)
            with suppress(FileNotFoundError):
                draft.unlink()
            # Private, for it holds addresses; never through a link that somebody put there.
            file = os.fdopen(
                os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600),
                "w",
                encoding="utf-8",
                errors="surrogateescape",
                newline="",
            )
            self._drafts[key] = own, file
            file.write(line([*names, LINE, CAUSE]))
        return self._drafts[key][1]


def _is_same(one: Path, other: Path) -> bool:
    return other.exists() and one.samefile(other)


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.draft")
