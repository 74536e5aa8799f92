"""Feedback reports of mailbox providers: which are complaints, and where our token is found in them."""

import pytest

from consentmilter.reports.complaint import MAX_TOKENS, complaint
from tests.reports.mails import TOKEN, mail, names, written

UNWANTED = [
    "yahoo",
    "outlook-jmrp",
    "aol-redacted",
    "comcast-headers-only",
    "validator-opt-out",
    "fastmail-quoted-printable",
    "generic-quoted-printable-unsaid",
    "folded-inside-the-link",
]


@pytest.mark.parametrize("name", UNWANTED)
def test_a_complaint_names_the_person_by_our_token(name: str) -> None:
    """However the provider wraps, encodes or blacks out the rest."""
    found = complaint(mail(f"complaints/{name}"))
    assert found is not None
    assert found.unwanted
    assert TOKEN in found.tokens


@pytest.mark.parametrize("name", [name for name in names("complaints") if "/never-" in name])
def test_what_is_no_complaint_never_is_one(name: str) -> None:
    """Not-spam, failed authentication, viruses, contradictions, and people's forwards."""
    found = complaint(mail(name))
    assert found is None or not found.unwanted


def test_every_complaint_of_the_corpus_is_judged() -> None:
    """None lies there unread."""
    rest = {name.rpartition("/")[2] for name in names("complaints") if "/never-" not in name} - set(UNWANTED)
    assert rest == {"token-in-the-body-alone"}


def test_a_token_in_the_body_is_nobodys() -> None:
    """A friend who forwards the newsletter with her link in it has not complained."""
    found = complaint(mail("complaints/token-in-the-body-alone"))
    assert found is not None
    assert found.unwanted
    assert found.tokens == ()


@pytest.mark.parametrize("folder", ["bounces", "replies"])
def test_other_mail_is_no_complaint(folder: str) -> None:
    """Bounces and replies, embedded messages or not."""
    assert {complaint(mail(name)) for name in names(folder)} == {None}


def test_an_address_that_somebody_typed_names_nobody() -> None:
    """Original-Rcpt-To and Removal-Recipient are not looked at."""
    found = complaint(written(report("Original-Rcpt-To: victim@example.com\nRemoval-Recipient: victim@example.com")))
    assert found is not None
    assert found.tokens == ()


def test_a_link_comes_before_a_sender_address_and_a_report_field() -> None:
    """What the person saw in their mail first."""
    a, b, c = (letter * 52 for letter in "abc")
    original = f"Return-Path: <bounce+{b}@x.example>\nList-Unsubscribe: <https://u.example/u/{a}>\n"
    found = complaint(written(report(f"Original-Mail-From: bounce+{c}@x.example", original)))
    assert found is not None
    assert found.tokens == (a, b, c)


@pytest.mark.parametrize("text", ["a" * 51, "a" * 53, "1" * 52, f"{'a' * 51}="])
def test_what_has_not_the_shape_of_a_token_is_none(text: str) -> None:
    """52 letters and digits of base32, no more and no fewer."""
    found = complaint(written(report(original=f"List-Unsubscribe: <https://u.example/u/{text}>\n")))
    assert found is not None
    assert found.tokens == ()


def test_a_report_full_of_tokens_gives_a_few() -> None:
    """Nobody can make us check thousands."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    links = ", ".join(f"<https://u.example/u/{letter * 52}>" for letter in letters)
    found = complaint(written(report(original=f"List-Unsubscribe: {links}\n")))
    assert found is not None
    assert len(found.tokens) == MAX_TOKENS


def report(fields: str = "", original: str = "") -> str:
    return (
        "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n"
        f"--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n{fields}\n"
        f"--b\nContent-Type: message/rfc822\n\n{original}\nbody\n--b--\n"
    )
