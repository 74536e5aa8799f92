"""Mail from outside may be anything: no reader ever fails but in its own way, and takes time in proportion."""

import random
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consentmilter.errors import MessageError
from consentmilter.reports import content, statuses
from consentmilter.reports.authentication import aligned
from consentmilter.reports.automatic import is_automatic
from consentmilter.reports.complaint import Complaint, complaint
from consentmilter.reports.delivery import Bounce, bounce
from consentmilter.reports.fields import Limits
from consentmilter.reports.markup import text_of
from consentmilter.reports.message import read
from consentmilter.reports.plain import plain
from consentmilter.reports.quoted import own_words
from consentmilter.reports.signatures import uncovered
from consentmilter.reports.statuses import Kind
from consentmilter.reports.words import Intent, Reply, intent, reply
from tests.reports.mails import names, octets
from tests.unit.growth import grows_linearly
from tests.unit.making import examples

NAMES = [*names("bounces"), *names("complaints"), *names("replies")]
WIDE = Limits(size=1 << 26, fields=1 << 22, field_octets=1 << 26)
"""Limits that only depth and parts can meet, so that growth shows."""


def everything(raw: bytes, limits: Limits | None = None) -> tuple[Bounce, Complaint | None, Reply]:
    """What all readers say of a mail; MessageError is what they may raise."""
    incoming = read(raw, limits or Limits())
    aligned(incoming, ["mx.ours.example"], "person.example")
    uncovered(incoming)
    is_automatic(incoming, "a@b.example")
    for leaf in incoming.root.leaves():
        leaf.text()
    return bounce(incoming), complaint(incoming), reply(incoming, "a@b.example")


def survives(raw: bytes) -> None:
    try:
        everything(raw)
    except MessageError:
        return


PIECES = st.sampled_from(
    [
        b"\r\n",
        b"\r\n\r\n",
        b"--b",
        b"--b--",
        b"From: ",
        b"a@b.example",
        b"Content-Type: multipart/report; boundary=b\r\n",
        b'Content-Type: multipart/alternative; boundary="b"\r\n',
        b"Content-Type: message/rfc822\r\n",
        b"Content-Type: message/delivery-status\r\n",
        b"Content-Type: message/feedback-report\r\n",
        b"Content-Type: text/html; charset=",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n",
        b"Authentication-Results: mx.ours.example; dkim=pass header.d=",
        b"Action: failed\r\nStatus: 5.1.1\r\n",
        b"Feedback-Type: abuse\r\n",
        b"List-Unsubscribe: <https://u.example/u/",
        b"Subject: =?utf-8?B?",
        b"DKIM-Signature: h=",
        b"(",
        b")",
        b'"',
        b"<",
        b">",
        b"\\",
        b";",
        b"=",
        b"\xff\x00",
        "unsubscribe, désabonner, إلغاء".encode(),
        b"On 3 June a@b wrote:\r\n",
    ]
)


@examples(100)
@given(st.lists(PIECES | st.binary(max_size=8), max_size=40).map(b"".join))
@example(b"")
@example(b"\x00")
@example(b"From \n")
@example(b":")
def test_mail_of_any_octets_is_read_or_odd(raw: bytes) -> None:
    """Made of the pieces that matter, in any order."""
    survives(raw)


@examples(100)
@given(st.sampled_from(NAMES), st.randoms(use_true_random=False))
def test_a_damaged_mail_of_the_corpus_is_read_or_odd(name: str, dice: random.Random) -> None:
    """Octets changed, cut out and doubled."""
    survives(damaged(octets(name), dice))


def damaged(raw: bytes, dice: random.Random) -> bytes:
    for _ in range(dice.randint(1, 8)):
        at = dice.randrange(len(raw))
        end = at + dice.choice([0, 1, 1, 20])
        raw = raw[:at] + dice.choice([b"", dice.randbytes(2), raw[at:end] * 2, b'"', b"(", b"\n"]) + raw[end:]
    return raw


@examples(100)
@given(st.text(max_size=200))
def test_any_text_has_an_intent(text: str) -> None:
    """And a plain form, own words, codes, and a text without markup."""
    assert intent(text) in Intent
    assert plain(plain(text)) == plain(text)
    own_words(text)
    text_of(text)
    content.unstructured(text)
    assert statuses.judge(statuses.codes_in(text), text) in Kind


