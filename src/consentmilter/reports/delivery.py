"""Bounces: what a delivery status notification (RFC 3464, 6533) or a mailer's letter says of the mailbox.

Whom it concerns comes from the token in the address that the bounce was sent to, never from what stands in it. Only
a notification can be hard; letters of other shapes have no field that says `failed`, so they count as soft at most.
Raises `MessageError` for a report with more blocks than belong to one message.
"""

import re
from dataclasses import dataclass

from consentmilter.errors import MessageError
from consentmilter.policy.mail import Headers
from consentmilter.reports import fields, statuses
from consentmilter.reports.message import Incoming, Part
from consentmilter.reports.plain import plain
from consentmilter.reports.statuses import Kind

MAX_BLOCKS = 100
"""Recipients in one report; a message to a bounce address had one."""

_STATUS_PARTS = {"message/delivery-status", "message/global-delivery-status"}
_ARRIVED = {"delivered", "relayed", "expanded"}
_MAILERS = {"mailer-daemon", "postmaster"}
_LETTER = 4000
"""Characters of a mailer's letter that are looked at."""

_OPENINGS = (
    "this is the qmail-send program",
    "i'm afraid i wasn't able to deliver your message",
    "this message was created automatically by mail delivery software",
    "a message that you sent could not be delivered",
    "could not be delivered to",
    "did not reach the following recipient",
    "delivery to the following recipient",
    "delivery has failed to these recipients",
    "undeliverable",
    "undelivered mail",
    "delivery failed",
    "returned mail",
    "mail delivery failed",
)
"""How mailers begin that do not write RFC 3464: qmail, older Exim, Exchange and gateways."""


@dataclass(frozen=True, slots=True)
class Bounce:
    """What a bounce means, and the code and action that say so where it has them."""

    kind: Kind
    status: str | None = None
    action: str | None = None


def bounce(incoming: Incoming) -> Bounce:
    """What the mail says of the mailbox that it came back from; `Kind.NONE` for what is no bounce."""
    found = [_of_recipient(block) for part in _status_parts(incoming.root) for block in _blocks(part)]
    if found:
        # Several where an alias had several targets: one that is alive keeps the address alive.
        return min(found, key=lambda bounce: bounce.kind)
    return _letter(incoming)


def _status_parts(root: Part) -> list[Part]:
    # Not deeper: what somebody forwards is not what a mailer says.
    if root.media not in ("multipart/report", "multipart/mixed"):
        return []
    return [part for part in root.parts if part.media in _STATUS_PARTS]


def _blocks(part: Part) -> list[Headers]:
    texts = re.split(rb"\n[ \t]*+\n\s*+", part.octets().strip(), maxsplit=MAX_BLOCKS + 1)
    if len(texts) > MAX_BLOCKS + 1:
        raise MessageError(f"the report has more than {MAX_BLOCKS} recipients")
    blocks = [fields.split(text)[0] for text in texts]
    return [block for block in blocks if block.has("action") or block.has("status")]


def _of_recipient(block: Headers) -> Bounce:
    action = _first_word(block.values("action"))
    code = next(iter(statuses.codes_in(" ".join(block.values("status")))), None)
    if action in _ARRIVED:
        return Bounce(Kind.NONE, code, action)
    if action == "delayed":
        return Bounce(Kind.SOFT, code, action)
    if action != "failed" or block.count("action") > 1 or block.count("status") > 1:
        return Bounce(Kind.NONE, code, action)
    kind = statuses.judge([code] if code else [], " ".join(block.values("diagnostic-code")))
    return Bounce(kind, code, action)


def _first_word(values: list[str]) -> str | None:
    return next((value.partition(" ")[0].lower() for value in values), None)


def _letter(incoming: Incoming) -> Bounce:
    """A bounce of another shape: from a mailer, in a mailer's words, with a reply code in them."""
    local = (incoming.author or "").partition("@")[0]
    if local not in _MAILERS or incoming.auto_submitted == "auto-replied":
        return Bounce(Kind.NONE)
    text = next((leaf.text()[:_LETTER] for leaf in incoming.root.leaves() if leaf.media == "text/plain"), "")
    words = " ".join(plain(text).split())
    if not incoming.headers.has("x-failed-recipients") and not any(opening in words for opening in _OPENINGS):
        return Bounce(Kind.NONE)
    codes = statuses.codes_in(text)
    if not codes and not statuses.has_reply(text):
        return Bounce(Kind.NONE)
    return Bounce(min(statuses.judge(codes, text), Kind.SOFT), next(iter(codes), None))
