"""Whether a mail is from whom it says, as our own MTA found: Authentication-Results (RFC 8601).

A field counts if it carries our authserv-id and stands above the first Received that is not ours; of each method the
topmost alone. A sender who writes such a field into the mail is stopped by the MTA, which must remove fields with our
name on arrival (RFC 8601 5; OpenDKIM does so unless told otherwise); the topmost-alone rule is a second line where a
verifier always adds its result. Never fails: a field that cannot be read says nothing.

Aligned means that the domain that signed, or that SPF passed for, is the domain of From or a parent of it with a dot in
it. A parent controls what is below it, so no list of public suffixes is needed for that; a domain beside or below
is no proof here, since it may belong to somebody else. Whoever is not aligned is asked by mail, no more.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from consentmilter.addresses import canonical_domain
from consentmilter.reports.message import Incoming

_MAX_VALUE = 8000
"""Characters of a field that are read; what is longer says nothing."""

_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*+)"|([();])|((?:[^"\\();]|\\.)++)|(.)', re.DOTALL)
_PAIR = re.compile(r"\\(.)", re.DOTALL)
_BY = re.compile(r"\sby ([^\s;]+)")
_COMMENT = re.compile(r"\([^()]*+\)")

_PROPERTIES = {"dkim": ("header.d", "header.i"), "spf": ("smtp.mailfrom",), "dmarc": ("header.from",)}
"""The methods that say something of a domain, and the properties that name it, the better first."""


@dataclass(slots=True)
class _Result:
    """One method's result with its properties, as one field gives it."""

    method: str
    verdict: str
    properties: dict[str, str] = field(default_factory=dict)


def aligned(incoming: Incoming, authserv_ids: Collection[str], domain: str) -> bool:
    """Whether our MTA found that mail of `domain`, in canonical form, may carry this From."""
    ids = {name.lower() for name in authserv_ids}
    seen: set[str] = set()
    for value in _ours(incoming, ids):
        results = _results(value)
        if any(_proves(result, domain) for result in results if result.method not in seen):
            return True
        seen |= {result.method for result in results}
    return False


def _ours(incoming: Incoming, ids: set[str]) -> Iterator[str]:
    """The values of our own fields without the name, the topmost first."""
    received = 0
    for each in incoming.headers.fields:
        if each.name == "received":
            # The topmost is our MTA's own: it wrote it when it took the mail.
            if received and not _is_by(each.value, ids):
                return
            received += 1
        elif each.name == "authentication-results" and len(each.value) <= _MAX_VALUE:
            name, _, results = _without_comments(each.value).partition(";")
            # The version may follow the name.
            if name.split(maxsplit=1)[:1] and name.split()[0].lower() in ids:
                yield results


def _is_by(received: str, ids: set[str]) -> bool:
    words = " ".join(_COMMENT.sub(" ", received[:_MAX_VALUE]).split())
    hosts = [host.lower().rstrip(".") for host in _BY.findall(words)]
    return bool(hosts) and any(hosts[-1] == name or hosts[-1].endswith(f".{name}") for name in ids)


def _without_comments(value: str) -> str:
    """The value without comments and quotes; nothing where either is left open, or where quotes hold a separator."""
    kept: list[str] = []
    depth = 0
    for token in _TOKEN.finditer(" ".join(value.split())):
        quoted, mark, text, stray = token.groups(default="")
        depth += {"(": 1, ")": -1}.get(mark, 0)
        if stray or depth < 0:
            return ""
        if depth == 0 and mark != ")":
            kept.append(mark or text or _inert(quoted))
    return "".join(kept) if depth == 0 else ""


def _inert(quoted: str) -> str:
    # Quotes may hold a whole result; it must not become one.
    return re.sub(r"[\s;=]", "_", _PAIR.sub(r"\1", quoted))


def _results(value: str) -> list[_Result]:
    found = []
    for text in value.split(";"):
        pairs = [word.partition("=") for word in text.lower().split()]
        if pairs and all(equals for _, equals, _ in pairs[:1]):
            method, _, verdict = pairs[0]
            properties: dict[str, str] = {}
            for name, _, given in pairs[1:]:
                properties.setdefault(name, given)
            found.append(_Result(method.partition("/")[0], verdict, properties))
    return found


def _proves(result: _Result, domain: str) -> bool:
    if result.verdict != "pass":
        return False
    names = (result.properties.get(name) for name in _PROPERTIES.get(result.method, ()))
    proven = canonical_domain(next((name for name in names if name), "").rpartition("@")[2])
    return proven == domain or ("." in proven and domain.endswith(f".{proven}"))
