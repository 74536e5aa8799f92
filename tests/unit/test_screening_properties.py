"""What holds for every message, whoever sends it to whom and however the stream is known."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from consentmilter import tokens
from consentmilter.addresses import canonical
from consentmilter.headers import Add
from consentmilter.keys import subject_of
from consentmilter.model import ALL, Reason
from consentmilter.policy.decide import decide
from consentmilter.policy.facts import Facts
from consentmilter.service.ending import Ending
from tests.unit.dialogue import STREAMS, Mta, site
from tests.unit.making import FROM_THE_MTA, NOW, RING, examples

PEOPLE = ["a@example.com", "b@example.com", "c@other.example", "\udcff@other.example"]
SPELLINGS = st.sampled_from(["<{}>", "<{}.>", " {} ", "<@hop.example:{}>"])

ENFORCED = site()
OBSERVED = site(mode="observe")


@dataclass(frozen=True)
class Message:
    """One message: how its stream is known, to whom, and who of these opted out of what."""

    stream: str
    by_login: bool
    non_smtp: bool
    recipients: tuple[str, ...]
    opt_outs: tuple[tuple[str, str, Reason], ...]
    away: bool = False


MESSAGES = st.builds(
    Message,
    stream=st.sampled_from(list(STREAMS)),
    by_login=st.booleans(),
    non_smtp=st.booleans(),
    recipients=st.lists(
        st.builds(lambda form, who: form.format(who), SPELLINGS, st.sampled_from(PEOPLE)),
        min_size=1,
        max_size=4,
        unique=True,
    ).map(tuple),
    opt_outs=st.lists(
        st.tuples(
            st.sampled_from([*PEOPLE, "example.com", ".com"]),
            st.sampled_from([ALL, "acme", "acme.newsletter", "other"]),
            st.sampled_from(Reason),
        ),
        max_size=3,
    ).map(tuple),
    away=st.booleans(),
)


def send(mta: Mta, message: Message) -> tuple[dict[str, str | None], Ending]:
    """Hand the message in; the code of each answer to RCPT, and the ending."""
    for who, scope, reason in message.opt_outs:
        mta.opted_out(who, scope, reason)
    mta.away = message.away
    login = message.stream if message.by_login else "anybody"
    mail = mta.mail(login=login)
    if message.non_smtp:
        mail.screening.principal = replace(mail.screening.principal, non_smtp=True)
    codes = {raw: _code(mail.rcpt(raw).reply) for raw in message.recipients}
    mail.header("X-Stream", message.stream)
    accepted = any(code is None for code in codes.values())
    return codes, mail.end().ending if accepted else Ending()


def _code(reply: object) -> str | None:
    return getattr(reply, "code", None)


def delivered(codes: dict[str, str | None], ending: Ending) -> list[str]:
    """The recipients whose copy goes on to them."""
    if ending.reply is not None or ending.quarantine is not None:
        return []
    return [raw for raw, code in codes.items() if code is None and raw not in ending.remove]


def may_get(mta: Mta, raw: str, message: Message) -> bool:
    """Whether this person may get mail of this stream, by the list alone."""
    stream = mta.desk.site.streams[message.stream]
    who = str(canonical(raw))
    rows = [row for row in mta.rows if row.address == who or _in_domain(who, str(row.address))]
    return decide(stream, Facts(rows), NOW).verdict.value == "accept"


def _in_domain(who: str, entry: str) -> bool:
    domain = who.rpartition("@")[2]
    return domain == entry or (entry.startswith(".") and domain.endswith(entry))


@examples(133)
@given(MESSAGES)
def test_nobody_who_opted_out_gets_the_mail(message: Message) -> None:
    """At RCPT or at the end, from SMTP or sendmail(1), store or no store; a tag is the one exception."""
    mta = Mta(ENFORCED)
    codes, ending = send(mta, message)
    stream = mta.desk.site.streams[message.stream]
    got = delivered(codes, ending)
    if message.away:
        assert got == [] or stream.category.exempt
    elif stream.action != "tag":
        assert all(may_get(mta, raw, message) for raw in got)


@examples(133)
@given(MESSAGES)
def test_who_did_not_opt_out_is_refused_only_for_the_sake_of_others(message: Message) -> None:
    """Or to come again, or because consent cannot be verified: no other refusal reaches a person who may get it."""
    mta = Mta(ENFORCED)
    codes, ending = send(mta, message)
    everybody = all(may_get(mta, raw, message) for raw in message.recipients)
    several = len({str(canonical(raw)) for raw in message.recipients}) > 1
    if everybody and not message.away and not (several and message.stream in ("acme.split", "acme.single")):
        assert delivered(codes, ending) == list(message.recipients)


@examples(100)
@given(MESSAGES)
def test_each_recipient_is_recorded_once_unless_it_is_to_come_again(message: Message) -> None:
    """Whatever became of it."""
    mta = Mta(ENFORCED)
    codes, _ = send(mta, message)
    expected = [raw for raw, code in codes.items() if code != "452"]
    assert sorted(record.recipient for record in mta.records) == sorted(expected)


@examples(100)
@given(MESSAGES)
def test_a_fault_of_the_store_is_never_answered_with_a_5xx(message: Message) -> None:
    """Nor is anything accepted silently: exempt mail is recorded as unverified."""
    mta = Mta(ENFORCED)
    codes, ending = send(mta, replace(message, away=True))
    given_codes = {*codes.values(), _code(ending.reply)} - {None}
    refusable = message.stream == "acme.single"
    assert all(str(code).startswith("4") for code in given_codes) or refusable
    assert all(record.reason == "store" for record in mta.records) or refusable


@examples(133)
@given(MESSAGES)
def test_observing_changes_nothing(message: Message) -> None:
    """No refusal, no removal, no edit."""
    mta = Mta(OBSERVED)
    codes, ending = send(mta, message)
    assert set(codes.values()) == {None}
    assert ending == Ending()


@examples(133)
@given(MESSAGES.filter(lambda message: message.stream not in ("acme.split", "acme.single")))
def test_observing_tells_what_enforcing_would_do(message: Message) -> None:
    """The same verdict and reason for everybody, so that a report can be believed."""
    enforced, observed = Mta(ENFORCED), Mta(OBSERVED)
    send(enforced, message)
    send(observed, message)
    told = {who: (verdict.removeprefix("would-"), reason) for who, (verdict, reason) in observed.told().items()}
    assert told == enforced.told()
    assert all(record.verdict == "accept" or record.verdict.startswith("would-") for record in observed.records)


@examples(100)
@given(MESSAGES)
def test_a_link_is_added_for_one_person_only(message: Message) -> None:
    """A token never stands in a message that goes to two people, and never is another's than its recipient's."""
    mta = Mta(ENFORCED)
    codes, ending = send(mta, message)
    links = [edit.value for edit in ending.edits if isinstance(edit, Add) and "/u/" in edit.value]
    if links:
        [person] = {
            str(canonical(raw)) for raw in message.recipients if codes[raw] is None and raw not in ending.remove
        }
        text = links[0].partition("/u/")[2][: tokens.LENGTH]
        assert tokens.read(text, tokens.Purpose.UNSUBSCRIBE, RING).subject == subject_of(person, RING)


@examples(100)
@given(st.lists(FROM_THE_MTA, min_size=1, max_size=4), FROM_THE_MTA, st.booleans())
def test_any_octets_get_a_definite_answer(raws: Sequence[str], sender: str, by_login: bool) -> None:
    """Refused as unreadable, refused as opted out, or let in; never a fault."""
    mta = Mta(ENFORCED)
    mta.opted_out("a@example.com")
    mail = mta.mail(sender, login="acme.newsletter" if by_login else "anybody")
    for raw in raws:
        assert _code(mail.rcpt(raw).reply) in (None, "553", "550")
    mail.header("X-Stream", sender)
    mail.header("DKIM-Signature", sender)
    mail.header("List-Unsubscribe", sender)
    assert mail.end().ending.reply is None
