"""A private OpenDKIM that signs, and the verifier of what it signed.

It signs mail from loopback whose From is in its domain, with a key of its own, and covers both fields of RFC 8058:
`list-unsubscribe-post` is not in OpenDKIM's default list. Raises `LabError` when it does not start.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import dkim

from lab.errors import LabError
from lab.part import Part
from lab.ports import serves
from lab.process import Process


@dataclass(frozen=True, slots=True)
class DkimResult:
    """Whether the first signature of a message verifies, and the header fields that it covers, in lower case."""

    valid: bool
    signed_headers: list[str]


class OpenDkim(Part):
    """A signing milter in a directory that Postfix's user can enter (see `lab.directory`)."""

    def __init__(self, directory: Path, *, domain: str = "test.example", selector: str = "lab") -> None:
        self._directory = directory
        self._domain = domain
        self._selector = selector
        self._path = directory / "opendkim.sock"
        self._record = b""
        self.process = Process(["opendkim", "-f", "-x", directory / "opendkim.conf"])

    @property
    def socket(self) -> str:
        """Where it listens, as smtpd_milters wants it."""
        return f"unix:{self._path}"

    def start(self) -> None:
        key = self._directory / "opendkim.key"
        self._record = _make_key(key)
        (self._directory / "opendkim.hosts").write_text("127.0.0.1\n::1\nlocalhost\n")
        (self._directory / "opendkim.conf").write_text(self._configuration(key))
        self.process.start()
        self.process.wait_until(lambda: serves(self._path), "its socket")

    def stop(self) -> None:
        # It has nothing to lose, and libmilter takes up to five seconds to heed a SIGTERM.
        self.process.kill()
        self.process.stop()

    def verify(self, message: bytes) -> DkimResult:
        """Check the first signature against this signer's key; a message without one is not valid."""
        signature = dkim.DKIM(message)
        try:
            valid = bool(signature.verify(dnsfunc=self._dns))
        except dkim.DKIMException:
            valid = False
        return DkimResult(valid, [name.decode().lower() for name, _ in signature.signed_headers])

    def _dns(self, name: bytes, timeout: int = 5) -> bytes | None:
        """The TXT record of this signer's key, as dkimpy asks for it; there is no other name."""
        here = f"{self._selector}._domainkey.{self._domain}"
        return self._record if name.decode().rstrip(".") == here else None

    def _configuration(self, key: Path) -> str:
        settings = {
            "Mode": "s",
            "Domain": self._domain,
            "Selector": self._selector,
            "KeyFile": str(key),
            "RequireSafeKeys": "no",  # it does not trust a key below a directory that all may write to, as /tmp
            "Socket": f"local:{self._path}",
            "InternalHosts": f"refile:{self._directory / 'opendkim.hosts'}",
            "SignHeaders": "*,+list-unsubscribe-post",
            "Canonicalization": "relaxed/simple",
            "UMask": "000",  # Postfix's user must be able to connect
            "Syslog": "no",
            "Background": "no",
        }
        return "".join(f"{name} {value}\n" for name, value in settings.items())


def _make_key(path: Path) -> bytes:
    """Make a key pair; return the TXT record of its public half (RFC 6376, section 3.6.1)."""
    if shutil.which("openssl") is None:
        raise LabError("openssl is needed to make a DKIM key")
    subprocess.run(["openssl", "genrsa", "-out", path, "2048"], check=True, capture_output=True)
    path.chmod(0o600)
    public = subprocess.run(["openssl", "rsa", "-in", path, "-pubout"], check=True, capture_output=True).stdout
    return b"v=DKIM1; k=rsa; p=" + b"".join(public.splitlines()[1:-1])
