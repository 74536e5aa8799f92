"""Reading a mail within limits: what is seen of it, and what is refused."""

import base64

import pytest

from consentmilter.errors import MessageError
from consentmilter.reports.fields import LIMITS, Limits
from consentmilter.reports.message import Incoming, Part, read
from tests.reports.mails import mail, names, octets, written


@pytest.mark.parametrize("name", [*names("bounces"), *names("complaints"), *names("replies")])
def test_line_ends_make_no_difference(name: str) -> None:
    """CRLF as LMTP gives it, LF as a file has it."""
    assert read(octets(name).replace(b"\r\n", b"\n")) == mail(name)


def test_the_parts_of_a_mail_are_told_apart() -> None:
    """By their boundary, without what stands before and behind; an embedded message is a part of its part."""
    root = mail("complaints/yahoo").root
    assert [part.media for part in root.parts] == ["text/plain", "message/feedback-report", "message/rfc822"]
    embedded = root.parts[2].embedded
    assert embedded is not None
    assert embedded.headers.values("from") == ["Acme <news@acme.example>"]
    assert [leaf.media for leaf in root.leaves()] == ["text/plain", "message/feedback-report", "message/rfc822"]


def bodies(boundary_lines: str) -> list[bytes]:
    return [part.body for part in written(f"Content-Type: multipart/mixed; boundary=b\n\n{boundary_lines}").root.parts]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("--b\n\none\n--b\n\ntwo\n--b--\n", [b"one", b"two"]),
        ("before\n--b\n\none\n--b--\nbehind\n--b\n\nnot\n", [b"one"]),
        ("--b  \n\none\n--b--", [b"one"]),
        ("--b\n\ncut off", [b"cut off"]),
        ("--bb\n\nanother boundary\n", []),
        ("--b\n\none\n--bb\n--b--\n", [b"one\n--bb"]),
        ("--b\n--b\n--b--\n", [b"", b""]),
        ("--b--\n--b\n\nbehind the end", []),
        ("", []),
    ],
)
def test_a_boundary_is_a_whole_line(text: str, parts: list[bytes]) -> None:
    """Not a piece of one."""
    assert bodies(text) == parts


@pytest.mark.parametrize(
    ("field", "media", "parameters"),
    [
        ("text/html; charset=utf-8", "text/html", {"charset": "utf-8"}),
        ('TEXT/HTML; Charset="utf-8"', "text/html", {"charset": "utf-8"}),
        ('multipart/report; boundary="a;b\\"c"; report-type=x', None, {"boundary": 'a;b"c', "report-type": "x"}),
        ("multipart/mixed; boundary=a; boundary=b", None, {"boundary": "a"}),
        ("text", "text/plain", {}),
        ("text/", "text/plain", {}),
        ("", "text/plain", {}),
        ("text/plain; charset", "text/plain", {}),
        ('text/plain; charset="utf-8', "text/plain", {"charset": ""}),
    ],
)
def test_a_content_type_is_read(field: str, media: str | None, parameters: dict[str, str]) -> None:
    """With its parameters, the first of a name; text/plain for what is none."""
    root = written(f"Content-Type: {field}\n\nx").root
    assert root.media == (media or field.partition(";")[0])
    assert root.parameters == parameters


@pytest.mark.parametrize(
    ("encoding", "body", "text"),
    [
        ("7bit", "a=20b", "a=20b"),
        ("quoted-printable", "caf=C3=A9 =\nnoir =4", "café noir =4"),
        ("base64", base64.b64encode("café\r\nnoir".encode()).decode(), "café\nnoir"),
        ("BASE64", "YWJj\nZ A!=", "abcd"),
        ("base64", "YWJjZ", "abc"),
        ("x-unknown", "abc", "abc"),
    ],
)
def test_a_transfer_encoding_is_undone(encoding: str, body: str, text: str) -> None:
    """As far as it can be."""
    assert written(f"Content-Transfer-Encoding: {encoding}\n\n{body}").root.text() == text


