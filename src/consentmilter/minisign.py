"""Signatures and keys in the text format of minisign(1): Ed25519 (RFC 8032) over the BLAKE2b-512 of a text. Pure.

What is signed here can be checked with minisign, without consentmilter, and the other way round. Only secret keys
without a password are read: whoever runs a timer has nobody to ask. Randomness is passed in. Raises `SignatureError`
for a signature that is none or does not fit, and `UsageError` for a key that is none.
"""

import base64
import binascii
from dataclasses import dataclass, field
from hashlib import blake2b

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from consentmilter.errors import SignatureError, UsageError

SEED_OCTETS = 40
"""Randomness that a key is made of."""

_ID_OCTETS = 8
_SECRET_OCTETS = 64
_SIGNATURE_OCTETS = 64
_KEY, _PREHASHED, _CHECKSUM = b"Ed", b"ED", b"B2"
_NO_PASSWORD = bytes(2)
_KDF_OCTETS = 32 + 8 + 8
_SUM_OCTETS = 32
_SECRET_LENGTH = 6 + _KDF_OCTETS + _ID_OCTETS + _SECRET_OCTETS + _SUM_OCTETS
_UNTRUSTED, _TRUSTED = "untrusted comment: ", "trusted comment: "


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What signatures are checked with."""

    id: bytes
    octets: bytes

    @classmethod
    def parse(cls, text: str) -> "PublicKey":
        """Read the text of a .pub file."""
        octets = _decoded(_lines(text, 2, "public key")[1], "public key")
        if len(octets) != 2 + _ID_OCTETS + 32 or octets[:2] != _KEY:
            raise UsageError("this is no public key of minisign")
        return cls(octets[2 : 2 + _ID_OCTETS], octets[2 + _ID_OCTETS :])

    def render(self) -> str:
        """The text of a .pub file."""
        return f"{_UNTRUSTED}minisign public key {_name(self.id)}\n{_encoded(_KEY + self.id + self.octets)}\n"

    def verify(self, text: bytes, signature: str) -> str:
        """The trusted comment of a signature of the text, if it was made with the secret half of this key."""
        lines = _lines(signature, 4, "signature")
        first = _decoded(lines[1], "signature")
        if len(first) != 2 + _ID_OCTETS + _SIGNATURE_OCTETS or first[:2] not in (_KEY, _PREHASHED):
            raise SignatureError("this is no signature of minisign")
        if not lines[2].startswith(_TRUSTED):
            raise SignatureError("the signature has no trusted comment")
        if (of := first[2 : 2 + _ID_OCTETS]) != self.id:
            raise SignatureError(f"it was signed with the key {_name(of)}, and this is the key {_name(self.id)}")
        signed, comment = first[2 + _ID_OCTETS :], lines[2].removeprefix(_TRUSTED)
        self._check(_hashed(text) if first[:2] == _PREHASHED else text, signed)
        self._check(signed + comment.encode(), _decoded(lines[3], "signature"))
        return comment

    def _check(self, message: bytes, signature: bytes) -> None:
        try:
            VerifyKey(self.octets).verify(message, signature)
        except (BadSignatureError, ValueError) as error:  # ValueError: of another length
            raise SignatureError("the signature does not fit: the text, or the signature, was altered") from error


@dataclass(frozen=True, slots=True)
class SecretKey:
    """What signs; `seed` is the secret."""

    id: bytes
    seed: bytes = field(repr=False)

    @classmethod
    def make(cls, random: bytes) -> "SecretKey":
        """A key made of `SEED_OCTETS` octets of randomness."""
        if len(random) != SEED_OCTETS:
            raise ValueError(f"a key is made of {SEED_OCTETS} octets, not {len(random)}")
        return cls(random[:_ID_OCTETS], random[_ID_OCTETS:])

    @classmethod
    def parse(cls, text: str) -> "SecretKey":
        """Read the text of a secret key's file."""
        octets = _decoded(_lines(text, 2, "secret key")[1], "secret key")
        if len(octets) != _SECRET_LENGTH or octets[:2] != _KEY or octets[4:6] != _CHECKSUM:
            raise UsageError("this is no secret key of minisign")
        if octets[2:4] != _NO_PASSWORD:
            raise UsageError("the secret key has a password: use one without (`minisign -G -W`)")
        body, checksum = octets[6 + _KDF_OCTETS : -_SUM_OCTETS], octets[-_SUM_OCTETS:]
        key = cls(body[:_ID_OCTETS], body[_ID_OCTETS : _ID_OCTETS + 32])
        # minisign itself writes no checksum without a password, and zeros in its place.
        if checksum not in (key._checksum, bytes(_SUM_OCTETS)) or body[_ID_OCTETS:] != key._secret:
            raise UsageError("the secret key is damaged")
        return key

    def render(self) -> str:
        """The text of a secret key's file."""
        head = _KEY + _NO_PASSWORD + _CHECKSUM + bytes(_KDF_OCTETS)
        return f"{_UNTRUSTED}minisign secret key\n{_encoded(head + self.id + self._secret + self._checksum)}\n"

    @property
    def public(self) -> PublicKey:
        """The other half."""
        return PublicKey(self.id, bytes(SigningKey(self.seed).verify_key))

    def sign(self, text: bytes, comment: str) -> str:
        """The text of a .minisig file for `text`; the `comment`, one line, is signed too."""
        key = SigningKey(self.seed)
        signed = key.sign(_hashed(text)).signature
        both = key.sign(signed + comment.encode()).signature
        first = _encoded(_PREHASHED + self.id + signed)
        return f"{_UNTRUSTED}signature of key {_name(self.id)}\n{first}\n{_TRUSTED}{comment}\n{_encoded(both)}\n"

    @property
    def _secret(self) -> bytes:
        return self.seed + self.public.octets

    @property
    def _checksum(self) -> bytes:
        return blake2b(_KEY + self.id + self._secret, digest_size=_SUM_OCTETS).digest()


def _lines(text: str, count: int, what: str) -> list[str]:
    lines = text.rstrip("\n").split("\n")
    if len(lines) != count or not lines[0].startswith(_UNTRUSTED):
        raise _none(what, f"it has {count} lines, the first a comment")
    return lines


def _hashed(text: bytes) -> bytes:
    return blake2b(text).digest()


def _name(key_id: bytes) -> str:
    """A key's id as minisign shows it."""
    return f"{int.from_bytes(key_id, 'little'):016X}"


def _encoded(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _decoded(line: str, what: str) -> bytes:
    try:
        return base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _none(what, "it is not base64") from error


def _none(what: str, cause: str) -> SignatureError | UsageError:
    text = f"this is no {what} of minisign: {cause}"
    return SignatureError(text) if what == "signature" else UsageError(text)
