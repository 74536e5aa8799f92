"""The site that the tests set up, and sessions of its clients."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab.milter import Milter
from tests.acme import SITE
from tests.milter.offer import OfferingMta

CONFIG: dict[str, Any] = {**SITE, "milter": {"workers": 1}}
"""One worker, so that it is known which process serves."""

SENDER = "<news@acme.example>"
NEWSLETTER = ("X-Consent-Stream", "acme.newsletter")
SECURITY = ("X-Consent-Stream", "acme.security")
QUEUED = {"i": "4XyZ12abcd"}
"""The macros of a message that has its queue file."""


def login(name: str) -> dict[str, str]:
    """The macros with which Postfix tells a SASL login at MAIL."""
    return {"auth_authen": name}


def stream(**settings: Any) -> dict[str, Any]:
    """The site's streams, with these settings of the newsletter besides."""
    return {**CONFIG["streams"], "acme.newsletter": {**CONFIG["streams"]["acme.newsletter"], **settings}}


@contextmanager
def session(
    milter: Milter,
    *,
    host: str = "client.example",
    address: str = "127.0.0.1",
    port: int = 40000,
    listener: str = "smtpd",
) -> Iterator[OfferingMta]:
    """A session past its greeting, from loopback unless said otherwise, with the macros that Postfix sends."""
    with OfferingMta(milter.socket) as mta:
        mta.connect(host, address, port, {"daemon_name": listener, "client_addr": address, "client_port": str(port)})
        mta.helo()
        yield mta


def assert_serves(milter: Milter) -> None:
    """Hold that a new session gets the answers that it should: one in, one who opted out refused."""
    milter.suppress("probe@example.org")
    with session(milter) as mta:
        mta.mail(SENDER, login("newsletter"))
        mta.rcpt("<friend@example.org>").expects(250)
        mta.rcpt("<probe@example.org>").expects(550, "opted out")
        mta.eom(QUEUED).expects(250)
    assert [edit.name for edit in mta.edits] == ["List-Unsubscribe", "List-Unsubscribe-Post"]


def assert_no_fault(milter: Milter) -> None:
    """Hold that nothing went wrong inside, whatever was answered."""
    assert milter.events("fault") == []
    assert "Traceback" not in milter.log()
