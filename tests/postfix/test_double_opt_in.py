"""Double opt-in through a real Postfix: asked by mail, confirmed on the page, mailed; and not a step too far."""

import http.client
import re
from collections.abc import Iterator
from typing import Any

import pytest

from lab.delivered import Delivered
from lab.directory import public_directory
from lab.messages import message
from lab.ports import free_port
from lab.postfix import cannot_run
from lab.postfix_files import Service
from lab.process import wait_for
from lab.system import System
from tests.acme import SITE
from tests.postfix.conftest import stream

YES = "do=confirm"


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    """A mail system whose newsletter requires consent, with pages and a sender for questions."""
    if (why := cannot_run()) is not None:
        pytest.skip(why)
    port = free_port()
    config: dict[str, Any] = {
        **SITE,
        **stream(requires_consent=True),
        "web": {"listen": f"127.0.0.1:{free_port()}"},
        "intake": {"sender": "consent@acme.example", "submit": f"127.0.0.1:{port}"},
    }
    with public_directory() as directory, System(directory, config=config, services=[Service("smtp", port)]) as system:
        yield system


def ask(system: System, person: str, *, code: int = 0) -> None:
    arguments = ("--stream", "acme.newsletter", "--form", "footer", "--text-version", "7")
    system.run("consent", "request", person, *arguments, code=code)


def question(system: System, person: str) -> Delivered:
    """The mail that asks somebody."""
    return wait_for(lambda: next(iter(system.sink.to(person)), None), f"the question to {person}")


def link_in(mail: Delivered) -> str:
    [path] = re.findall(rb"https://u\.example\.com(/c/\w{52})", mail.body.replace(b"=\r\n", b""))
    return bytes(path).decode()


def http_request(system: System, method: str, path: str, body: str = "") -> int:
    """The status of a request to the pages directly, as a proxy hands it on."""
    connection = http.client.HTTPConnection(system.config["web"]["listen"], timeout=30)
    connection.request(method, path, body, {"Content-Type": "application/x-www-form-urlencoded"})
    status = connection.getresponse().status
    connection.close()
    return status


def newsletter(system: System, person: str) -> int:
    """The reply to the recipient of a newsletter; where it is taken, the newsletter is sent."""
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example").expects(250)
        reply = smtp.rcpt(person)
    if reply.code == 250:
        with system.client(login="newsletter") as smtp:
            smtp.send(message(), person).expects(250)
    return reply.code


def test_who_confirms_is_mailed_and_nobody_else(system: System) -> None:
    """Looking at the page is not enough; the confirmation is recorded with both ends and holds for its stream."""
    ann = "ann@example.org"
    assert newsletter(system, ann) == 550
    ask(system, ann)
    mail = question(system, ann)
    assert (mail.mail_from, mail.header("Auto-Submitted")) == ("", "auto-generated")
    assert mail.headers("List-Unsubscribe") == []
    path = link_in(mail)
    assert [http_request(system, method, path) for method in ("GET", "HEAD")] == [200, 200]
    assert http_request(system, "POST", path, "List-Unsubscribe=One-Click") == 400
    assert newsletter(system, ann) == 550
    ask(system, ann, code=1)  # once a day
    assert http_request(system, "POST", path, YES) == 200
    assert newsletter(system, ann) == 250
    assert newsletter(system, "eve@example.org") == 550
    told = system.run("explain", ann, code=None)
    assert "granted" in told
    assert len(system.sink.to(ann)) == 2


def test_an_unsubscribe_after_that_stands_against_the_old_link(system: System) -> None:
    """The link in the newsletter takes the consent back, and the link of the question does not bring it back."""
    ben = "ben@example.org"
    ask(system, ben)
    path = link_in(question(system, ben))
    assert http_request(system, "POST", path, YES) == 200
    assert newsletter(system, ben) == 250
    sent = wait_for(lambda: next(iter(system.sink.to(ben)[1:]), None), "the newsletter")
    token = sent.headers("List-Unsubscribe")[0].partition("/u/")[2].partition(">")[0]
    assert http_request(system, "POST", f"/c/{token}", YES) == 404
    assert http_request(system, "POST", f"/u/{token}", "List-Unsubscribe=One-Click") == 200
    assert newsletter(system, ben) == 550
    assert http_request(system, "POST", path, YES) == 410
    assert newsletter(system, ben) == 550


def test_a_complaint_cannot_be_taken_back_by_a_link(system: System) -> None:
    """The mail server refuses as before, and the page says so to whoever holds the link."""
    cat = "cat@example.org"
    system.suppress(cat, scope="acme", reason="complaint")
    ask(system, cat)
    path = link_in(question(system, cat))
    assert [http_request(system, "GET", path), http_request(system, "POST", path, YES)] == [409, 409]
    assert newsletter(system, cat) == 550
