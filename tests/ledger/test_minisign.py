"""Signatures in minisign's format."""

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from consentmilter.errors import SignatureError, UsageError
from consentmilter.minisign import SEED_OCTETS, PublicKey, SecretKey

KEY = SecretKey.make(bytes(range(SEED_OCTETS)))
TEXT = b"consentmilter checkpoint 1\n"
MINISIGN = shutil.which("minisign")


def test_a_signature_fits_its_text_and_tells_its_comment() -> None:
    """And keys come back from their texts as they were."""
    signature = SecretKey.parse(KEY.render()).sign(TEXT, "kept by the notary")
    assert PublicKey.parse(KEY.public.render()).verify(TEXT, signature) == "kept by the notary"


def test_a_key_of_minisign_itself_is_understood() -> None:
    """A signature that minisign made, and its public key."""
    public = (
        "untrusted comment: minisign public key E7620F1842B4E81F\n"
        "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n"
    )
    signature = (
        "untrusted comment: signature from minisign secret key\n"
        "RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n"
        "trusted comment: timestamp:1633700835\tfile:test\tprehashed\n"
        "wLMDjy9FLAuxZ3q4NlEvkgtyhrr0gtTu6KC4KBJdITbbOeAi1zBIYo0v4iTgt8jJpIidRJnp94ABQkJAgAooBQ==\n"
    )
    assert PublicKey.parse(public).verify(b"test", signature).startswith("timestamp:1633700835")
    with pytest.raises(SignatureError):
        PublicKey.parse(public).verify(b"Test", signature)


@pytest.mark.skipif(MINISIGN is None, reason="minisign is not installed")
def test_minisign_checks_our_signatures_and_we_check_its(tmp_path: Path) -> None:
    """With keys that either of the two made."""
    text = tmp_path / "text"
    text.write_bytes(TEXT)
    (tmp_path / "ours").write_text(KEY.render())
    (tmp_path / "ours.pub").write_text(KEY.public.render())
    (tmp_path / "text.minisig").write_text(KEY.sign(TEXT, "ours"))
    assert b"ours" in _minisign("-Vm", text, "-p", tmp_path / "ours.pub")
    _minisign("-S", "-s", tmp_path / "ours", "-m", text, "-x", tmp_path / "theirs.minisig", "-t", "theirs")
    assert KEY.public.verify(TEXT, (tmp_path / "theirs.minisig").read_text()) == "theirs"
    _minisign("-G", "-W", "-p", tmp_path / "new.pub", "-s", tmp_path / "new")
    secret = SecretKey.parse((tmp_path / "new").read_text())
    assert secret.public == PublicKey.parse((tmp_path / "new.pub").read_text())


def test_a_text_or_signature_with_a_bit_flipped_is_refused() -> None:
    """Each bit of the text, the signature, the comment and the signature over both."""
    first, second, comment, last = KEY.sign(TEXT, "comment").rstrip("\n").split("\n")
    for place in range(len(TEXT) * 8):
        _refused(_flipped(TEXT, place), f"{first}\n{second}\n{comment}\n{last}")
    for place in range(16, 74 * 8):
        _refused(TEXT, f"{first}\n{_flipped_base64(second, place)}\n{comment}\n{last}")
    for place in range(64 * 8):
        _refused(TEXT, f"{first}\n{second}\n{comment}\n{_flipped_base64(last, place)}")
    _refused(TEXT, f"{first}\n{second}\n{comment}s\n{last}")


@pytest.mark.parametrize("text", ["", "x", "untrusted comment: x\nnonsense!\nx\nx", "a\nb\nc\nd", "ü\n" * 4])
def test_what_is_no_signature_is_refused(text: str) -> None:
    """In a sentence."""
    _refused(TEXT, text)


def test_a_signature_of_another_key_is_told_by_its_id() -> None:
    """Who sees the message knows which key to look for."""
    other = SecretKey.make(bytes(SEED_OCTETS))
    with pytest.raises(SignatureError, match="0706050403020100"):
        other.public.verify(TEXT, KEY.sign(TEXT, "x"))


@pytest.mark.parametrize("text", ["", "untrusted comment: x\n!!", "untrusted comment: x\nAAAA", "x\ny"])
def test_what_is_no_key_is_refused(text: str) -> None:
    """As wrong usage: the file is not the one that was meant."""
    for kind in (SecretKey, PublicKey):
        with pytest.raises(UsageError, match="key of minisign"):
            kind.parse(text)


def test_a_secret_key_with_a_password_or_a_fault_is_refused() -> None:
    """Nobody is there to type the password."""
    head, line = KEY.render().rstrip("\n").split("\n")
    octets = bytearray(base64.b64decode(line))
    octets[2:4] = b"Sc"
    with pytest.raises(UsageError, match="has a password"):
        SecretKey.parse(f"{head}\n{base64.b64encode(octets).decode()}\n")
    with pytest.raises(UsageError, match="damaged"):
        SecretKey.parse(f"{head}\n{_flipped_base64(line, 70 * 8)}\n")


def test_a_secret_key_does_not_show_itself() -> None:
    """Not even in a traceback."""
    assert KEY.seed.hex() not in repr(KEY)
    assert str(KEY.seed) not in repr(KEY)


def _refused(text: bytes, signature: str) -> None:
    with pytest.raises(SignatureError):
        KEY.public.verify(text, signature)


def _flipped(octets: bytes, place: int) -> bytes:
    changed = bytearray(octets)
    changed[place // 8] ^= 1 << place % 8
    return bytes(changed)


def _flipped_base64(line: str, place: int) -> str:
    return base64.b64encode(_flipped(base64.b64decode(line), place)).decode()


def _minisign(*words: object) -> bytes:
    assert MINISIGN is not None
    done = subprocess.run([MINISIGN, *map(str, words)], capture_output=True, check=True, timeout=20, input=b"")
    return done.stdout
