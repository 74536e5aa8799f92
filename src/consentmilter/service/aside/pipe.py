"""Messages between the two processes of an import: a word, and a value that marshal knows, behind their length.

Raises EOFError at the pipe's end.
"""

import marshal
import os
from typing import Any, Literal

from consentmilter.store.said import WITHOUT_REFERENCES

Word = Literal["order", "told", "read", "others", "counts", "give", "rows", "given", "store error"]
"""What a message is; see `main` for who says which."""

_LENGTH = 8


def send(descriptor: int, word: Word, value: Any = None) -> None:
    octets = marshal.dumps((word, value), WITHOUT_REFERENCES)
    for piece in (len(octets).to_bytes(_LENGTH, "big"), octets):
        left = memoryview(piece)
        while left:
            left = left[os.write(descriptor, left) :]


def receive(descriptor: int) -> tuple[Word, Any]:
    length = int.from_bytes(_octets(descriptor, _LENGTH), "big")
    word, value = marshal.loads(_octets(descriptor, length))  # noqa: S302 - both ends are processes of this program
    return word, value


def _octets(descriptor: int, count: int) -> bytearray:
    buffer = bytearray(count)
    left = memoryview(buffer)
    while left:
        octets = os.readv(descriptor, [left])
        if not octets:
            raise EOFError
        left = left[octets:]
    return buffer
