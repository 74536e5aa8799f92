"""Work that dies at its Nth change of the file system, as if the power had gone, in a process of its own."""

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

CHANGES = ("chmod", "chown", "fchmod", "fchown", "fsync", "link", "mkdir", "rename", "replace", "unlink")

CRASHED = 99


def crashes(work: Callable[[], object]) -> Iterator[int]:
    """Do the work in children that die before their first, second, ... change; end with the one that lives.

    Between two children whoever iterates looks at what is left, and puts it back.
    """
    number = 1
    while _dies(work, number):
        yield number
        number += 1
    assert number > 1, "the work changed nothing"


def _dies(work: Callable[[], object], before: int) -> bool:
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        try:
            with patch.multiple(os, **_dying(before)):
                work()
        except BaseException:  # noqa: BLE001 - the edge of the child: nothing of it may reach the parent's code
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, CRASHED), f"the work failed by itself: {code}"
    return code == CRASHED


def _dying(before: int) -> dict[str, Any]:
    """The functions that change the file system, of which one call never comes to pass."""
    count = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == before:
                os._exit(CRASHED)
            return real(*arguments, **options)

        return call

    return {name: counted(getattr(os, name)) for name in CHANGES}
