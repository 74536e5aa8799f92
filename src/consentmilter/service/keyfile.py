"""The key file on disk: read at start, written by `init` only. Raises `KeyFileError` with the path and the mend."""

import os
from datetime import date
from pathlib import Path

from consentmilter import tokens
from consentmilter.errors import KeyFileError, TokenError
from consentmilter.keys import SUBJECT_OCTETS, KeyRing

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
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path}: {error}") from error
    try:
        ring = KeyRing.parse(text)
        _self_test(ring)
    except KeyFileError as error:
        raise KeyFileError(f"{path}: {error}") from error
    return ring


def write_keys(path: Path, ring: KeyRing, *, replace: bool = False) -> None:
    """Write the key file, readable for its owner and group; an existing one is kept unless `replace`."""
    draft = path.with_name(f".{path.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(_HEAD + ring.render())
            file.flush()
            os.fsync(file.fileno())
        if replace:
            if path.exists():
                os.chown(draft, path.stat().st_uid, path.stat().st_gid)
            draft.replace(path)
        else:
            os.link(draft, path)
    except FileExistsError:
        raise KeyFileError(f"{path}: stands already and is not overwritten") from None
    finally:
        draft.unlink(missing_ok=True)


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
