"""The header fields that consentmilter adds, replaces or removes, as a list of edits.

Pure. `unsubscribe_edits` builds List-Unsubscribe (RFC 2369), List-Unsubscribe-Post (RFC 8058) and List-Id (RFC 2919);
nothing is added or removed that a DKIM signature on the message covers (RFC 6376 section 3.5, `h=`).
"""

import re
from dataclasses import dataclass
from email.header import Header

from consentmilter.policy.mail import Headers
from consentmilter.policy.site import Existing, Stream

LIST_UNSUBSCRIBE = "List-Unsubscribe"
LIST_UNSUBSCRIBE_POST = "List-Unsubscribe-Post"
LIST_ID = "List-Id"
STATUS = "X-Consent-Status"
ROUTE = "X-Consent-Route"

WANTED = frozenset(name.lower() for name in (LIST_UNSUBSCRIBE, LIST_UNSUBSCRIBE_POST, LIST_ID, STATUS, ROUTE)) | {
    "dkim-signature",
    "message-id",
}
"""The header fields that must be seen whatever the rules say, in lower case."""

_SIGNED = re.compile(r"(?:^|;)\s*h\s*=([^;]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Add:
    """Append a field; `value` may be folded with LF and a tab, as Postfix wants it."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the `index`-th field of that name, counted from 1."""

    name: str
    index: int


Edit = Add | Delete


def unsubscribe_edits(stream: Stream, headers: Headers, token: str | None, *, one_click: bool = True) -> list[Edit]:
    """What gives a message of `stream` its unsubscribe header.

    With a `token` the link is the recipient's own and works in one click; without, as for a message to several
    people, it is the mailto form with the stream's name. Without `one_click` the link stays, and the field that
    makes it work in one click is left out. Empty where the message has a link that is to be kept.
    """
    signed = signed_fields(headers)
    edits: list[Edit] = []
    targets = _targets(stream, token)
    if targets and _may_write(stream, headers, signed):
        edits += delete_all(LIST_UNSUBSCRIBE, headers) + delete_all(LIST_UNSUBSCRIBE_POST, headers)
        edits.append(Add(LIST_UNSUBSCRIBE, ",\n\t".join(f"<{target}>" for target in targets)))
        if one_click and token and stream.unsubscribe_url and LIST_UNSUBSCRIBE_POST.lower() not in signed:
            edits.append(Add(LIST_UNSUBSCRIBE_POST, "List-Unsubscribe=One-Click"))
    if stream.list_id and not headers.has(LIST_ID.lower()) and LIST_ID.lower() not in signed:
        edits.append(Add(LIST_ID, f"{_phrase(stream.title)} <{stream.list_id}>"))
    return edits


def status(stream: Stream) -> Edit:
    """The field that tags a message: that people opted out of its stream, never who."""
    return Add(STATUS, f"opted-out; stream={stream.name}")


def delete_all(name: str, headers: Headers) -> list[Edit]:
    """Remove every field of that name, the last first, since a removal renumbers those behind it."""
    return [Delete(name, index) for index in range(headers.count(name.lower()), 0, -1)]


def signed_fields(headers: Headers) -> set[str]:
    """The fields, in lower case, that any DKIM signature on the message covers, present or not."""
    names: set[str] = set()
    for value in headers.values("dkim-signature"):
        for listed in _SIGNED.findall(value):
            names |= {name.strip().lower() for name in listed.split(":")}
    return names


def _targets(stream: Stream, token: str | None) -> list[str]:
    targets = []
    if token and stream.unsubscribe_url:
        targets.append(f"{stream.unsubscribe_url}/u/{token}")
    if stream.unsubscribe_mailto:
        local, _, domain = stream.unsubscribe_mailto.rpartition("@")
        targets.append(f"mailto:{local}+{token or stream.name}@{domain}")
    return targets


def _may_write(stream: Stream, headers: Headers, signed: set[str]) -> bool:
    has_own = headers.has(LIST_UNSUBSCRIBE.lower()) or headers.has(LIST_UNSUBSCRIBE_POST.lower())
    if has_own and stream.existing is not Existing.REPLACE:
        return False
    if headers.has(LIST_UNSUBSCRIBE_POST.lower()) and LIST_UNSUBSCRIBE_POST.lower() in signed:
        return False
    return LIST_UNSUBSCRIBE.lower() not in signed


def _phrase(title: str) -> str:
    # RFC 2919 section 3 takes a phrase (RFC 5322 section 3.2.5): words, a quoted string, or encoded words (RFC 2047
    # section 5), of which several stand on lines of their own.
    if not title.isascii():
        return Header(title, "utf-8", header_name=LIST_ID, continuation_ws="\t").encode()
    if re.fullmatch(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+", title):
        return title
    return '"' + title.replace("\\", "\\\\").replace('"', '\\"') + '"'
