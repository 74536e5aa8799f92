"""The cap of exempt mail with a real Postfix: what four workers let through, what the rest hears, and what is told."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lab.messages import message
from lab.system import System
from tests.postfix.conftest import CONFIG, ERROR_LIMITS, SECURITY, Start

CAP = 20
CLIENTS = 6
EACH = 7


def capped(cap: int, workers: int = 2, **rule: Any) -> dict[str, Any]:
    """The site of the tests, whose release-bot may send so many security patches a day."""
    claim = {**CONFIG["classify"][0], "max_per_day": cap, **rule}
    by_login = {"login": "release-bot", "mail_from": "*@patches.example", "stream": "acme.security", "max_per_day": cap}
    return {
        "milter": {"workers": workers, "deadline": "10s"},
        "classify": [{**by_login, **rule}, claim, *CONFIG["classify"][1:]],
    }


def test_four_workers_let_the_cap_through_and_no_more(start_own: Start) -> None:
    """Whoever is beyond it waits, with a reply and a reason of its own; journal and report tell who it was."""
    system = start_own(config=capped(CAP, workers=4), main=ERROR_LIMITS)
    system.suppress("person0@example.org")
    with ThreadPoolExecutor(CLIENTS) as clients:
        codes = [code for found in clients.map(lambda number: _sent(system, number), range(CLIENTS)) for code in found]
    assert codes.count(250) == CAP
    assert codes.count(450) == CLIENTS * EACH - CAP
    assert len(system.workers()) == 4
    system.postfix.wait_empty()
    assert len(system.sink.messages) == CAP
    system.process.signal(signal.SIGTERM)  # what is told and counted is written within a second, and at the end
    system.process.wait()
    beyond = [row for row in system.journal() if row.reason == "over-limit"]
    assert len(beyond) == len(codes) - CAP
    assert {(row.verdict, row.login, row.category) for row in beyond} == {("defer", "release-bot", "security-patch")}
    [line] = json.loads(system.run("report", "exemptions", "--json"))
    assert (line["principal"], line["used"], line["over_limit"]) == ("release-bot", CAP, len(beyond))
    assert line["bypassed"] == sum(d["verdict"] == "accept" and d.get("bypassed", False) for d in system.decisions())


def _sent(system: System, number: int) -> list[int]:
    """The answers to one client's messages, each in a session of its own, so that every worker gets some."""
    codes = []
    for _ in range(EACH):
        with system.client(login="release-bot") as smtp:
            codes.append(smtp.send(message(headers=SECURITY), f"person{number}@example.org").code)
    return codes


def test_a_recipient_beyond_the_cap_is_refused_alone_where_the_login_tells_the_stream(start_own: Start) -> None:
    """With `over_limit: reject`: those before it get their mail, and what comes later is refused as well."""
    system = start_own(config=capped(2, over_limit="reject"))
    with system.client(login="release-bot") as smtp:
        smtp.mail("security@patches.example").expects(250)
        smtp.rcpt("ann@example.org").expects(250)
        smtp.rcpt("bob@example.org").expects(250)
        words = '<eve@example.org>: the limit of mail a day of "Security patches" (acme.security) is reached'
        smtp.rcpt("eve@example.org").expects(550, "5.7.1", words)
        smtp.data(message()).expects(250)
    system.postfix.wait_empty()
    assert sorted(rcpt for m in system.sink.messages for rcpt in m.rcpt_tos) == ["ann@example.org", "bob@example.org"]
    assert [d["reason"] for d in system.decisions(3) if d["verdict"] == "reject"] == ["over-limit"]


def test_a_reload_does_not_begin_the_count_anew(start_own: Start) -> None:
    """Nor does a rule that is put before the one with the cap."""
    config = capped(2)
    system = start_own(config=config)
    with system.client(login="release-bot") as smtp:
        smtp.send(message(headers=SECURITY), "ann@example.org", "bob@example.org").expects(250)
    system.configure({**CONFIG, **config, "classify": [{"login": "other", "stream": "bulk"}, *config["classify"]]})
    system.reload()
    with system.client(login="release-bot") as smtp:
        smtp.send(message(headers=SECURITY), "eve@example.org").expects(450)
