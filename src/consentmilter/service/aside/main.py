"""The second process of an import: `python -m consentmilter.service.aside.main`, between two pipes.

Its order comes first. It tells of each chunk of its part that it reads, and that it has read. When it has got the
others, which are the rows that the import itself has read and put aside, it answers with the counts of all rows; and
gives the rows of a list by key whenever it is asked. It ends with its pipes, which end with the import. If rows cannot
be put aside, the import is told, and raises it.
"""

import gc
import os
import pickle
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple, replace
from functools import partial
from io import BufferedReader
from typing import Any, BinaryIO, cast

from consentmilter.errors import StoreError
from consentmilter.service.aside.order import Order, Part
from consentmilter.service.aside.pipe import receive, send
from consentmilter.service.halves import Half
from consentmilter.service.parsing import Chunk, chunks
from consentmilter.service.staged import Staged
from consentmilter.store.ready import Rows
from consentmilter.store.staging import Spill
from consentmilter.store.values import Source

_IN, _OUT = 0, 1


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the import, which ends this process
    gc.disable()  # of millions of rows none is part of a cycle
    with suppress(EOFError, BrokenPipeError):
        try:
            _work(pickle.loads(receive(_IN)[1]))  # noqa: S301 - from the process that started this one
        except StoreError as error:
            send(_OUT, "store error", str(error))


def _work(order: Order) -> None:
    staged = Staged(_spill(order.spill))
    if order.part is not None:
        _read(order, order.part, staged)
    send(_OUT, "read")
    others = _spill(order.others)
    for name, (runs, count) in receive(_IN)[1].items():
        staged.of(name).adopt(others, runs, count)
    send(_OUT, "counts", {name: len(rows) for name, rows in staged.by_list.items()})
    while True:
        name, size, told = receive(_IN)[1]
        for rows in staged.of(name).ready(size, told and partial(_source, told)):
            send(_OUT, "rows", _ready(rows))
        send(_OUT, "given")


def _read(order: Order, part: Part, staged: Staged) -> None:
    half = BufferedReader(Half(order.file, part.start, part.end))
    for chunk in chunks(cast(BinaryIO, half), order.job):
        staged.add(chunk)
        send(_OUT, "told", _told(chunk, part.lines))


def _told(chunk: Chunk, lines: int) -> tuple[object, ...]:
    """The parts of what is told of a chunk, in front of which there are so many lines."""
    bad = [(row.line + lines, row.column, row.cause, tuple(row.cells)) for row in chunk.bad]
    return chunk.rows, bad, dict(chunk.skipped), chunk.octets


def _source(told: Sequence[Any]) -> Source:
    return replace(Source(*told), recorded=int(time.time()))


def _ready(rows: Rows) -> tuple[object, ...]:
    if rows.written is None:
        return rows.count, rows.digest, rows.distinct.told, None
    # What is written says the same as the columns, which are unpacked only where somebody stands already.
    return rows.count, rows.digest, rows.distinct.packed(), (astuple(rows.written.source), astuple(rows.written.copy))


def _spill(descriptor: int) -> Spill:
    return Spill(lambda: os.fdopen(descriptor, "r+b"))


if __name__ == "__main__":
    main()
