"""What a delivered message takes along: the sender to which bounces come back, and copies for the self-check."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from consentmilter.keys import subject_of
from consentmilter.service.self_check import EVERY, Copies
from consentmilter.tokens import Purpose, read, stream_hash
from tests.unit.dialogue import CONFIG, STREAMS, Mail, Mta, site
from tests.unit.making import NOW, RING

A, B = "<a@example.com>", "<b@example.com>"


def verp(**changes: Any) -> Mta:
    """A site whose newsletter wants its bounces back."""
    streams = {**STREAMS, "acme.newsletter": {"verp": True, **changes}}
    return Mta(site(unsubscribe={**CONFIG["unsubscribe"], "bounce": "bounce@example.com"}, streams=streams))


def checked() -> Mta:
    """A site whose mail is copied for the self-check."""
    mta = Mta()
    mta.desk = replace(mta.desk, copy_to=Copies("check@example.com").take)
    return mta


def sent(mta: Mta, *people: str, sender: str = "<news@acme.example>", login: str = "acme.newsletter") -> Mail:
    mail = mta.mail(sender, login=login)
    for person in people:
        mail.rcpt(person).expects()
    return mail


def test_the_envelope_sender_of_mail_to_one_person_is_a_bounce_address_of_their_own() -> None:
    """Its token tells person and stream, and is good for bounces only."""
    sender = sent(verp(), A).end().expects().ending.sender
    assert sender is not None
    local, _, domain = sender.partition("@")
    assert (local.partition("+")[0], domain) == ("bounce", "example.com")
    token = read(local.partition("+")[2], Purpose.BOUNCE, RING)
    assert (token.subject, token.stream) == (subject_of("a@example.com", RING), stream_hash("acme.newsletter"))
    assert len(local) <= 64


def test_the_sender_of_mail_to_several_people_stays() -> None:
    """Nobody could tell whose bounce it was."""
    assert sent(verp(), A, B).end().expects().ending.sender is None
    assert sent(verp(), A, A).end().expects().ending.sender is not None


def test_the_null_sender_stays() -> None:
    """Who sends from it wants no bounces."""
    assert sent(verp(), A, sender="<>").end().expects().ending.sender is None


def test_in_observe_mode_the_sender_stays() -> None:
    """Nothing about the mail changes there."""
    assert sent(verp(mode="observe", unsubscribe_header=True), A).end().expects().ending.sender is None


def test_mail_of_other_streams_keeps_its_sender() -> None:
    """`verp` is a stream's own setting."""
    assert sent(verp(), A, login="acme.whole").end().expects().ending.sender is None
    assert sent(verp(unsubscribe_header=False), A).end().expects().ending.sender is not None


def test_one_message_a_stream_and_hour_is_copied() -> None:
    """Whichever comes first, of each stream."""
    mta = checked()
    assert sent(mta, A).end().ending.copy_to == "check@example.com"
    assert sent(mta, B).end().ending.copy_to is None
    assert sent(mta, B, login="acme.whole").end().ending.copy_to == "check@example.com"
    mta.now = NOW + EVERY - timedelta(seconds=1)
    assert sent(mta, A).end().ending.copy_to is None
    mta.now = NOW + EVERY
    assert sent(mta, A).end().ending.copy_to == "check@example.com"


def test_a_message_without_a_link_of_ours_is_not_copied() -> None:
    """There would be nothing to look at: several people, no header wanted, or another link that is kept."""
    mta = checked()
    assert sent(mta, A, B).end().ending.copy_to is None
    assert sent(mta, A, login="acme.security").end().ending.copy_to is None
    kept = sent(mta, A)
    kept.header("List-Unsubscribe", "<https://theirs.example>")
    assert kept.end().ending.copy_to is None


def test_where_the_signature_does_not_cover_it_the_one_click_field_is_withheld() -> None:
    """The link itself stays, and other streams keep both."""
    mta = Mta()
    mta.desk = replace(mta.desk, withheld={"acme.newsletter"}.__contains__)
    ended = sent(mta, A).end()
    assert "/u/" in ended.added("List-Unsubscribe")[0]
    assert ended.added("List-Unsubscribe-Post") == []
    assert sent(mta, A, login="acme.whole").end().added("List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]


def test_a_copied_message_has_the_one_click_field_even_where_it_is_withheld() -> None:
    """Else the check would never see again whether the signature covers it."""
    mta = checked()
    mta.desk = replace(mta.desk, withheld={"acme.newsletter"}.__contains__)
    copied, plain = sent(mta, A).end(), sent(mta, A).end()
    assert (copied.ending.copy_to, plain.ending.copy_to) == ("check@example.com", None)
    assert len(copied.added("List-Unsubscribe-Post")) == 1
    assert plain.added("List-Unsubscribe-Post") == []
