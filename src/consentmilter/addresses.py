"""The canonical form of an address: one function for every way in.

An opt-out that came by import, click or command must meet the recipient that Postfix offers, however either was
written. So all of them pass through `canonical`, and nothing else compares addresses. Raises `AddressError` where the
text cannot be an address; odd octets (8-bit, invalid UTF-8) are kept, since they do arrive at RCPT.

Text that was not UTF-8 is carried as lone surrogates (PEP 383), as pymilter hands it over.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import idna

from consentmilter.errors import AddressError

MAX_OCTETS = 254
"""RFC 5321 4.5.3.1.3: 256 octets in a path with its brackets. Postfix lets longer ones in, and so does `canonical`."""

MAX_PARENTS = 8
"""How many parent domains of a recipient are looked up, counted from the top-level domain down."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_DOT_ATOM = re.compile(r"[^\x00-\x20\x7f()<>\[\]:;@\\,.\"]+(?:\.[^\x00-\x20\x7f()<>\[\]:;@\\,.\"]+)*")
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")


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
    text = _unwrap(raw.strip())
    if not text:
        raise AddressError("the address is empty")
    if _CONTROLS.search(text):
        raise AddressError("the address holds a control character")
    local, at, domain = text.rpartition("@")
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
    if not address.local.startswith('"') and not _DOT_ATOM.fullmatch(address.local):
        raise AddressError(f"{address.local!r} is not the local part of an address (quotes missing?)")
    if _has_surrogate(str(address)):
        raise AddressError("the address is not UTF-8")
    if len(str(address).encode()) > MAX_OCTETS:
        raise AddressError(f"the address is longer than {MAX_OCTETS} octets")
    return address


def suppressible_domain(raw: str) -> str:
    """The canonical form of `example.com` (that domain) or `.example.com` (all domains below it)."""
    text = raw.strip()
    dot, rest = (".", text[1:]) if text.startswith(".") else ("", text)
    domain = canonical_domain(rest) if rest and not _CONTROLS.search(rest) else ""
    if not _valid_domain(domain) or domain.startswith("["):
        raise AddressError(f"{text!r} is not a domain (write example.com, or .example.com for all below it)")
    if dot and domain.count(".") >= MAX_PARENTS:
        raise AddressError(f"{text!r} has more than {MAX_PARENTS} labels; suppress a parent of it")
    return dot + domain


@lru_cache(maxsize=4096)
def canonical_domain(domain: str) -> str:
    """Lower case, as A-labels where it is not ASCII (IDNA 2008 after UTS 46), without a trailing dot.

    An ASCII name is only lower-cased: `foo_bar.example` is no valid IDNA name, but it is mailed to.
    """
    bare = domain.removesuffix(".")
    if bare.isascii():
        return bare.lower()
    try:
        return idna.encode(bare, uts46=True).decode("ascii").removesuffix(".")
    except (idna.IDNAError, UnicodeError):
        return _lower(bare)


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


def _unwrap(text: str) -> str:
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1].strip()
    if text.startswith("@") and ":" in text:
        text = text.partition(":")[2]
    return text


def _local(local: str) -> str:
    if len(local) >= 2 and local.startswith('"') and local.endswith('"'):
        content = _lower(_QUOTED_PAIR.sub(r"\1", local[1:-1]))
        if _DOT_ATOM.fullmatch(content):
            return content
        return '"' + content.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return _lower(local)


def _lower(text: str) -> str:
    # lower(), not casefold(): casefold makes one person of "Strauß" and "Strauss".
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())


def _valid_domain(domain: str) -> bool:
    if domain.startswith("[") and domain.endswith("]"):
        return len(domain) > 2
    if not domain.isascii() or len(domain) > 253:
        return False
    return all(len(label) <= 63 and _LABEL.fullmatch(label) for label in domain.split("."))


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
