"""The canonical form of an address: one function for every way in.

An opt-out that came by import, click or command must meet the recipient that Postfix offers, however either was
written. So all of them pass through `canonical`, and nothing else compares addresses. Raises `AddressError` where the
text cannot be an address; odd octets (8-bit, invalid UTF-8) are kept, since they do arrive at RCPT.

Text that was not UTF-8 is carried as lone surrogates (PEP 383), as pymilter hands it over.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

import idna

from consentmilter.errors import AddressError

MAX_OCTETS = 254
"""RFC 5321 4.5.3.1.3: 256 octets in a path with its brackets. Postfix lets longer ones in, and so does `canonical`."""

MAX_LABEL = 63
"""Octets in one label of a domain (RFC 1035 2.3.4)."""

MAX_PARENTS = 8
"""How many parent domains of a recipient are looked up, counted from the top-level domain down."""

_UNUSABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udc7f\udd00-\udfff]")
"""Control characters, and the surrogates that stand for no octet (PEP 383 uses U+DC80 to U+DCFF)."""

_BLANKS = "".join(character for character in map(chr, range(0x3001)) if character.isspace())
_ROUTE = re.compile(rf"(?:@[^:]*:[<{re.escape(_BLANKS)}]*)+")
_ATEXT = r"[^\s\x00-\x1f\x7f()<>\[\]:;@\\,.\"]"
_DOT_ATOM = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_DOTS_AT_WILL = re.compile(rf"(?:{_ATEXT}|\.)+")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")
_PLAIN_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]++"
_PLAIN_LABEL = rf"(?!-)[a-z0-9_-]{{1,{MAX_LABEL}}}+(?<!-)"
_PLAIN_ADDRESS = rf"{_PLAIN_ATOM}(?:\.{_PLAIN_ATOM})*+@{_PLAIN_LABEL}(?:\.{_PLAIN_LABEL})++"
_PLAIN = re.compile(_PLAIN_ADDRESS, re.ASCII)
_PLAIN_LINES = re.compile(rf"(?:{_PLAIN_ADDRESS}\n)*+", re.ASCII)
_NO_LABEL = re.compile(r"[\x00-,/:-^`{-\x7f]")
"""ASCII that no label of a domain holds; UTS 46 maps some look-alikes to it, U+FF20 to the @."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address in canonical form; `domain` is empty for a bare local part such as `postmaster`."""

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}" if self.domain else self.local


@dataclass(frozen=True, slots=True)
class Folding:
    """What one domain's provider ignores: everything from a delimiter on (RFC 5233), dots, or nothing."""

    sub_address: str = ""
    ignore_dots: bool = False


Foldings = Mapping[str, Folding]
"""Foldings by canonical domain; `*` holds for every domain that has none of its own."""


def canonical(raw: str) -> Address:
    """The canonical form of `raw`, which may stand in angle brackets and carry a source route (RFC 5321 4.1.2)."""
    local, at, domain = _parts(raw)
    if not at:
        return Address(_local(domain), "")
    if not local or not domain:
        raise AddressError("the address lacks the part before or after the @")
    return Address(_local(local), canonical_domain(domain))


def mailable(raw: str) -> Address:
    """The canonical form of an address that mail can be sent to: what imports and commands accept.

    Stricter than `canonical`, which must take whatever Postfix took.
    """
    address = canonical(raw)
    if not address.domain:
        raise AddressError(f"{raw.strip()!r} has no domain")
    if not _valid_domain(address.domain):
        raise AddressError(f"{address.domain!r} is not a domain")
    local = _parts(raw)[0]
    # Postfix delivers to a..b and .a as well, and there are providers who gave them out.
    if not _is_quoted(local) and not _DOTS_AT_WILL.fullmatch(local):
        raise AddressError(f"{local!r} is not the local part of an address (quotes missing?)")
    if _has_surrogate(str(address)):
        raise AddressError("the address is not UTF-8")
    if hidden := _hidden(address.local):
        raise AddressError(f"{local!r} holds the invisible character U+{ord(hidden):04X}")
    if len(str(address).encode()) > MAX_OCTETS:
        raise AddressError(f"the address is longer than {MAX_OCTETS} octets")
    return address


def plain(text: str) -> str | None:
    """The canonical form of an address as nearly all are, ASCII without quotes; None for any other.

    A short way for lists of millions: `mailable` says the same of such an address, and more of all others.
    """
    lower = text.lower()
    return lower if len(lower) <= MAX_OCTETS and _PLAIN.fullmatch(lower) else None


