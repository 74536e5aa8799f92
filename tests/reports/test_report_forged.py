"""Forged and odd mail: what is no dead mailbox, no complaint and no request is never taken for one.

Each mail of the corpus that has a consequence is put into every shape in which it must have none.
"""

from collections.abc import Iterator

from consentmilter.reports.complaint import complaint
from consentmilter.reports.delivery import bounce
from consentmilter.reports.message import read
from consentmilter.reports.statuses import Kind
from consentmilter.reports.words import Intent, reply
from tests.reports.mails import mail, names, octets

SENDER = "person@provider.example"

MACHINE_SIGNS = [
    b"Auto-Submitted: auto-replied",
    b"Auto-Submitted: auto-generated",
    b"Auto-Submitted: no\r\nAuto-Submitted: auto-replied",
    b"X-Autoreply: yes",
    b"X-Auto-Response-Suppress: OOF",
    b"Precedence: bulk",
    b"Precedence: Junk",
    b"Precedence: auto_reply",
    b"List-Id: <list.example>",
    b"Subject: Out of office",
    b"Subject: Re: Abwesenheitsnotiz",
]

HARMLESS_TYPES = [
    b"not-spam",
    b"auth-failure",
    b"virus",
    b"fraud",
    b"other",
    b"abuse-report",
    b"x-abuse",
    b"miscategorized",
    b"",
    b"dkim",
]

HARMLESS_ACTIONS = [
    b"delayed",
    b"delivered",
    b"relayed",
    b"expanded",
    b"",
    b"failure",
    b"not-failed",
    b"failed\r\nAction: failed",
]

HARMLESS_CODES = [
    b"5.7.1",
    b"4.1.1",
    b"2.1.1",
    b"5.2.2",
    b"5.1.2",
    b"5.4.4",
    b"5.3.0",
    b"5.0.0",
    b"5.1",
    b"5.1.11",
    b"511",
    b"x",
]


def hard() -> list[str]:
    return [name for name in names("bounces") if bounce(mail(name)).kind is Kind.HARD]


def complaints() -> list[str]:
    return [name for name in names("complaints") if (found := complaint(mail(name))) and found.unwanted]


def requests() -> list[str]:
    return [name for name in names("replies") if reply(mail(name), SENDER).intent is Intent.OPT_OUT]


def embedded(raw: bytes, kind: bytes = b"message/rfc822", top: bytes = b"mixed") -> bytes:
    """The mail as what somebody else's mail carries."""
    head = b"From: person@provider.example\r\nContent-Type: multipart/" + top + b"; boundary=forged\r\n\r\n--forged\r\n"
    return head + b"Content-Type: " + kind + b"\r\n\r\n" + raw + b"\r\n--forged--\r\n"


def shells(raw: bytes) -> Iterator[bytes]:
    yield embedded(raw)
    yield embedded(raw, top=b"report; report-type=delivery-status")
    yield embedded(raw, top=b"report; report-type=feedback-report")
    yield embedded(raw, b"text/plain")
    yield embedded(raw, b"text/plain\r\nContent-Disposition: attachment")
    yield embedded(raw, b"application/octet-stream")
    yield b"From: person@provider.example\r\n\r\n" + raw


def test_no_forged_bounce_is_hard() -> None:
    """Wrapped, of another action or code, or with another MIME type."""
    forged = [shell for name in hard() for shell in shells(octets(name))]
    for name in hard():
        raw = octets(name)
        forged += [raw.replace(b"Action: failed", b"Action: " + action) for action in HARMLESS_ACTIONS]
        forged += [replaced(raw, code) for code in HARMLESS_CODES]
        forged.append(raw.replace(b"multipart/report", b"multipart/alternative"))
        forged.append(raw.replace(b"delivery-status\r\n", b"disposition-notification\r\n"))
    forged = [raw for raw in forged if b"base64" not in raw or raw.startswith(b"From: person")]
    assert len(forged) > 200
    assert [raw for raw in forged if bounce(read(raw)).kind is Kind.HARD] == []


def replaced(raw: bytes, code: bytes) -> bytes:
    """The report with another code wherever one stands."""
    for hard_code in (b"5.1.10", b"5.1.1", b"5.1.6", b"5.2.1"):
        raw = raw.replace(hard_code, code)
    return raw


def test_no_forged_report_is_a_complaint() -> None:
    """Wrapped, of another type, or without the part that says so."""
    forged = [shell for name in complaints() for shell in shells(octets(name))]
    for name in complaints():
        raw = octets(name)
        if b"Feedback-Type" in raw:
            was = b"Feedback-Type: opt-out" if b"Feedback-Type: opt-out" in raw else b"Feedback-Type: abuse"
            forged += [raw.replace(was, b"Feedback-Type: " + kind) for kind in HARMLESS_TYPES]
            forged.append(raw.replace(was, was + b"\r\nFeedback-Type: not-spam"))
            forged.append(raw.replace(b"message/feedback-report", b"text/plain"))
            forged.append(raw.replace(b"multipart/report", b"multipart/alternative"))
    assert len(forged) > 100
    assert [raw for raw in forged if (found := complaint(read(raw))) and found.unwanted] == []


def test_no_machines_mail_is_a_request() -> None:
    """Each request under each sign, and from the null sender."""
    signed = [sign + b"\r\n" + octets(name) for name in requests() for sign in MACHINE_SIGNS]
    assert len(signed) > 150
    assert [raw for raw in signed if reply(read(raw), SENDER).intent is Intent.OPT_OUT] == []
    assert [name for name in requests() if reply(mail(name), "").intent is Intent.OPT_OUT] == []


def test_no_carried_or_quoted_request_is_a_request() -> None:
    """A mail that somebody forwards or quotes is not what they ask for."""
    carried = [shell for name in requests() for shell in list(shells(octets(name)))[:3]]
    carried += [quoted(octets(name)) for name in requests()]
    assert len(carried) > 60
    assert [raw for raw in carried if reply(read(raw), SENDER).intent is Intent.OPT_OUT] == []


def quoted(raw: bytes) -> bytes:
    return b"From: person@provider.example\r\n\r\n" + b"".join(b"> " + line + b"\r\n" for line in raw.splitlines())


def test_the_forgeries_are_made_of_mail_that_counts() -> None:
    """What they are made of is hard, unwanted or a request."""
    assert (len(hard()), len(complaints()), len(requests())) == (9, 9, 16)
