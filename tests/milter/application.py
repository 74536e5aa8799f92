"""consentmilter's application with faults that a test can switch on: words in the file that DEFECTS names.

Faults of what the session uses, which it must turn into a deferral:

    look_up   the store raises what nobody expects
    new_ref   no message can be begun
    record    no decision can be told
    delrcpt   nothing can be done to a message
    log       a fault cannot be logged

And broken variants, which the tests must notice:

    keep      a message is screened as the one before it
    stale     a message gets the reply of the one before it
    raw       replies say what the client said
    leak      memory grows with each message
    blind     a store that cannot answer has nobody on its list
    die       the process ends at a look-up
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from consentmilter import log
from consentmilter.errors import StoreError
from consentmilter.milter import application
from consentmilter.milter.application import Runtime, close
from consentmilter.milter.session import Session
from consentmilter.policy.facts import Facts
from consentmilter.replies import Reply
from consentmilter.service.desk import Desk, Record

__all__ = ["build", "close", "session"]

CANARY = "canary-fault"
"""What faults of the application say: it may stand in a traceback, never in a reply."""

_leaked: list[bytes] = []
_get_log = log.get


def build(config_json: str) -> Runtime:
    log.get = _get_log_or_fail
    runtime = application.build(config_json)
    return replace(runtime, desk=_breakable(runtime.desk))


def session(current: Callable[[], Runtime]) -> Session:
    return BreakableSession(current)


class BreakableSession(Session):
    _said: Reply | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_screening" and "keep" in _defects() and getattr(self, name, None) is not None:
            return
        super().__setattr__(name, value)

    def delrcpt(self, raw_rcpt: str) -> None:
        _fail_with("delrcpt")
        super().delrcpt(raw_rcpt)

    def _say(self, reply: Reply) -> int:
        said, self._said = self._said, reply
        if "stale" in _defects() and said is not None:
            reply = said
        if "raw" in _defects() and self._screening is not None:
            reply = replace(reply, text=self._screening.raw_sender)
        return super()._say(reply)


def _breakable(desk: Desk) -> Desk:
    def look_up(subjects: Sequence[bytes], digests: Callable[[], Sequence[bytes]]) -> Facts:
        _leaked.append(os.urandom(100_000) if "leak" in _defects() else b"")
        if "die" in _defects():
            os._exit(7)
        _fail_with("look_up")
        try:
            return desk.look_up(subjects, digests)
        except StoreError:
            if "blind" in _defects():
                return Facts()
            raise

    def record(record: Record) -> None:
        _fail_with("record")
        desk.record(record)

    def new_ref() -> str:
        _fail_with("new_ref")
        return desk.new_ref()

    return replace(desk, look_up=look_up, record=record, new_ref=new_ref)


def _get_log_or_fail() -> log.Logger:
    _fail_with("log")
    return _get_log()


def _fail_with(defect: str) -> None:
    if defect in _defects():
        raise ZeroDivisionError(CANARY)


def _defects() -> list[str]:
    return Path(os.environ["DEFECTS"]).read_text(encoding="ascii").split()
