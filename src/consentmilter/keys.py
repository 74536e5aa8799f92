"""The secrets: subject keys that stand for people, and the key ring that makes them.

A subject key is a keyed BLAKE2b digest (RFC 7693) of a canonical address or domain: who has the store but not the key
file cannot tell who is on the list. Nothing here reads a file; `KeyRing.parse` takes the key file's text. Raises
`KeyFileError` when that text is damaged.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import yaml

from consentmilter.addresses import Address, Foldings, fold, parents
from consentmilter.errors import KeyFileError

SUBJECT_OCTETS = 16
SECRET_OCTETS = 32
MAX_TOKEN_KEY_ID = 31

_SUBJECT = b"cm-subject"
_CHECK = b"cm-key-check"


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The subject key and the token keys by their number; `token_current` is the one that signs new tokens."""

    subject_id: int
    subject: bytes = field(repr=False)
    token_current: int
    token: Mapping[int, bytes] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Read the key file's text."""
        try:
            data = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError) as error:  # PyYAML lets ValueError through for dates that do not exist
            raise KeyFileError("the key file is not YAML") from error
        token = _at(data, "token", "keys")
        if not isinstance(token, dict):
            raise KeyFileError("token.keys: not keys by their numbers")
        ring = cls(
            subject_id=_number(_at(data, "subject", "id"), "subject.id"),
            subject=_secret(_at(data, "subject", "key"), "subject.key"),
            token_current=_number(_at(data, "token", "current"), "token.current"),
            token={_number(n, "token.keys"): _secret(key, f"token.keys.{n}") for n, key in token.items()},
        )
        if ring.token_current not in ring.token:
            raise KeyFileError(f"token.current: there is no token key {ring.token_current} under token.keys")
        return ring

    def render(self) -> str:
        """The key file's text."""
        data = {
            "subject": {"id": self.subject_id, "key": _encode(self.subject)},
            "token": {"current": self.token_current, "keys": {n: _encode(k) for n, k in self.token.items()}},
        }
        return yaml.safe_dump(data, sort_keys=False)

    def with_token_key(self, secret: bytes) -> "KeyRing":
        """A ring that signs with `secret` from now on and still knows every older key, so that old links work."""
        number = max(self.token) + 1
        if number > MAX_TOKEN_KEY_ID:
            raise KeyFileError(f"token keys are numbered up to {MAX_TOKEN_KEY_ID}: remove the oldest from the key file")
        return KeyRing(self.subject_id, self.subject, number, {**self.token, number: secret})

    def checks(self) -> dict[str, bytes]:
        """A check value by key id: equal on two nodes exactly if they hold the same key, and of no other use."""
        ids = {f"subject-{self.subject_id}": self.subject}
        ids |= {f"token-{number}": secret for number, secret in self.token.items()}
        return {name: _digest(name.encode(), secret, _CHECK) for name, secret in ids.items()}


def subject_of(text: str, ring: KeyRing) -> bytes:
    """The subject key of a canonical address (`a@b`), domain (`b`) or sub-domain entry (`.b`)."""
    return _digest(text.encode("utf-8", "surrogateescape"), ring.subject, _SUBJECT)


def subject_maker(ring: KeyRing) -> Callable[[str], bytes]:
    """`subject_of` for millions: the key goes into one digest, and each text into a copy of it."""
    keyed = _keyed(ring)

    def subject(text: str) -> bytes:
        digest = keyed.copy()
        digest.update(text.encode("utf-8", "surrogateescape"))
        return digest.digest()

    return subject


def subjects_maker(ring: KeyRing) -> Callable[[Iterable[str]], list[bytes]]:
    """The same for many texts at once, all of them ASCII."""
    keyed = _keyed(ring)

    def subjects(texts: Iterable[str]) -> list[bytes]:
        made = []
        for octets in map(str.encode, texts):
            digest = keyed.copy()
            digest.update(octets)
            made.append(digest.digest())
        return made

    return subjects


def subject_of_address(address: Address, ring: KeyRing, foldings: Foldings) -> bytes:
    """The subject key under which a suppression of this address is kept, the site's foldings applied."""
    return subject_of(_text(fold(address, foldings)), ring)


def subjects_for(address: Address, ring: KeyRing, foldings: Foldings) -> tuple[bytes, ...]:
    """All subject keys that a suppression of this recipient could stand under.

    The first is the person's own. Then the address as it is, where a folding differs (it may have been stored before
    the folding was switched on), the domain, and up to 8 parent domains.
    """
    domains = [address.domain, *parents(address.domain)] if address.domain else []
    return own_subjects_of(address, ring, foldings) + tuple(subject_of(domain, ring) for domain in domains)


def own_subjects_of(address: Address, ring: KeyRing, foldings: Foldings) -> tuple[bytes, ...]:
    """Those subject keys of a recipient that are the person's own, and no domain's."""
    texts = dict.fromkeys((_text(fold(address, foldings)), _text(address)))
    return tuple(subject_of(text, ring) for text in texts)


def _text(address: Address) -> str:
    # A bare local part gets its @, so that "postmaster" is never taken for a domain of that name.
    return f"{address.local}@{address.domain}"


def _keyed(ring: KeyRing) -> blake2b:
    return blake2b(digest_size=SUBJECT_OCTETS, key=ring.subject, person=_SUBJECT)


def _digest(data: bytes, secret: bytes, person: bytes) -> bytes:
    return blake2b(data, digest_size=SUBJECT_OCTETS, key=secret, person=person).digest()


def _at(data: Any, section: str, key: str) -> Any:
    below = data.get(section) if isinstance(data, dict) else None
    if not isinstance(below, dict) or key not in below:
        raise KeyFileError(f"the key file has no {section}.{key}")
    return below[key]


def _number(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_TOKEN_KEY_ID:
        raise KeyFileError(f"{where}: {value!r} is not a number from 0 to {MAX_TOKEN_KEY_ID}")
    return value


def _secret(value: Any, where: str) -> bytes:
    try:
        secret = base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise KeyFileError(f"{where}: not base64") from error
    if len(secret) != SECRET_OCTETS:
        raise KeyFileError(f"{where}: {len(secret)} octets, not {SECRET_OCTETS}")
    return secret


def _encode(secret: bytes) -> str:
    return base64.b64encode(secret).decode("ascii")
