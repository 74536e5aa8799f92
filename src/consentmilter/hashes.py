"""What partners' hash lists hold of a person: digests of the address, made without a key. Pure.

Most lists hash the trimmed address in lower case, some as it was written, so both are looked for. MD5 and SHA-1 are no
protection here and none is asked of them: they are the formats that partners send. Raises nothing.
"""

from collections.abc import Iterator
from hashlib import md5, sha1, sha256

MD5_OCTETS, SHA1_OCTETS, SHA256_OCTETS = 16, 20, 32

NAMES = {MD5_OCTETS: "MD5", SHA1_OCTETS: "SHA-1", SHA256_OCTETS: "SHA-256"}
"""How the algorithm of a digest is called, by the digest's length."""

LIST_ORIGIN = "list:"
"""What the origin of an entry of a hash list begins with; the name of the list follows."""


def digests(*addresses: str) -> tuple[bytes, ...]:
    """Every digest under which a hash list may hold one of these spellings of an address."""
    return tuple(digest for text in dict.fromkeys(_spellings(addresses)) for digest in _digests(text))


def _spellings(addresses: tuple[str, ...]) -> Iterator[str]:
    for address in addresses:
        written = address.strip()
        yield written.lower()
        yield written


def _digests(text: str) -> tuple[bytes, bytes, bytes]:
    octets = text.encode("utf-8", "surrogateescape")
    return (
        md5(octets, usedforsecurity=False).digest(),
        sha1(octets, usedforsecurity=False).digest(),
        sha256(octets).digest(),
    )
