"""Mail that goes on while a test does something to the store, and what each recipient was answered.

    with Traffic(node, opted_out="bob@example.org") as traffic:
        ...
        traffic.wait_for("newsletter", 250)
    traffic.assert_safe()

Four kinds of mail take turns in each session: a newsletter to somebody who opted out, one to somebody who did not, a
security patch to the first, a personal mail to the first. None waits for another kind.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from lab.errors import LabError
from lab.milter import Milter
from lab.mta import Mta
from lab.process import wait_for
from tests.several.nodes import DEADLINE, MARKETING, PATIENCE, SENDER

SLACK = 10.0
"""What a busy machine may add to a deadline. Without a deadline a frozen server would be waited for much longer."""

ALLOWED = {"opted out": {550, 451}, "newsletter": {250, 451}, "exempt": {250}, "personal": {250}}
"""What may be answered to each kind of mail, whatever happens to the store."""

_SECURITY = ("X-Consent-Stream", "acme.security")
_PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered to a mail, after how many seconds."""

    kind: str
    code: int
    seconds: float


class Traffic:
    """Some sessions with the milter of a node, each in a thread, until the block ends."""

    def __init__(self, node: Milter, opted_out: str, *, sessions: int = 2) -> None:
        self._node = node
        self._opted_out = f"<{opted_out}>"
        self._enough = threading.Event()
        self._answers: list[Answer] = []
        self._faults: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, name=f"traffic {n}") for n in range(sessions)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def wait_for(self, kind: str, code: int, *, timeout: float = PATIENCE) -> None:
        """Wait until a mail that is handed in from now on gets this answer."""
        before = len(self._answers)

        def found() -> bool:
            if self._faults:
                raise self._faults[0]
            return any((answer.kind, answer.code) == (kind, code) for answer in self._answers[before:])

        wait_for(found, f"a {code} to {kind}", timeout=timeout)

    def count(self, kind: str, code: int) -> int:
        return sum((answer.kind, answer.code) == (kind, code) for answer in self._answers)

    def assert_safe(self) -> None:
        """Hold that every mail got an answer that it may get, and in time."""
        assert not self._faults, self._faults
        assert self._answers, "no mail was answered"
        wrong = {(answer.kind, answer.code) for answer in self._answers if answer.code not in ALLOWED[answer.kind]}
        assert not wrong, f"answered what must not be: {wrong}"
        slowest = max(answer.seconds for answer in self._answers)
        assert slowest < DEADLINE + SLACK, f"an answer took {slowest:g} s"

    def _run(self) -> None:
        try:
            with Mta(self._node.socket, timeout=PATIENCE) as mta:
                mta.connect()
                mta.helo()
                while not self._enough.wait(_PAUSE):
                    self._round(mta)
        except (LabError, OSError) as error:
            self._faults.append(error)

    def _round(self, mta: Mta) -> None:
        self._note("opted out", lambda: _refused(mta, self._opted_out))
        self._note("newsletter", lambda: _refused(mta, "<ann@example.org>"))
        self._note("exempt", lambda: _message(mta, self._opted_out, "release-bot", [_SECURITY]))
        self._note("personal", lambda: _message(mta, self._opted_out, "alice", []))

    def _note(self, kind: str, ask: Callable[[], int]) -> None:
        started = time.monotonic()
        code = ask()
        self._answers.append(Answer(kind, code, time.monotonic() - started))


def _refused(mta: Mta, recipient: str) -> int:
    mta.mail(SENDER, MARKETING)
    code = mta.rcpt(recipient).code
    mta.abort()
    return code


def _message(mta: Mta, recipient: str, login: str, headers: Sequence[tuple[str, str]]) -> int:
    return mta.message(SENDER, recipient, headers=headers, macros={"auth_authen": login}).code
