"""Files as they come: packed or not, and text in whatever encoding. Examined once, then read as text.

Unpacking is bounded in ratio and in octets, so that a small file cannot become an endless one. Raises `UsageError` for
a file that is damaged, too large once unpacked, or no text.
"""

import codecs
import gzip
import hashlib
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import SEEK_END, BufferedReader, BytesIO, RawIOBase, TextIOWrapper
from typing import Any, BinaryIO, cast

import zstandard

from consentmilter.errors import UsageError
from consentmilter.service.halves import Cutting

MAX_RATIO = 200
"""To how many octets one may unpack. Lists come to 5 to 30; what was made to be a bomb comes to 1,000 and more."""

FREE_OCTETS = 1 << 24
"""So many are unpacked whatever the ratio: the beginning of a file says little about it."""

MAX_UNPACKED = 1 << 36
"""Octets of one file; rows of a billion people."""

_WINDOW = 1 << 23
"""What a reader of zstd should have memory for (RFC 8878 section 3.1.1.1.2); more is for --ultra and --long."""

_SAMPLE = 1 << 18
_BLOCK = 1 << 16
_PACKED_BLOCK = 1 << 10
"""As many octets of zstd unpack to 32 MiB at most: a block of 128 KiB takes four."""

_PACKINGS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_NO_TEXT = {
    b"PK\x03\x04": "a ZIP archive or a spreadsheet: unpack it, or save it as CSV",
    b"\xd0\xcf\x11\xe0": "a spreadsheet: save it as CSV",
    b"SQLite format 3\0": "a database",
    b"BZh": "a bzip2 file: unpack it (bzcat FILE | consentmilter import -)",
    b"\xfd7zXZ\0": "an xz file: unpack it (xzcat FILE | consentmilter import -)",
}
"""How files begin that are no suppression list, and what they are."""

_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8",
}
_OF_OCTETS = frozenset({"utf-8", "cp1252"})
"""Encodings in which an octet that is a line end is never anything else."""