def mail_of(head: bytes, piece: bytes, tail: bytes = b"") -> Callable[[int], bytes]:
    return lambda size: head + piece * (size // len(piece)) + tail


REPORT = b"Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: "
GROWING = {
    "fields": mail_of(b"", b"A: b\n"),
    "folds": mail_of(b"A: b\n", b" c\n"),
    "body": mail_of(b"\n", b"unsubscribe me. "),
    "dots": mail_of(b"\n", b".", b"x"),
    "commas": mail_of(b"\n", b", "),
    "blank lines": mail_of(b"\n", b"\n"),
    "blanks": mail_of(b"\nx", b" ", b"x"),
    "blanks in lines": mail_of(b"\nx,", b" ", b"x"),
    "words": mail_of(b"\n", b"please "),
    "quotes": mail_of(b"\n", b"> x\n"),
    "introductions": mail_of(b"\n", b"On 3 June\n"),
    "field lines": mail_of(b"\n", b"From: x\n"),
    "dashes": mail_of(b"\n", b"-"),
    "underscores": mail_of(b"\n", b"_", b"x"),
    "accents": mail_of(b"\nx", "\u0301\u0323".encode()),
    "arabic": mail_of(b"\n", "لا ".encode()),
    "boundaries": mail_of(b"Content-Type: multipart/mixed; boundary=b\n\n", b"--b-\n"),
    "boundary blanks": mail_of(b"Content-Type: multipart/mixed; boundary=b\n\n--b", b" ", b"x"),
    "depth": lambda size: (
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(9))
        + b"\n"
        + b"--b\n" * (size // 4)
    ),
    "html tags": mail_of(b"Content-Type: text/html\n\n", b"<p>x"),
    "html brackets": mail_of(b"Content-Type: text/html\n\n", b"<"),
    "html open tags": mail_of(b"Content-Type: text/html\n\n", b"<a "),
    "html comments": mail_of(b"Content-Type: text/html\n\n", b"<!--"),
    "html scripts": mail_of(b"Content-Type: text/html\n\n", b"<script>"),
    "html entities": mail_of(b"Content-Type: text/html\n\n", b"&amp"),
    "base64": mail_of(b"Content-Transfer-Encoding: base64\n\n", b"eA=="),
    "quoted-printable": mail_of(b"Content-Transfer-Encoding: quoted-printable\n\n", b"=\n"),
    "status blanks": mail_of(REPORT + b"message/delivery-status\n\nAction: failed\n", b" \n"),
    "diagnostic": mail_of(REPORT + b"message/delivery-status\n\nAction: failed\nDiagnostic-Code: x", b" 5.1.1"),
    "original links": mail_of(
        REPORT + b"message/feedback-report\n\nFeedback-Type: abuse\n--b\n"
        b"Content-Type: message/rfc822\n\nList-Unsubscribe: x\n",
        b" +a\n",
    ),
    "soft breaks": mail_of(REPORT + b"message/rfc822\n\n", b"= "),
    "results": mail_of(b"Authentication-Results: mx.ours.example; ", b"\n x=y;"),
    "result fields": mail_of(b"", b'Authentication-Results: mx.ours.example; "' + b'\\"' * 1000 + b"\n"),
    "received": mail_of(b"Received: from a by b\nReceived: ", b" by ("),
    "from": mail_of(b"From: ", b"a "),
    "subject": mail_of(b"Subject: ", b"=?a?Q?"),
    "signature": mail_of(b"DKIM-Signature: h=", b"a:"),
    "type": mail_of(b"Content-Type: a/b", b';a="'),
}


@pytest.mark.parametrize("make", GROWING.values(), ids=GROWING)
def test_time_grows_with_the_size(make: Callable[[int], bytes]) -> None:
    """And not with its square, for what each reader repeats."""

    def run(raw: bytes) -> None:
        try:
            everything(raw, WIDE)
        except MessageError:
            return

    assert grows_linearly(run, make, 12_000)


@pytest.mark.parametrize("reader", [intent, own_words, text_of, plain, content.unstructured])
@pytest.mark.parametrize("piece", [".", ",", "-", " ", "\n", "?", "stop ", "<", '"', "\u0301\u0323", "=?a?b?"])
def test_the_time_for_a_text_grows_with_its_length(reader: Callable[[str], object], piece: str) -> None:
    """Also for texts that no mail within the limits brings."""

    def make(size: int) -> str:
        return "x" + piece * (size // len(piece)) + "x"

    assert grows_linearly(reader, make, 3000)


def test_the_measure_of_growth_can_fail() -> None:
    """A reader that looks at each octet for each octet is found out."""

    def quadratic(raw: bytes) -> int:
        return sum(1 for _ in raw for _ in raw)

    assert not grows_linearly(quadratic, mail_of(b"", b"x"), 100)
