"""What a bounce says of a mailbox: the enhanced status codes (RFC 3463, IANA's registry) and the words beside them.

Hard is only what says that this mailbox is gone for good. A code that a broken resolver, a full disk or an anxious
filter gives for everybody must not suppress everybody, so those count as soft (a site suppresses after several in a
window) or as policy, which counts for nothing. Never fails.
"""

import re
from enum import IntEnum


class Kind(IntEnum):
    """What follows for the mailbox; of several, the least holds."""

    NONE = 0
    """Nothing: the mail arrived, or it is no bounce."""

    POLICY = 1
    """The mail or its sender was refused, whoever the recipient is: counts for nothing."""

    SOFT = 2
    """It did not arrive this time: counts towards a limit."""

    HARD = 3
    """There is no such mailbox: suppresses."""


_EXACT = {
    "5.1.1": Kind.HARD,  # bad destination mailbox address: no such user
    "5.1.6": Kind.HARD,  # the mailbox has moved, and nobody forwards
    "5.1.10": Kind.HARD,  # the domain has a null MX: takes no mail at all (RFC 7505)
    "5.2.1": Kind.HARD,  # mailbox disabled, and class 5 says that it stays so
    # About a domain that is not found: a broken resolver of ours says so of every recipient.
    "5.1.2": Kind.SOFT,
    "5.4.4": Kind.SOFT,
    "5.1.3": Kind.POLICY,  # syntax: says something of who wrote the address, and our own milter answers it
    "5.1.7": Kind.POLICY,  # the sender's mailbox, syntax
    "5.1.8": Kind.POLICY,  # the sender's domain
    "5.1.9": Kind.POLICY,  # relayed to a mailer that is not compliant
    "5.2.2": Kind.SOFT,  # mailbox full
    "5.2.3": Kind.POLICY,  # message too long for this mailbox
    "5.3.4": Kind.POLICY,  # message too big for the system
    # Exchange and Outlook.com give these for unknown users and for much else.
    "5.4.1": Kind.SOFT,
    "5.5.0": Kind.SOFT,
}
_BY_SUBJECT = {
    "5.5": Kind.POLICY,  # protocol: one of the two servers is at fault
    "5.6": Kind.POLICY,  # content
    "5.7": Kind.POLICY,  # security and policy, our own 5.7.1 among them; even 5.7.17, a mailbox with another owner
}

# Codes as in texts; not a piece of an IP address or of a version.
_CODE = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?!\.?\d)")
_REPLY = re.compile(r"(?<![\d.])([245])\d\d(?=[ -]|$)")
_POLICY_WORDS = re.compile(
    r"\b(?:spam|spamhaus|blacklist\w*|block(?:ed|list\w*|\s+list)|dnsbl|rbl|policy|policies|reputation|unsolicited"
    r"|dmarc|dkim|spf|opted out|from your list)\b",
    re.IGNORECASE,
)
_SOFT_WORDS = re.compile(
    r"\b(?:quota|full|over ?limit|too (?:many|quickly|fast)|at a rate|rate limit\w*|try again|temporar\w+)\b",
    re.IGNORECASE,
)
_MAX_TEXT = 4000
"""Characters of a diagnostic text that are looked at."""


def codes_in(text: str) -> list[str]:
    """The enhanced status codes in a text, in their order."""
    return [".".join(match) for match in _CODE.findall(text[:_MAX_TEXT])]


def has_reply(text: str) -> bool:
    """Whether a text quotes an SMTP reply that refuses or defers."""
    return any(match[1] != "2" for match in _REPLY.finditer(text[:_MAX_TEXT]))


def judge(codes: list[str], diagnostic: str) -> Kind:
    """What a failure means that gives these codes and this text: what blames the mailbox least."""
    words = diagnostic[:_MAX_TEXT]
    kinds = [_kind(code) for code in _specific([*codes, *codes_in(words)])] or [Kind.SOFT]
    if _POLICY_WORDS.search(words):
        kinds.append(Kind.POLICY)
    if _SOFT_WORDS.search(words) or _is_transient(words):
        kinds.append(Kind.SOFT)
    return min(kinds)


def _kind(code: str) -> Kind:
    if code.startswith("2"):
        return Kind.NONE
    return _EXACT.get(code) or _BY_SUBJECT.get(code.rpartition(".")[0]) or Kind.SOFT


def _specific(codes: list[str]) -> list[str]:
    """The codes that say something, where any does: 5.0.0 beside 5.1.1 is an undecided gateway."""
    return [code for code in codes if not code.endswith(".0.0")] or codes


def _is_transient(words: str) -> bool:
    first = _REPLY.search(words)
    return first is not None and first[1] == "4"