_STRAY = re.compile("[\udc80-\udcff]")
_LETTER = re.compile("[^\x00-\x7f\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class Examined:
    """What a file is: how it is packed and encoded, the digest of its octets once unpacked, and its beginning.

    `cutting` knows where a file can be cut that is not packed, and whose line ends are single octets.
    """

    packing: str | None
    encoding: str
    digest: bytes
    sample: str
    cutting: Cutting | None = None

    @property
    def notice(self) -> str | None:
        """What is worth saying of the encoding."""
        return "not UTF-8, so it is read as Windows-1252" if self.encoding == "cp1252" else None


def examine(file: BinaryIO) -> Examined:
    """Look through a seekable file."""
    file.seek(0)
    start = file.read(4)
    packing = next((name for mark, name in _PACKINGS.items() if start.startswith(mark)), None)
    digest, census, sample = hashlib.blake2b(digest_size=32), _Census(), b""
    cutting = Cutting(file.seek(0, SEEK_END))
    with _unpacked(file, packing) as octets:
        while block := octets.read(_BLOCK):
            if len(sample) < _SAMPLE:
                sample += block
            digest.update(block)
            census.see(block)
            cutting.see(block)
    _refuse_what_is_no_text(sample)
    encoding = _marked(sample) or _unmarked(sample) or census.encoding
    can_be_cut = packing is None and encoding in _OF_OCTETS
    return Examined(packing, encoding, digest.digest(), _decoded(sample, encoding), cutting if can_be_cut else None)


@contextmanager
def text_of(file: BinaryIO, packing: str | None, encoding: str) -> Iterator[TextIOWrapper]:
    """The text of a file that was examined, with LF at all line ends; odd octets are lone surrogates."""
    with _unpacked(file, packing) as octets:
        text = TextIOWrapper(octets, encoding=encoding, errors=_errors(encoding))
        try:
            yield text
        finally:
            text.detach()  # the file is the caller's to close


class _Census:
    """Counts what of a text can be UTF-8, and what cannot."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._letters = 0
        self._strays = 0

    def see(self, octets: bytes) -> None:
        if octets.isascii() and not self._decoder.getstate()[0]:
            return
        text = self._decoder.decode(octets)
        self._letters += len(_LETTER.findall(text))
        self._strays += len(_STRAY.findall(text))

    @property
    def encoding(self) -> str:
        # Octets of a Western list hardly ever make a letter of UTF-8, and one damaged row does not change a whole file.
        return "cp1252" if self._strays > self._letters else "utf-8"


class _Zstd:
    """Unpacks one zstd frame after another. The library's own reader takes a torn file for a whole one."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._unpacker = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
        self._frame: Any = None
        self._unpacked = BytesIO()

    def read(self, size: int) -> bytes:
        while not (octets := self._unpacked.read(size)):
            if not (packed := self._packed()):
                break
            self._unpacked = BytesIO(self._frame.decompress(packed))
        return octets

    def _packed(self) -> bytes:
        """The next packed octets, in a frame that takes them."""
        between = self._frame is None or self._frame.eof
        octets: bytes = self._frame.unused_data if between and self._frame is not None else b""
        octets = octets or self._file.read(_PACKED_BLOCK)
        if not octets and not between:
            raise EOFError("its end is missing")
        if octets and between:
            self._frame = self._unpacker.decompressobj()
        return octets


class _Bounded(RawIOBase):
    """What comes out of an unpacker, as long as it is not too much for what went in."""

    def __init__(self, source: Any, read_so_far: Callable[[], int], what: str) -> None:
        self._source = source
        self._read_so_far = read_so_far
        self._what = what
        self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            octets = self._source.read(len(buffer))
        except (EOFError, zlib.error, zstandard.ZstdError, gzip.BadGzipFile) as error:
            raise UsageError(f"the {self._what} file is damaged or ends too soon: {error}") from error
        buffer[: len(octets)] = octets
        self._given += len(octets)
        if self._given > MAX_UNPACKED:
            raise UsageError(f"the {self._what} file holds more than {MAX_UNPACKED >> 30} GiB: split it")
        if self._given > FREE_OCTETS and self._given > MAX_RATIO * self._read_so_far():
            raise UsageError(
                f"the {self._what} file unpacks to more than {MAX_RATIO} times its size: unpack it yourself"
            )
        return len(octets)


@contextmanager
def _unpacked(file: BinaryIO, packing: str | None) -> Iterator[BufferedReader]:
    file.seek(0)
    match packing:
        case "gzip":
            source: Any = gzip.GzipFile(fileobj=file)
        case "zstd":
            source = _Zstd(file)
        case _:
            yield cast(BufferedReader, file)
            return
    yield BufferedReader(_Bounded(source, file.tell, packing), _BLOCK)


def _refuse_what_is_no_text(sample: bytes) -> None:
    for start, what in _NO_TEXT.items():
        if sample.startswith(start):
            raise UsageError(f"this is {what}")
    for start, packing in _PACKINGS.items():
        if sample.startswith(start):
            raise UsageError(f"this is packed twice: unpack the {packing} file in it")


def _marked(sample: bytes) -> str | None:
    return next((encoding for mark, encoding in _MARKS.items() if sample.startswith(mark)), None)


def _unmarked(sample: bytes) -> str | None:
    """UTF-16 without a mark: of Western text, nearly every second octet is NUL."""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    enough = len(sample) * 0.4
    if max(even, odd) < enough or not sample:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _errors(encoding: str) -> str:
    # Single octets can stand as lone surrogates, for the address check to name; of wider units there is no such way.
    return "surrogateescape" if encoding in _OF_OCTETS else "replace"


def _decoded(sample: bytes, encoding: str) -> str:
    text = codecs.getincrementaldecoder(encoding)(_errors(encoding)).decode(sample)
    return text.replace("\r\n", "\n").replace("\r", "\n")
