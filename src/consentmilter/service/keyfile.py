"""The key file on disk: read at start, written by `init` only. Raises `KeyFileError` with the path and the mend."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

from consentmilter import tokens
from consentmilter.errors import KeyFileError, TokenError
from consentmilter.keys import SECRET_OCTETS, SUBJECT_OCTETS, KeyRing
from consentmilter.service.newfile import draft_of, take_draft, write_draft, write_new

Random = Callable[[int], bytes]

_HEAD = """\
# The secrets of consentmilter. Keep a copy in a safe place: who loses the subject key and stores no addresses
# loses the list, and links in mail that was sent work only as long as their token key stands here.
"""


def read_keys(path: Path) -> KeyRing:
    """The keys in the file at `path`, after a self-test."""
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        raise KeyFileError(f"{path}: there is no such file (consentmilter init makes one)") from None
    except PermissionError:
        raise KeyFileError(f"{path}: not readable for this user (it belongs to root, group consentmilter)") from None
    except UnicodeDecodeError as error:
        raise KeyFileError(f"{path}: this is no key file (octet {error.start} is not ASCII)") from error
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    try:
        ring = KeyRing.parse(text)
        _self_test(ring)
    except KeyFileError as error:
        raise KeyFileError(f"{path}: {error}") from error
    return ring


def make_keys(path: Path, random: Random, owner: tuple[int, int] | None = None) -> bool:
    """Write a key file with new keys, for `owner` (user and group), unless there is one; whether it was written."""
    ring = KeyRing(1, random(SECRET_OCTETS), 1, {1: random(SECRET_OCTETS)})
    return write_new(path, _HEAD + ring.render(), owner)


def add_token_key(path: Path, random: Random, tell: Callable[[KeyRing], None]) -> KeyRing:
    """Add a token key that signs from now on, and return the new ring.

    `tell` is to record the ring in the store; that happens first, since a key file with a key that the store does not
    know would stop the mail. Till then the ring waits in a draft, which the next call finds if this one is cut short:
    the store would refuse another key of the same number.
    """
    ring = read_keys(path)
    wider = _left_behind(path, ring) or ring.with_token_key(random(SECRET_OCTETS))
    write_draft(path, _HEAD + wider.render())
    tell(wider)
    take_draft(path)
    return wider


def _left_behind(path: Path, ring: KeyRing) -> KeyRing | None:
    """The ring in the draft of a call that was cut short, if it is this one with a further token key."""
    try:
        wider = read_keys(draft_of(path))
        further = ring.with_token_key(wider.token[wider.token_current])
    except KeyFileError:
        return None
    return wider if wider == further else None


def _self_test(ring: KeyRing) -> None:
    token = tokens.Token(
        tokens.Purpose.UNSUBSCRIBE, bytes(SUBJECT_OCTETS), tokens.stream_hash("test"), date(2026, 1, 1)
    )
    try:
        sound = tokens.read(tokens.make(token, ring), tokens.Purpose.UNSUBSCRIBE, ring) == token
    except TokenError:
        sound = False
    if not sound:
        raise KeyFileError("the self-test of the token keys failed")
