"""Many messages in one session, and what happens to sessions when the milter changes under them."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from lab.client import Client
from lab.messages import message
from lab.process import wait_for
from lab.system import System
from tests.postfix.conftest import CONFIG, NEWSLETTER, SECURITY, TWO_WORKERS, Start, stream


def test_no_state_is_carried_from_message_to_message(system: System) -> None:
    """Ten messages of one login in one session, some given up, of streams that differ by their header."""
    system.suppress("bob@example.org")
    with system.client(login="release-bot") as smtp:
        for number in range(10):
            smtp.mail("news@acme.example").expects(250)
            smtp.rcpt("bob@example.org").expects(250)
            if number % 3 == 2:
                smtp.rset()
                continue
            newsletter = number % 2 == 0
            reply = smtp.data(message(subject=str(number), headers=NEWSLETTER if newsletter else SECURITY))
            reply.expects(550 if newsletter else 250)
    system.postfix.wait_empty()
    delivered = system.sink.messages
    assert sorted(m.header("Subject") or "" for m in delivered) == ["1", "3", "7", "9"]
    assert all(m.headers("List-Unsubscribe") == [] for m in delivered)


def test_a_login_holds_for_its_session_only(system: System) -> None:
    """The next session without a login is nobody's newsletter."""
    system.suppress("bob@example.org")
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example")
        smtp.rcpt("bob@example.org").expects(550)
    with system.client() as smtp:
        smtp.send(message(), "bob@example.org").expects(250)


def test_a_reload_takes_effect_in_open_sessions(start_own: Start) -> None:
    """HUP with a good configuration: the next message of an open session meets it, and no session is cut."""
    system = start_own()
    system.suppress("bob@example.org")
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example")
        smtp.rcpt("bob@example.org").expects(550)
        system.configure({**CONFIG, "mode": "observe"})
        system.reload()
        smtp.rset()
        smtp.mail("news@acme.example")
        smtp.rcpt("bob@example.org").expects(250)


def test_a_bad_configuration_is_told_and_the_old_one_kept(start_own: Start) -> None:
    """HUP with a bad configuration: every fault is logged, and mail goes on under the old one."""
    system = start_own()
    system.suppress("bob@example.org")
    system.configure({**CONFIG, "mode": "enforce!", "unclassified": "maybe"})
    system.reload(expect="reload_failed")
    told = " ".join(str(event) for event in system.events("reload_failed"))
    assert "mode: unknown value" in told
    assert "unclassified: unknown value" in told
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example")
        smtp.rcpt("bob@example.org").expects(550)


def test_reloads_and_replacements_under_traffic_cost_no_session(start_own: Start) -> None:
    """HUP with good and bad configuration, and USR1 for every worker, while five clients send: not one 4xx."""
    whole = {**CONFIG, **TWO_WORKERS}
    system = start_own(config=TWO_WORKERS)
    system.suppress("bob@example.org")
    first_workers = set(system.workers())
    with _traffic(system, clients=5) as done:
        system.configure({**whole, **stream(title="Weekly letter")})
        system.reload()
        system.configure({**whole, "mode": "enforce!"})
        system.reload(expect="reload_failed")
        system.configure(whole)
        system.milter.signal(signal.SIGUSR1)
        system.milter.wait_until(lambda: system.events("replaced"), "every worker is replaced", timeout=30)
        seen = len(done)
        wait_for(lambda: len(done) > seen + 50, "more traffic after the replacement")
    assert system.events("child_died") == []
    wait_for(lambda: not first_workers & set(system.workers()), "the end of the first workers")


def test_a_worker_killed_in_mid_session_loses_and_doubles_nothing(start_own: Start) -> None:
    """Every message is exactly one of delivered, refused, deferred; the killed workers are replaced."""
    system = start_own(config=TWO_WORKERS)
    outcome: dict[str, int] = {}
    for round_ in range(2):
        with system.client(login="newsletter") as smtp:
            for number in range(3):
                person = f"person{round_}-{number}@example.org"
                if number == 1:
                    # All of them: which one serves this session is the kernel's choice.
                    for worker in system.workers():
                        os.kill(worker, signal.SIGKILL)
                outcome[person] = _send_as_client(smtp, person)
        wait_for(lambda: len(system.workers()) == 2, "two workers again")
        system.milter.wait_until(lambda: _all_ready(system), "both are ready", timeout=30)
    system.postfix.wait_empty()
    delivered = Counter(rcpt for m in system.sink.messages for rcpt in m.rcpt_tos)
    assert set(outcome.values()) <= {250, 451}
    assert 451 in outcome.values()
    assert delivered == Counter({person: 1 for person, code in outcome.items() if code == 250})


def test_term_lets_open_sessions_end(start_own: Start) -> None:
    """TERM stops listening; the message at hand is still judged, then the milter leaves with 0."""
    system = start_own()
    system.suppress("bob@example.org")
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example")
        smtp.rcpt("ann@example.org").expects(250)
        system.milter.signal(signal.SIGTERM)
        system.milter.wait_until(lambda: system.events("stopping"), "it stops")
        smtp.rcpt("bob@example.org").expects(550)
        smtp.data(message()).expects(250)
    assert system.milter.wait() == 0
    assert not (system.directory / "milter.sock").exists()


def _send_as_client(smtp: Client, person: str) -> int:
    """Send one message; the first reply that is not an acceptance, or the last."""
    code = smtp.mail("news@acme.example").code
    if code == 250:
        code = smtp.rcpt(person).code
    if code == 250:
        return smtp.data(message(to=person)).code
    smtp.rset()
    return code


def _all_ready(system: System) -> bool:
    ready = {event["pid"] for event in system.events("child_ready")}
    return set(system.workers()) <= ready


@contextmanager
def _traffic(system: System, *, clients: int) -> Iterator[list[None]]:
    """Clients that each send message after message, a few a session, to a good and an opted-out person.

    The list grows by one with each message; any answer but the expected one fails the test at the end.
    """
    done: list[None] = []
    stop = threading.Event()
    failures: list[BaseException] = []

    def send() -> None:
        deadline = time.monotonic() + 60
        try:
            while not stop.is_set() and time.monotonic() < deadline:
                with system.client(login="newsletter") as smtp:
                    for _ in range(5):
                        smtp.mail("news@acme.example").expects(250)
                        smtp.rcpt("bob@example.org").expects(550)
                        smtp.rcpt("ann@example.org").expects(250)
                        smtp.data(message()).expects(250)
                        done.append(None)
        except BaseException as error:  # noqa: BLE001 - told by the test, not by a thread that nobody reads
            failures.append(error)

    threads = [threading.Thread(target=send) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: len(done) > 50 or failures, "traffic")
        yield done
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
