"""The texts of SMTP replies."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentmilter import replies
from consentmilter.model import ALL, Basis, Consent, ConsentState, Reason, Suppression, Verdict
from consentmilter.policy.consents import Lack
from consentmilter.policy.decide import Decision
from consentmilter.policy.objections import Objection
from consentmilter.replies import Reply
from tests.unit.making import ANY_TEXT, FROM_THE_MTA, OPTED_OUT, examples, organisations, site, stream, suppression

NEWS = stream()
SITE = site(NEWS, organisations=organisations(acme="Acme Ltd"))
REF = "ab3k7qzx"
PERSON = "<person@example.com>"
WITHDRAWN = ConsentState.WITHDRAWN


def text(*refused: tuple[str, Suppression | Decision]) -> str:
    reply = replies.refused(decided(*refused), SITE, NEWS, REF)
    assert (reply.code, reply.enhanced) == ("550", "5.7.1")
    return reply.text


def decided(*refused: tuple[str, Suppression | Decision]) -> list[tuple[str, Decision]]:
    """Recipients with the decision about each, which a suppression alone makes."""
    return [(raw, why if isinstance(why, Decision) else Decision(Verdict.REJECT, why)) for raw, why in refused]


def check(reply: Reply, ref: str) -> None:
    """That the reply is one short line of plain ASCII with its reference (RFC 5321 4.5.3.1.5, RFC 3463 section 2)."""
    assert re.fullmatch(r"[45]\d\d", reply.code)
    assert re.fullmatch(rf"{reply.code[0]}\.\d{{1,3}}\.\d{{1,3}}", reply.enhanced)
    assert reply.text.isascii()
    assert reply.text.isprintable()
    assert reply.text.endswith(f" [{ref}]")
    assert len(f"{reply.code} {reply.enhanced} {reply.text}\r\n") <= 512


def test_a_refusal_says_who_what_why_and_since_when() -> None:
    """The sender can act on it without asking anybody."""
    assert text((PERSON, suppression(scope="acme.newsletter"))) == (
        '<person@example.com>: opted out of "Weekly newsletter" (acme.newsletter) by unsubscribe on 2026-02-01; '
        "remove this address from your list [ab3k7qzx]"
    )


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (Reason.LEGAL, "blocked for all marketing mail by legal on"),
        (Reason.OBJECTION, "opted out of all marketing mail by objection on"),
        (Reason.COMPLAINT, "opted out of all marketing mail by complaint on"),
        (Reason.UNSUBSCRIBE, "opted out of all marketing mail by unsubscribe on"),
        (Reason.MANUAL, "opted out of all marketing mail by manual on"),
        (Reason.HARD_BOUNCE, "undeliverable, suppressed for all marketing mail by hard_bounce on"),
        (Reason.IMPORTED, "opted out of all marketing mail by imported on"),
    ],
)
def test_each_reason_is_named(reason: Reason, said: str) -> None:
    """The word is that of the list, so that it can be searched for."""
    assert f": {said} 2026-02-01; remove" in text((PERSON, suppression(reason=reason)))


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        (ALL, "opted out of all marketing mail by"),
        ("acme", "opted out of all mail of Acme Ltd (acme) by"),
        ("acme.newsletter", 'opted out of "Weekly newsletter" (acme.newsletter) by'),
        ("acme.gone", 'opted out of "acme.gone" (acme.gone) by'),
    ],
)
def test_the_scope_is_named_as_a_person_would_and_as_the_system_does(scope: str, said: str) -> None:
    """A scope that is not set up any more by its name."""
    assert said in text((PERSON, suppression(scope=scope)))


def test_several_people_with_one_reason_share_it() -> None:
    """One line for all of them."""
    same = suppression(scope="acme")
    assert text((PERSON, same), ("<b@example.com>", same)) == (
        "<person@example.com>, <b@example.com>: opted out of all mail of Acme Ltd (acme) by unsubscribe on 2026-02-01; "
        "remove these addresses from your list [ab3k7qzx]"
    )


def test_several_people_with_several_reasons_share_the_stream() -> None:
    """Who gave which reason is in the log."""
    rows = [suppression(reason=reason) for reason in (Reason.COMPLAINT, Reason.UNSUBSCRIBE)]
    assert text((PERSON, rows[0]), ("<b@example.com>", rows[1])) == (
        '<person@example.com>, <b@example.com>: opted out of "Weekly newsletter" (acme.newsletter); '
        "remove these addresses from your list [ab3k7qzx]"
    )


def lacking(scope: str | None = None) -> Decision:
    """Want of consent: withdrawn in this scope, or never recorded."""
    if scope is None:
        return Decision(Verdict.REJECT, lack=Lack.NO_CONSENT)
    row = Consent(b"k" * 16, scope, WITHDRAWN, Basis.CONSENT, OPTED_OUT, False, "test")
    return Decision(Verdict.REJECT, lack=Lack.WITHDRAWN, consent=row)


def test_who_never_consented_is_said_to_have_no_recorded_consent() -> None:
    """To what, and that the address does not belong on that list."""
    assert text((PERSON, lacking())) == (
        '<person@example.com>: no recorded consent for "Weekly newsletter" (acme.newsletter); '
        "remove this address from your list [ab3k7qzx]"
    )


@pytest.mark.parametrize(
    ("scope", "said"),
    [("acme.newsletter", '"Weekly newsletter" (acme.newsletter)'), ("acme", "all mail of Acme Ltd (acme)")],
)
def test_a_withdrawn_consent_is_told_with_its_scope_and_day(scope: str, said: str) -> None:
    """The person said no, which is more than never having said yes."""
    assert text((PERSON, lacking(scope))) == (
        f"<person@example.com>: consent to {said} withdrawn on 2026-02-01; remove this address from your list "
        "[ab3k7qzx]"
    )


def test_people_some_of_whom_lack_consent_share_that() -> None:
    """Neither has the one who opted out consented."""
    assert ': no consent to "Weekly newsletter" (acme.newsletter); remove these addresses' in text(
        (PERSON, lacking()), ("<b@example.com>", suppression())
    )


def test_a_suppressed_domain_is_called_one() -> None:
    """It is not the person who opted out."""
    assert "; remove this domain from your list" in text((PERSON, suppression("example.com")))
    assert "; remove this domain from your list" in text((PERSON, suppression(".example.com")))
    assert "; remove this address from your list" in text((PERSON, suppression(address=None)))


def test_many_people_are_counted() -> None:
    """As many are named as fit the line."""
    row = suppression()
    refused = [(f"<person{number}@example.com>", row) for number in range(1000)]
    said = text(*refused)
    names, _, rest = said.partition(": ")
    named = names.count("<")
    assert 5 < named < 30
    assert names.startswith("<person0@example.com>, <person1@example.com>, ")
    assert names.endswith(f" and {1000 - named} more")
    assert rest.startswith("opted out of all marketing mail")


def test_a_long_address_is_cut_and_the_others_still_counted() -> None:
    """RFC 5321 allows 256 octets in a path, Postfix more."""
    said = text((f"<{'a' * 600}@example.com>", suppression()), (PERSON, suppression()))
    assert said.startswith("<aaaa")
    assert "a... and 1 more: opted out of" in said


def test_a_long_cause_is_cut_and_who_and_ref_stay() -> None:
    """The scope of a row may be any text."""
    long = decided((PERSON, suppression(scope="s" * 600)))
    reply = replies.refused(long, SITE, stream(help_url="https://help"), REF)
    assert reply.text.startswith('<person@example.com>: opted out of "sss')
    assert reply.text.endswith("sss...; see https://help [ab3k7qzx]")
    check(reply, REF)


def test_a_page_for_senders_is_named() -> None:
    """Where the stream has one."""
    reply = replies.refused(decided((PERSON, suppression())), SITE, stream(help_url="https://acme.example/why"), REF)
    assert reply.text.endswith("remove this address from your list; see https://acme.example/why [ab3k7qzx]")


def test_nothing_of_an_address_gets_into_the_line_unescaped() -> None:
    """Neither line ends, nor other octets; a percent sign stays, since who speaks to libmilter doubles it."""
    said = text(("<a\r\n250 ok%s\x00\xff\udcff@example.com>", suppression()))
    assert said.startswith("<a??250 ok%s???@example.com>: ")


@pytest.mark.parametrize(
    ("objection", "line"),
    [
        (Objection.BAD_ADDRESS, "553 5.1.3 the recipient address cannot be read [ab3k7qzx]"),
        (Objection.NO_STREAM, "550 5.7.1 this mail belongs to no stream that is set up here [ab3k7qzx]"),
        (Objection.FALSE_CLAIM, "550 5.7.1 you may not send mail as acme.security [ab3k7qzx]"),
        (
            Objection.OWN_UNSUBSCRIBE,
            "550 5.7.1 mail of acme.newsletter must not bring its own List-Unsubscribe [ab3k7qzx]",
        ),
        (
            Objection.SEVERAL_RECIPIENTS,
            "550 5.7.1 mail of acme.newsletter must have one recipient a message [ab3k7qzx]",
        ),
    ],
)
def test_each_objection_has_its_line(objection: Objection, line: str) -> None:
    """Each says what the sender did that the site does not want."""
    reply = replies.objected(objection, NEWS, "acme.security", REF)
    assert f"{reply.code} {reply.enhanced} {reply.text}" == line


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        (replies.split(REF), "452 4.5.3 one recipient a message, send the others separately [ab3k7qzx]"),
        (replies.store_away(REF), "451 4.3.0 consent cannot be verified now, try again later [ab3k7qzx]"),
        (replies.fault(REF), "451 4.3.0 consent filter error, try again later [ab3k7qzx]"),
        (replies.no_route(REF), "451 4.3.5 no valid X-Consent-Route from the first pass [ab3k7qzx]"),
        (
            replies.deferred([PERSON], NEWS, REF),
            '450 4.7.1 <person@example.com>: mail of "Weekly newsletter" (acme.newsletter) waits [ab3k7qzx]',
        ),
    ],
)
def test_what_may_pass_later_gets_a_temporary_reply(reply: Reply, line: str) -> None:
    """Nothing of the cause is told to the client."""
    assert f"{reply.code} {reply.enhanced} {reply.text}" == line


ANYTHING = ANY_TEXT | FROM_THE_MTA | st.integers(0, 700).map(lambda size: "ä" * size)
REFS = st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=8, max_size=8)
ROWS = st.builds(
    Suppression,
    subject=st.just(b"k" * 16),
    scope=st.sampled_from([ALL, "acme", "acme.newsletter"]) | ANYTHING,
    reason=st.sampled_from(Reason),
    origin=st.just("test"),
    created=st.dates().map(lambda day: datetime(day.year, day.month, day.day, tzinfo=UTC)),
    address=st.none() | ANYTHING,
)
LACKS = st.builds(
    Decision,
    st.just(Verdict.REJECT),
    lack=st.sampled_from(Lack),
    consent=st.none()
    | ROWS.map(lambda row: Consent(row.subject, row.scope, WITHDRAWN, Basis.CONSENT, row.created, False, row.origin)),
)
WHYS = ROWS | LACKS
REFUSED = st.lists(st.tuples(ANYTHING, WHYS), min_size=1, max_size=4)
MANY = st.tuples(ANYTHING, WHYS, st.integers(1, 120)).map(lambda drawn: [(drawn[0], drawn[1])] * drawn[2])
HELP = st.none() | st.integers(1, 120).map(lambda size: "https://" + "h" * size)


@examples(266)
@given(REFUSED | MANY, ANYTHING, st.text(max_size=80), HELP, REFS)
def test_every_reply_is_one_short_plain_line_with_its_reference(
    refused: list[tuple[str, Suppression | Decision]], name: str, title: str, help_url: str | None, ref: str
) -> None:
    """Whatever the client sent, the store holds and the configuration says."""
    odd = stream(name, title=title, help_url=help_url)
    where = site(odd, organisations=organisations(acme=title))
    check(replies.refused(decided(*refused), where, odd, ref), ref)
    check(replies.deferred([raw for raw, _ in refused], odd, ref), ref)
    for objection in Objection:
        check(replies.objected(objection, odd, name, ref), ref)
