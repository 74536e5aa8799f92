"""A mail that came back, as the decisions see it: everything that can be read out of it, read once for all recipients.

Pure. Raises nothing: a mail that is too large or too odd to be read is None.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from consentmilter.addresses import Foldings
from consentmilter.errors import MessageError
from consentmilter.headers import LIST_UNSUBSCRIBE, LIST_UNSUBSCRIBE_POST
from consentmilter.keys import KeyRing
from consentmilter.reports import authentication, automatic, complaint, delivery, message, signatures, words
from consentmilter.reports.complaint import Complaint
from consentmilter.reports.delivery import Bounce
from consentmilter.reports.fields import LIMITS
from consentmilter.reports.message import Incoming
from consentmilter.reports.words import Intent
from consentmilter.subjects import subject_named

_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,250}>")
"""RFC 5322 3.6.4, without what could break out of a field; longer ones are nobody's."""

NULL_SENDERS = ("", "<>")
"""The envelope sender of reports and automatic replies; aiosmtpd gives it in brackets."""

_LINK = re.compile(r"(?:/u/|\+)([a-zA-Z2-7]{52})(?=[>@?])")


@dataclass(frozen=True, slots=True)
class Person:
    """Who a mail says that it is from."""

    subject: bytes
    address: str


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail. `aligned` says that our own mail server authenticated the person's domain."""

    person: Person | None
    aligned: bool
    automatic: bool
    is_report: bool
    bounce: Bounce
    complaint: Complaint | None
    intent: Intent
    words: str = field(repr=False)
    message_id: str | None = None
    references: tuple[str, ...] = ()
    links: tuple[str, ...] = field(default=(), repr=False)
    uncovered: tuple[str, ...] = ()
    one_click: bool = False


def read(
    octets: bytes,
    *,
    sender: str,
    size: int,
    authserv_ids: Collection[str],
    ring: KeyRing,
    foldings: Foldings,
) -> Mail | None:
    """The mail in `octets`, at most `size` of them, that came from the envelope sender `sender`."""
    try:
        incoming = message.read(octets, replace(LIMITS, size=size))
        return _mail(incoming, sender, authserv_ids, _person(incoming, ring, foldings))
    except MessageError:
        return None


def _mail(incoming: Incoming, sender: str, authserv_ids: Collection[str], person: Person | None) -> Mail:
    headers = incoming.headers
    said = words.reply(incoming, sender)
    return Mail(
        person=person,
        aligned=person is not None
        and authentication.aligned(incoming, authserv_ids, person.address.rpartition("@")[2]),
        automatic=automatic.is_automatic(incoming, sender),
        is_report=sender in NULL_SENDERS or incoming.root.media == "multipart/report",
        bounce=delivery.bounce(incoming),
        complaint=complaint.complaint(incoming),
        intent=said.intent,
        words=said.words,
        message_id=next(iter(_message_ids(headers.values("message-id"))), None),
        references=tuple(_message_ids(headers.values("references"))),
        links=tuple(_LINK.findall(" ".join(headers.values(LIST_UNSUBSCRIBE.lower())))),
        uncovered=signatures.uncovered(incoming),
        one_click=headers.has(LIST_UNSUBSCRIBE_POST.lower()),
    )


def _person(incoming: Incoming, ring: KeyRing, foldings: Foldings) -> Person | None:
    if incoming.author is None:
        return None
    subject = subject_named(incoming.author, ring, foldings)
    return Person(subject.key, subject.text)


def _message_ids(values: list[str]) -> list[str]:
    return [each for value in values for each in _MESSAGE_ID.findall(value)]
