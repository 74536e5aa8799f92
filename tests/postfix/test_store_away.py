"""What a real Postfix answers while the store cannot: marketing waits, exempt and personal mail goes."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from lab.messages import message
from lab.process import wait_for
from lab.system import System
from tests.postfix.conftest import SECURITY, Start

DEADLINE = 2.0


def _assert_fails_safe(system: System) -> None:
    assert any(_defers_marketing(system) < DEADLINE + 2 for _ in range(3))  # a machine may be busy elsewhere
    with system.client() as smtp:
        smtp.send(message(headers={"Precedence": "bulk"}), "ann@example.org").expects(451, "4.3.0")
    with system.client(login="release-bot") as smtp:
        smtp.send(message(headers=SECURITY), "bob@example.org").expects(250)
    with system.client(login="alice") as smtp:
        smtp.send(message(), "bob@example.org").expects(250)
    system.postfix.wait_empty()
    assert [m.rcpt_tos for m in system.sink.messages] == [("bob@example.org",)] * 2
    exempt = next(d for d in system.decisions() if d.get("stream") == "acme.security")
    assert (exempt["verdict"], exempt["reason"]) == ("accept", "store")


def _defers_marketing(system: System) -> float:
    """How long the answer takes."""
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example")
        before = time.monotonic()
        smtp.rcpt("ann@example.org").expects(451, "4.3.0", "consent cannot be verified")
        return time.monotonic() - before


def _assert_recovered(system: System) -> None:
    """Without a restart, within a few seconds."""

    def answer() -> int | None:
        with system.client(login="newsletter") as smtp:
            smtp.mail("news@acme.example")
            codes = [smtp.rcpt(address).code for address in ("ann@example.org", "bob@example.org")]
        return codes == [250, 550] or None

    wait_for(answer, "recovery")


def test_a_locked_store_defers_marketing_only(start_own: Start) -> None:
    """Somebody holds the database exclusively, as an unlucky backup would."""
    system = start_own()
    system.suppress("bob@example.org")
    with _exclusive(system.directory / "state" / "consent.db"):
        _assert_fails_safe(system)
    _assert_recovered(system)


def test_a_store_that_is_gone_defers_marketing_only(start_own: Start) -> None:
    """The file was moved away under the running milter: what it still has open is not asked."""
    system = start_own()
    system.suppress("bob@example.org")
    state = system.directory / "state"
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example")
        smtp.rcpt("ann@example.org").expects(250)
    state.rename(state.with_name("away"))
    try:
        _assert_fails_safe(system)
    finally:
        state.with_name("away").rename(state)
    _assert_recovered(system)


def test_observing_lets_everything_go_while_the_store_is_away(start_own: Start) -> None:
    """Observe mode changes nothing, not even then; the log says what would have waited."""
    system = start_own(config={"mode": "observe"})
    (system.directory / "state").rename(system.directory / "away")
    with system.client(login="newsletter") as smtp:
        smtp.send(message(), "ann@example.org").expects(250)
    assert [d["verdict"] for d in system.decisions()] == ["would-defer"]


class _exclusive:  # noqa: N801 - reads as the with statement that it is for
    """Hold a database so that nobody else can read it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._connection = closing(sqlite3.connect(self._path, isolation_level=None))
        connection = self._connection.__enter__()
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")

    def __exit__(self, *_: object) -> None:
        self._connection.__exit__(None, None, None)