@pytest.mark.parametrize(
    ("charset", "raw", "text"),
    [
        ("iso-8859-1", b"caf\xe9", "café"),
        ("windows-1252", b"\x93x\x94", "\u201cx\u201d"),
        ("windows-1256", b"\xd4", "\u0634"),
        ("utf-8", b"caf\xe9", "caf\ufffd"),
        ("punycode", b"abc-xyz", "abc-xyz"),
        ("unicode_escape", b"\\x41", "\\x41"),
        ("undefined", b"abc", "abc"),
        ("rot13", b"abc", "abc"),
        ("\x00", b"abc", "abc"),
    ],
)
def test_a_character_set_of_mail_is_read_and_no_other(charset: str, raw: bytes, text: str) -> None:
    """Python knows more, some of them slow and some no character sets."""
    root = read(b"Content-Type: text/plain; charset=" + charset.encode() + b"\n\n" + raw).root
    assert root.text() == text


def test_a_header_ends_where_every_reader_ends_it() -> None:
    """At an empty line or at what is no field: a second From behind it is text."""
    for stop in ("", "no field", "From there", ": empty name", "na me: x"):
        incoming = written(f"From: a@person.example\n{stop}\nFrom: b@person.example\n\nx")
        assert incoming.author == "a@person.example"


def test_folded_fields_are_one() -> None:
    """Whatever blanks they are folded with."""
    assert written("X: a\n\tb\n  c\nY: d\n").headers.values("x") == ["a b c"]


@pytest.mark.parametrize("first", ["From someone Tue Jun  3\n", ">From someone\n", ""])
def test_an_mbox_line_before_the_header_is_skipped(first: str) -> None:
    """Some reports embed messages with it."""
    assert written(f"{first}Subject: x\n\nbody").root.body == b"body"


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ("", "no"),
        ("Auto-Submitted: no", "no"),
        ("Auto-Submitted: No; x=y", "no"),
        ("Auto-Submitted: auto-replied (vacation)", "auto-replied (vacation)"),
        ("Auto-Submitted: no\nAuto-Submitted: Auto-Generated; x", "auto-generated"),
    ],
)
def test_automatic_mail_says_so(fields: str, word: str) -> None:
    """In any of its fields."""
    assert written(f"{fields}\n\nx").auto_submitted == word


def nested(depth: int) -> bytes:
    head = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(depth))
    return head + b"\nend"


def embedded(depth: int) -> bytes:
    return b"Content-Type: message/rfc822\n\n" * depth + b"\nend"


def many(parts: int) -> bytes:
    return b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * parts


@pytest.mark.parametrize(
    ("good", "odd"),
    [
        (b"x" * LIMITS.size, b"x" * (LIMITS.size + 1)),
        (b"A: b\n" * LIMITS.fields, b"A: b\n" * (LIMITS.fields + 1)),
        (b"A:" + b"b" * (LIMITS.field_octets - 3) + b"\n", b"A:" + b"b" * LIMITS.field_octets),
        (b"A: b\n" + b" c\n" * 20000, b"A: b\n" + b" c\n" * 30000),
        (nested(LIMITS.depth), nested(LIMITS.depth + 1)),
        (embedded(LIMITS.depth), embedded(LIMITS.depth + 1)),
        (many(LIMITS.parts - 1), many(LIMITS.parts)),
        (b"Content-Type: message/rfc822\n\n" + b"A: b\n" * 500, b"Content-Type: message/rfc822\n\n" + b"A: b\n" * 501),
    ],
    ids=["size", "fields", "field", "folds", "depth", "embedded", "parts", "fields of a part"],
)
def test_a_mail_beyond_a_limit_is_odd(good: bytes, odd: bytes) -> None:
    """And one at the limit is not."""
    read(good)
    with pytest.raises(MessageError):
        read(odd)


def test_limits_can_be_set() -> None:
    """By who knows what comes in."""
    with pytest.raises(MessageError, match="longer than 10 octets"):
        read(b"x" * 11, Limits(size=10))


def test_nothing_of_a_mail_shows_in_a_log_by_mistake() -> None:
    """Neither a mail nor a part tells its content."""
    shown = repr(written("From: a@person.example\nSubject: canary\nContent-Type: text/plain; name=canary\n\ncanary"))
    assert "canary" not in shown
    assert shown.startswith("Incoming(author='a@person.example'")


def test_a_multipart_without_boundary_has_no_parts() -> None:
    """It is what it is: text of no kind that we read."""
    for parameters in ("", "; boundary=", f"; boundary={'b' * 300}"):
        root = written(f"Content-Type: multipart/mixed{parameters}\n\n--\n\nx\n").root
        assert root.parts == ()
        assert list(root.leaves()) == []


def test_parts_and_mails_are_values() -> None:
    """They can be compared."""
    assert written("\nx") == Incoming(None, Part("text/plain", {}, written("\n").headers, b"x"))
