"""The whole way round: a newsletter goes out, its reader presses the button, and the next one is refused."""

import http.client
import re

from lab.messages import message
from lab.ports import free_port
from lab.system import System
from tests.postfix.conftest import Start


def with_pages(start_own: Start) -> System:
    """A mail system with web pages."""
    return start_own(config={"web": {"listen": f"127.0.0.1:{free_port()}"}})


def post(system: System, path: str, body: str, content_type: str) -> int:
    """The status with which a POST is answered, to the pages directly, as a proxy hands it on."""
    connection = http.client.HTTPConnection(system.config["web"]["listen"], timeout=30)
    connection.request("POST", path, body, {"Content-Type": content_type})
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_click_on_the_link_of_a_newsletter_refuses_the_next_one(start_own: Start) -> None:
    """As Gmail does it: the header's URL, a POST with the header's value, as a form."""
    system = with_pages(start_own)
    with system.client(login="newsletter") as smtp:
        smtp.send(message(), "Ann@Example.org").expects(250)
        delivered = system.sink.wait()[0]
        [links] = delivered.headers("List-Unsubscribe")
        url = re.search(r"<https://u\.example\.com(/[^>]+)>", links)
        assert url is not None
        [field] = delivered.headers("List-Unsubscribe-Post")
        assert post(system, url[1], field, "application/x-www-form-urlencoded") == 200
        smtp.mail("news@acme.example").expects(250)
        smtp.rcpt("ann@example.org").expects(550)
        smtp.rcpt("eve@example.org").expects(250)
    assert system.decisions(2)[-1]["reason"] == "unsubscribe"
    assert "unsubscribe" in system.run("explain", "ann@example.org", code=None)


def test_a_click_stops_its_stream_and_no_other(start_own: Start) -> None:
    """The security patch still comes, and a second click is answered like the first."""
    system = with_pages(start_own)
    with system.client(login="newsletter") as smtp:
        smtp.send(message(), "ann@example.org").expects(250)
    token = system.sink.wait()[0].headers("List-Unsubscribe")[0].partition("/u/")[2].partition(">")[0]
    boundary = '--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
    for _ in range(2):
        assert post(system, f"/u/{token.upper()}", boundary, "multipart/form-data; boundary=x") == 200
    with system.client(login="release-bot") as smtp:
        smtp.send(message(headers={"X-Consent-Stream": "acme.security"}), "ann@example.org").expects(250)
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example").expects(250)
        smtp.rcpt("ann@example.org").expects(550)
