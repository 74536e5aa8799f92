"""Complaints: feedback reports in the Abuse Reporting Format (RFC 5965), as mailbox providers send them.

Whom one concerns is said by our own token in the message that is embedded, never by an address that somebody typed, so
reports with everything else blacked out (RFC 6590) work. The tokens are candidates: they prove themselves elsewhere.
Looked at is the header of the embedded message alone: a body may quote the link of another person, who forwarded
the newsletter to the one who complains. Raises `MessageError` for fields beyond the limits.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from consentmilter.policy.mail import Headers
from consentmilter.reports import fields
from consentmilter.reports.message import Incoming, Part

MAX_TOKENS = 8
"""Candidates that are worth a look; an honest report has two."""

_SAID_BY_PEOPLE = {"abuse", "opt-out"}
"""The Feedback-Types that say that a person does not want the mail; `not-spam`, `auth-failure`, `virus` do not."""

_JMRP = "x-hmxmroriginalrecipient"
"""Outlook.com's junk mail reporting sends the message without a report; this field in it says what it is."""

_LINK = re.compile(r"(?:/u/|\+)([a-z2-7]{52})(?![a-z2-7])", re.IGNORECASE)
_LINK_FIELDS = ("list-unsubscribe",)
_SENDER_FIELDS = ("return-path", "x-envelope-from", "x-original-return-path")
_REPORT_FIELDS = ("original-mail-from", "reported-uri")
_SOFT_BREAK = re.compile(rb"=[ \t]*+\n")


@dataclass(frozen=True, slots=True)
class Complaint:
    """A feedback report: its type, whether it says that a person does not want the mail, and whose it may be."""

    feedback_type: str
    unwanted: bool
    tokens: tuple[str, ...]


def complaint(incoming: Incoming) -> Complaint | None:
    """The feedback report that the mail is, or None."""
    root = incoming.root
    if root.media not in ("multipart/report", "multipart/mixed"):
        return None
    reports = [fields.split(part.octets())[0] for part in root.parts if part.media == "message/feedback-report"]
    originals = [part for part in root.parts if part.embedded]
    types = [value.partition(" ")[0].lower() for report in reports for value in report.values("feedback-type")]
    if not reports and any(part.embedded and part.embedded.headers.has(_JMRP) for part in originals):
        types = ["abuse"]
    if not types:
        return None
    # Two types that contradict each other are no statement.
    unwanted = len(types) == 1 and types[0] in _SAID_BY_PEOPLE
    return Complaint(types[0], unwanted, _tokens(originals, reports))


def _tokens(originals: list[Part], reports: list[Headers]) -> tuple[str, ...]:
    headers = [original.embedded.headers for original in originals if original.embedded]
    # Some gateways encode the message and do not say so; then its fields hold soft line breaks.
    headers += [fields.split(_SOFT_BREAK.sub(b"", original.octets()))[0] for original in originals]
    places = [(each, name) for name in (*_LINK_FIELDS, *_SENDER_FIELDS) for each in headers]
    places += [(report, name) for name in _REPORT_FIELDS for report in reports]
    found = dict.fromkeys(token for each, name in places for token in _links(each, name))
    return tuple(found)[:MAX_TOKENS]


def _links(headers: Headers, name: str) -> Iterator[str]:
    for value in headers.values(name):
        # A long URL may be folded within; blanks in the brackets mean nothing (RFC 2369 2).
        yield from (token.lower() for token in _LINK.findall("".join(value.split())))
