"""The mail that asks a person whether a request was theirs."""

import email
import email.policy
from email.message import EmailMessage

import pytest

from consentmilter.intake.letter import Question, language_of, write
from tests.intake.site import NOON


def written(recipient: str = "ann@example.org", **more: object) -> tuple[bytes, EmailMessage]:
    """A question as it is sent, and as it is read."""
    links = ("https://u.example.com/u/abc", "mailto:unsub+abc@example.com")
    question = Question(recipient, "unsub@example.com", "Weekly newsletter, Acme Ltd", links, **more)  # type: ignore[arg-type]  # as given
    raw = write(question, date=NOON, message_id="<1@example.com>")
    return raw, email.message_from_bytes(raw, policy=email.policy.default)


@pytest.mark.parametrize(
    ("address", "language"),
    [
        ("a@example.com", "en"),
        ("a@example.de", "de"),
        ("a@mail.example.at", "de"),
        ("a@example.fr", "fr"),
        ("a@example.mx", "es"),
        ("a@example.ro", "ro"),
        ("a@example.nl", "nl"),
        ("a@example.eg", "ar"),
        ("a@[192.0.2.1]", "en"),
    ],
)
def test_the_language_is_guessed_by_the_country_and_english_follows(address: str, language: str) -> None:
    """Everybody gets English as well."""
    assert language_of(address) == language
    text = written(address)[1].get_content()
    assert "If it was not, you need not do anything" in text
    assert text.count("https://u.example.com/u/abc") == (1 if language == "en" else 2)
    assert text.count("Weekly newsletter, Acme Ltd") == (1 if language == "en" else 2)


def test_a_question_is_mail_that_any_server_takes() -> None:
    """ASCII lines of at most 998 octets, CRLF, one field of each name."""
    thread = tuple(f"<{'x' * 200}{number}@example.org>" for number in range(50))
    raw, read = written("a@example.eg", references=thread, in_reply_to="<last@example.org>")
    assert raw.isascii()
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert len(set(read.keys())) == len(read.keys())
    assert f"\r\nReferences: {' '.join(thread[-4:])} <last@example.org>\r\n".encode() in raw


def test_a_long_address_is_not_encoded() -> None:
    """A reply to it would not arrive."""
    reply_to = f"unsub+{'a' * 52}@{'sub.' * 20}example.com"
    raw, _ = written(reply_to=reply_to)
    assert f"\r\nReply-To: {reply_to}\r\n".encode() in raw


def test_an_address_beyond_ascii_is_written_as_it_is() -> None:
    """SMTPUTF8 (RFC 6532)."""
    raw, _ = written("jürgen@xn--exmple-cua.org")
    assert "\r\nTo: jürgen@xn--exmple-cua.org\r\n".encode() in raw


def test_an_address_in_quotes_stays_one_address() -> None:
    """What stands in quotes may look like a list."""
    read = written('"a, b"@example.org')[1]
    assert [each.addr_spec for each in read["To"].addresses] == ['"a, b"@example.org']


def test_a_question_answers_no_thread_where_there_is_none() -> None:
    """The mail had no Message-ID."""
    read = written()[1]
    assert (read["In-Reply-To"], read["References"], read["Reply-To"]) == (None, None, None)
