"""The corpus of mails that come back: shapes as they are in the wild, names and addresses made up."""

from pathlib import Path

from consentmilter.reports.message import Incoming, read

ROOT = Path(__file__).parent / "mail"

TOKEN = "aebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qa"
"""The token in the mails of the corpus; only its shape is that of one."""


def octets(name: str) -> bytes:
    """A mail of the corpus as LMTP hands it over."""
    return (ROOT / f"{name}.eml").read_bytes().replace(b"\n", b"\r\n")


def mail(name: str) -> Incoming:
    return read(octets(name))


def written(text: str) -> Incoming:
    """A mail written in a test."""
    return read(text.encode("utf-8", "surrogateescape"))


def names(folder: str) -> list[str]:
    return sorted(f"{folder}/{path.stem}" for path in (ROOT / folder).glob("*.eml"))