def all_plain(texts: Sequence[str]) -> list[str] | None:
    """`plain` of several texts at once; None if it has no answer for one of them."""
    if max(map(len, texts), default=0) > MAX_OCTETS:
        return None
    lines = "".join([f"{text}\n" for text in texts]).lower()
    if not _PLAIN_LINES.fullmatch(lines) or lines.count("\n") > len(texts):
        return None
    return lines.split("\n")[:-1]


def suppressible_domain(raw: str) -> str:
    """The canonical form of `example.com` (that domain) or `.example.com` (all domains below it)."""
    text = raw.strip()
    dot, rest = (".", text[1:]) if text.startswith(".") else ("", text)
    domain = canonical_domain(rest) if rest and not _UNUSABLE.search(rest) else ""
    if not _valid_domain(domain) or domain.startswith("["):
        raise AddressError(f"{text!r} is not a domain (write example.com, or .example.com for all below it)")
    if dot and domain.count(".") >= MAX_PARENTS:
        raise AddressError(f"{text!r} has more than {MAX_PARENTS} labels; suppress a parent of it")
    return dot + domain


@lru_cache(maxsize=4096)
def canonical_domain(domain: str) -> str:
    """Lower case, as A-labels where it is not ASCII (RFC 3492 after UTS 46), without a trailing dot.

    Label by label, and without IDNA's rules on what may be registered: `foo_bar.example` and emoji are mailed to.
    """
    bare = domain.rstrip(".")
    if bare.isascii():
        return bare.lower()
    try:
        mapped = idna.uts46_remap(bare, std3_rules=False).rstrip(".")
    except idna.IDNAError:
        return _lower(bare)
    labels = mapped.split(".")
    if not mapped or any(_NO_LABEL.search(label) or len(label) > MAX_LABEL for label in labels):
        return _lower(bare)
    return ".".join(label if label.isascii() else f"xn--{label.encode('punycode').decode('ascii')}" for label in labels)


def fold(address: Address, foldings: Foldings) -> Address:
    """The address without what its domain's provider ignores; the same address where the site says nothing."""
    folding = foldings.get(address.domain) or foldings.get("*")
    if folding is None or address.local.startswith('"'):
        return address
    local = address.local
    for delimiter in folding.sub_address:
        local = local.split(delimiter, 1)[0] or local
    if folding.ignore_dots:
        local = local.replace(".", "") or local
    return Address(local, address.domain)


def parents(domain: str) -> list[str]:
    """`.example.com` and `.com` for `mail.example.com`: the sub-domain entries that cover it, at most 8."""
    if not domain or domain.startswith("["):
        return []
    labels = domain.split(".")[1:][-MAX_PARENTS:]
    return ["." + ".".join(labels[start:]) for start in range(len(labels))]


def _parts(raw: str) -> tuple[str, str, str]:
    """Local part, @ and domain of `raw`, without brackets, source route and blanks around them."""
    text = raw.lstrip(_BLANKS + "<").rstrip(_BLANKS + ">.")
    text = text[match.end() :] if (match := _ROUTE.match(text)) else text
    if not text:
        raise AddressError("the address is empty")
    if _UNUSABLE.search(text):
        raise AddressError("the address holds a control character or a lone surrogate")
    local, at, domain = text.rpartition("@")
    return local.strip(), at, domain.strip()


def _is_quoted(local: str) -> bool:
    return len(local) >= 2 and local.startswith('"') and local.endswith('"')


def _local(local: str) -> str:
    # Postfix takes a..b and "a..b" for the same; from sendmail(1) it shows neither quotes nor escapes.
    content = _lower(_QUOTED_PAIR.sub(r"\1", local[1:-1]) if _is_quoted(local) else local)
    if _DOT_ATOM.fullmatch(content):
        return content
    return '"' + content.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _lower(text: str) -> str:
    # lower(), not casefold(): casefold makes one person of "Strauß" and "Strauss".
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())


def _valid_domain(domain: str) -> bool:
    if domain.startswith("[") and domain.endswith("]"):
        return _valid_literal(domain[1:-1])
    if not domain.isascii() or len(domain) > 253:
        return False
    return all(len(label) <= MAX_LABEL and _LABEL.fullmatch(label) for label in domain.split("."))


def _valid_literal(text: str) -> bool:
    # RFC 5321 4.1.3; a zone (%eth0) means nothing outside its host.
    try:
        IPv6Address(text.removeprefix("ipv6:")) if text.startswith("ipv6:") else IPv4Address(text)
    except ValueError:
        return False
    return "%" not in text


def _hidden(text: str) -> str | None:
    # A byte-order mark or zero-width space that came by copying would make another person of the address. The joiners
    # (U+200C, U+200D) belong to the spelling of some scripts.
    return next((c for c in text if not c.isprintable() and c not in "\u200c\u200d"), None)


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
