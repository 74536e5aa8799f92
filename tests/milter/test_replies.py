"""The text of a refusal: one line, safe characters, at most 512 octets, whatever client, list and configuration say."""

import random
import re

import pytest

from lab.milter import Milter
from lab.milter_protocol import REPLYCODE, strings
from tests.milter.conftest import Breakable, Start
from tests.milter.offer import OfferingMta
from tests.milter.site import NEWSLETTER, QUEUED, SENDER, assert_no_fault, login, session, stream

HOSTILE = (
    "%",
    "%%",
    "%s%n",
    "\r\n250 Ok",
    "\n",
    "\r",
    "<",
    ">",
    '"',
    "\\",
    "\x7f",
    "\t",
    "é",
    "\u2028",
    "\udcff",
    "a",
)
"""What must not come out as it went in, or must come out as it is and change nothing else. Not NUL, which ends a text
on its way in already (see test_octets)."""

_ODD_PERCENT = re.compile(rb"(?<!%)(?:%%)*%(?!%)")


def _reply(mta: OfferingMta) -> bytes:
    """The octets of the next reply, as libmilter wrote them."""
    letter, data = mta.read_frame()
    assert letter == REPLYCODE, (letter, data)
    return data


def _assert_safe(data: bytes) -> str:
    """Hold that a reply is a line that Postfix passes on as it was meant; the text that a client sees."""
    assert data.endswith(b"\0"), data
    line = data[:-1]
    assert re.fullmatch(rb"[45]\d\d [45]\.\d+\.\d+ [ -~]+", line), line
    assert not _ODD_PERCENT.search(line), line  # Postfix would drop it
    shown = line.replace(b"%%", b"%").decode("ascii")
    assert len(shown) + len("\r\n") <= 512
    return shown


def _junk(dice: random.Random, length: int) -> str:
    return "".join(dice.choice(HOSTILE) for _ in range(dice.randrange(length)))


def _rcpt_all(milter: Milter, dice: random.Random, count: int) -> list[str]:
    """Refusals of recipients of odd text at a domain that is suppressed."""
    milter.suppress("out.example")
    refusals = []
    with session(milter) as mta:
        for _ in range(count):
            mta.mail(f"<{_junk(dice, 9)}>", login("newsletter"))
            address = f"<{_junk(dice, 60)}@out.example>"
            mta.send_frame(b"R", strings(address))
            refusals.append(_assert_safe(_reply(mta)))
    return refusals


def test_no_recipient_can_write_a_reply(milter: Milter, dice: random.Random) -> None:
    """Some thousand addresses of odd text: refused by their domain, or because they cannot be read."""
    refusals = _rcpt_all(milter, dice, 2000)
    assert {refusal[:9] for refusal in refusals} == {"550 5.7.1", "553 5.1.3"}
    assert_no_fault(milter)


def test_an_unescaped_reply_would_be_noticed(breakable: Breakable, dice: random.Random) -> None:
    """One that says what the client said."""
    breakable.defects("raw")
    with pytest.raises(AssertionError):
        _rcpt_all(breakable, dice, 300)


def test_a_percent_sign_comes_out_single(milter: Milter) -> None:
    """Doubled for libmilter, which takes it for a format; Postfix undoubles it."""
    milter.suppress("100%@example.org")
    with session(milter) as mta:
        mta.mail(SENDER, login("newsletter"))
        mta.send_frame(b"R", strings("<100%@example.org>"))
        data = _reply(mta)
    assert data.startswith(b"550 5.7.1 <100%%@example.org>: opted out")
    assert _assert_safe(data).startswith("550 5.7.1 <100%@example.org>: opted out")


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(
            {"title": "100% off! %s %n %%", "help_url": "https://help.example/100%25?%s%%"}, id="percent signs"
        ),
        pytest.param({"title": "%" * 80, "help_url": f"https://{'%' * 120}"}, id="as many as there can be"),
        pytest.param({"title": 'Näws "\u2028\x85\u202e\x9f' + "<x>"}, id="what is no ASCII"),
        pytest.param({"title": "x" * 80, "help_url": f"http://{'y' * 120}"}, id="the longest"),
    ],
)
@pytest.mark.parametrize("scope", ["acme.newsletter", "*"])
def test_titles_and_help_urls_cannot_break_a_reply(start: Start, settings: dict[str, str], scope: str) -> None:
    """At RCPT and at the end, for one and for many; the address and the reference are in each."""
    milter = start(streams=stream(**settings))
    people = [f"<{'%' * number}{number}@example.org>" for number in range(0, 230, 9)]
    milter.suppress(*(address.strip("<>") for address in people), scope=scope)
    with session(milter) as mta:
        mta.mail(SENDER, login("newsletter"))
        for address in people:
            mta.send_frame(b"R", strings(address))
            shown = _assert_safe(_reply(mta))
            assert shown.startswith(f"550 5.7.1 {address[:60]}")
            assert re.search(r" \[\w+\]$", shown), shown
        mta.mail(SENDER)
        for address in people:
            mta.rcpt(address).expects(250)
        mta.header(*NEWSLETTER)
        mta.send_frame(b"E")
        assert re.search(r"> and \d+ more: .* \[\w+\]$", _assert_safe(_reply(mta)))
    assert_no_fault(milter)


@pytest.mark.parametrize(
    ("config", "headers", "expected"),
    [
        ({"false_claim": "reject"}, [("X-Consent-Stream", "acme.security")], "you may not send mail as acme.security"),
        ({"streams": stream(existing="reject")}, [NEWSLETTER], "must not bring its own List-Unsubscribe"),
        ({"streams": stream(action="defer", title="100%")}, [NEWSLETTER], 'mail of "100%" (acme.newsletter) waits'),
        ({"unclassified": "reject", "bulk": False}, [], "this mail belongs to no stream that is set up here"),
    ],
    ids=["false claim", "own link", "deferral", "no stream"],
)
def test_headers_cannot_break_a_reply(
    start: Start, dice: random.Random, config: dict[str, object], headers: list[tuple[str, str]], expected: str
) -> None:
    """Every refusal at the end of a message, among fields of odd text."""
    milter = start(**config)
    milter.suppress("bob@example.org")
    with session(milter) as mta:
        for _ in range(50):
            mta.mail(f"<{_junk(dice, 20)}>")
            mta.rcpt("<bob@example.org>").expects(250)
            for name, value in (*headers, ("List-Unsubscribe", _junk(dice, 99)), ("Subject", _junk(dice, 99))):
                mta.header(name, value)
            mta.send_frame(b"E")
            assert expected in _assert_safe(_reply(mta))
    assert_no_fault(milter)


def test_an_address_cannot_break_a_removal(milter: Milter, dice: random.Random) -> None:
    """It is handed back octet by octet, or the message is refused as a whole."""
    milter.suppress("out.example")
    removed = 0
    with session(milter) as mta:
        for _ in range(300):
            address = f"<{_junk(dice, 6)}a@out.example>"
            mta.mail(SENDER)
            mta.rcpt("<ann@example.org>").expects(250)
            if not mta.rcpt(address).goes_on:
                continue
            mta.header(*NEWSLETTER)
            if mta.eom(QUEUED).code == 250:
                assert [edit.value for edit in mta.edits if edit.what == "delrcpt"] == [address]
                removed += 1
    assert removed > 30
    assert_no_fault(milter)
