"""Files with a key a line and no columns: plain lists, hash lists, and Postfix access maps; # begins a comment."""

import re
from collections.abc import Iterator
from ipaddress import ip_network

from consentmilter.importers.lines import TOO_LONG, Read, is_blank, numbered, too_long
from consentmilter.importers.rows import BadRow, Entry, Hashed, Row, Skipped, clipped
from consentmilter.importers.values import ValueFault, digest

_REFUSALS = re.compile(r"REJECT\b|5\d\d\b", re.IGNORECASE)
"""Actions of access(5) that say no for good; DISCARD and DEFER do not tell the sender so."""

_ACCESS = re.compile(
    r"\S+\s+(?:REJECT|OK|DUNNO|DISCARD|DEFER\w*|HOLD|FILTER|REDIRECT|PREPEND|WARN|INFO|BCC|[45]\d\d)\b.*", re.IGNORECASE
)
_KEY = re.compile(r'("(?:[^"\\]|\\.)*"\S*|\S+)(?:\s+(.*))?', re.DOTALL)


def read_list(read: Read) -> Iterator[Row]:
    """Every address or domain of a plain list."""
    for number, line in numbered(read):
        if too_long(line):
            yield _too_long(number, line)
        elif not is_blank(line):
            yield Entry(number, line.strip())


def read_hashes(read: Read) -> Iterator[Row]:
    """Every digest of a hash list."""
    for number, line in numbered(read):
        if too_long(line):
            yield _too_long(number, line)
        elif not is_blank(line):
            try:
                yield Hashed(number, digest(line))
            except ValueFault as fault:
                yield BadRow(number, "hash", str(fault), (line.strip(),))


def read_access_map(read: Read) -> Iterator[Row]:
    """Every key of an access map whose action refuses.

    A domain stands for itself and for all below it, as Postfix has it by default (parent_domain_matches_subdomains):
    it is two rows.
    """
    for number, line in numbered(read):
        if too_long(line):
            yield _too_long(number, line)
        elif not is_blank(line) and not line[0].isspace():  # a line that begins with a blank continues the one before
            yield from _access(number, line.strip())


def is_access(line: str) -> bool:
    """Whether the line is of an access map: a key, and an action."""
    return _ACCESS.fullmatch(line) is not None


def _access(number: int, line: str) -> Iterator[Row]:
    match = _KEY.fullmatch(line)
    assert match, "a line that is not blank begins with a key"
    key, action = match[1], match[2] or ""
    if not _REFUSALS.match(action):
        yield Skipped(number, clipped(f"action {action.split()[0].upper()}" if action else "no action"))
    elif _is_client(key):
        yield Skipped(number, "client, no recipient")
    elif key.endswith("@"):
        cause = f"{key[:60]} means this name at every domain: write an address for each domain"
        yield BadRow(number, "email", clipped(cause), (key,))
    else:
        yield Entry(number, key.replace('"', "") if _needless_quotes(key) else key)
        if "@" not in key and "." in key and not key.startswith("."):
            yield Entry(number, f".{key}")


def _is_client(key: str) -> bool:
    """Whether the key is a client's address or network, such as 192.0.2 or 2001:db8::/32."""
    if re.fullmatch(r"[\d.]+", key):
        return True
    try:
        ip_network(key, strict=False)
    except ValueError:
        return False
    return True


def _needless_quotes(key: str) -> bool:
    return key.startswith('"') and key.endswith('"')


def _too_long(number: int, line: str) -> BadRow:
    return BadRow(number, "-", TOO_LONG, (clipped(line),))
