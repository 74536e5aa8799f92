"""Nothing of a message, and no address, gets into log or journal, unless the site asks for addresses.

Texts that occur nowhere else are put wherever a client can put text, and looked for in all that was written.
"""

import itertools
import re
from typing import Any

import pytest

from lab.milter import Milter
from tests.milter.application import CANARY
from tests.milter.conftest import Breakable, Start
from tests.milter.site import NEWSLETTER, QUEUED, SECURITY, assert_no_fault, login, session, stream

SENDER, RECIPIENT, OPTED_OUT = "canary-sender", "canary-recipient", "canary-optout"

PEOPLE = (f"<{RECIPIENT}@example.org>", f"<{OPTED_OUT}@example.org>")

FIELDS = [
    ("Subject", "canary-subject"),
    ("From", "<canary-from@acme.example>"),
    ("To", ", ".join(("<canary-to@example.org>", *PEOPLE))),
    ("List-Unsubscribe", "<https://canary-link.example/canary-link>"),
    ("List-Id", "canary-value <canary-value.example>"),
    ("Feedback-ID", "canary-value"),
    ("DKIM-Signature", "v=1; h=canary-value; b=canary-value"),
    ("X-Consent-Route", "stream=canary-value; right=login; t=1; k=1; id=yes; tag=canary-value"),
    ("Message-ID", "<canary-id@acme.example>"),
    ("X-Password", "canary-password"),
]

MACROS = {"auth_author": "canary-password", "auth_type": "PLAIN", "mail_addr": "canary-value", "_": "canary-host"}


CLAIMS: list[list[tuple[str, str]]] = [[], [NEWSLETTER], [SECURITY], [("X-Consent-Stream", "canary-value")]]


def _mail(milter: Milter, *, listener: str = "smtpd") -> None:
    """Messages of every verdict, full of canaries."""
    milter.suppress(f"{OPTED_OUT}@example.org")
    with session(milter, host="canary-host.example", listener=listener) as mta:
        mta.send_frame(b"H", b"canary-helo\0")
        mta.read_frame()
        for who, claim in itertools.product(("", "newsletter", "release-bot", "alice"), CLAIMS):
            for people in (PEOPLE, PEOPLE[:1], PEOPLE[1:], (f"<{RECIPIENT}\x01@example.org>",)):
                mta.mail(f"<{SENDER}@acme.example>", {**MACROS, **login(who)}, "AUTH=canary-parameter")
                answers = [mta.rcpt(each, {"rcpt_addr": each.strip("<>")}, "canary-parameter") for each in people]
                if not any(answer.goes_on for answer in answers):
                    continue
                for name, value in (*FIELDS, *claim):
                    mta.header(name, value)
                mta.send_frame(b"B", b"canary-value")
                mta.read_frame()
                mta.eom(QUEUED)


def _logged(milter: Milter) -> set[str]:
    """The canaries in the log."""
    return set(re.findall(r"canary-\w+", milter.log().lower()))


def _journalled(milter: Milter) -> set[bytes]:
    """Those in the journal's files, wherever in them."""
    files = milter.journal_file.parent.glob(f"{milter.journal_file.name}*")
    return {canary for file in files for canary in re.findall(rb"canary-\w+", file.read_bytes().lower())}


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"mode": "observe"},
        {"streams": stream(action="tag"), "false_claim": "reject"},
        {"streams": stream(action="hold", mixed="reject"), "unclassified": "enforce"},
        {"streams": stream(multi_recipient="reject", existing="reject"), "unclassified": "reject"},
        {"loop": {"first": "canary", "second": "smtpd"}},
        {"loop": {"first": "smtpd", "second": "canary"}},
    ],
    ids=["enforce", "observe", "tag", "hold", "reject", "second pass", "first pass"],
)
def test_nothing_of_a_message_is_written(start: Start, config: dict[str, Any]) -> None:
    """At the level debug, which tells of every plain accept too."""
    milter = start(**config)
    _mail(milter)
    told = milter.events("decision") + milter.events("route_refused")
    assert len(told) > 40
    if refusals := sum(event.get("verdict", "accept") != "accept" for event in told):
        milter.journal(refusals)
    assert _logged(milter) == set()
    assert _journalled(milter) == set()
    assert_no_fault(milter)


def test_nothing_is_written_while_the_store_is_away(start: Start) -> None:
    """What went wrong is told with the store's path, not with what it was asked."""
    milter = start()
    milter.suppress("bob@example.org")
    milter.store_file.rename(milter.store_file.with_suffix(".away"))
    try:
        with session(milter) as mta:
            for people in (PEOPLE[:1], PEOPLE[1:]):
                mta.mail(f"<{SENDER}@acme.example>", login("newsletter"))
                mta.rcpt(people[0]).expects(451)
    finally:
        milter.store_file.with_suffix(".away").rename(milter.store_file)
    assert len(milter.events("store_unavailable")) == 2
    assert _logged(milter) == set()


@pytest.mark.parametrize("defect", ["look_up", "record", "delrcpt"])
def test_a_traceback_holds_nothing_of_the_message(breakable: Breakable, defect: str) -> None:
    """It says where the fault is, and the fault's own words."""
    breakable.defects(defect)
    _mail(breakable)
    assert breakable.events("fault")
    assert _logged(breakable) == {CANARY}


def test_addresses_are_logged_where_the_site_asks_for_them(start: Start) -> None:
    """The envelope's two, and nothing else; in the journal not even those."""
    milter = start(log={"addresses": True})
    _mail(milter)
    milter.journal()
    assert _logged(milter) == {SENDER, RECIPIENT, OPTED_OUT}
    assert {(d["sender"], d["recipient"].partition("@")[2]) for d in milter.decisions()} == {
        (f"{SENDER}@acme.example", "example.org")
    }
    assert _journalled(milter) == set()
