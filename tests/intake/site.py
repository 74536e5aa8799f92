"""The site of the intake's tests: two who mail, with addresses of their own; and the mail that comes."""

import asyncio
import shutil
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from sqlite3 import connect
from typing import Any

from consentmilter import tokens
from consentmilter.config import Config
from consentmilter.intake.application import build
from consentmilter.keys import KeyRing
from consentmilter.service.keyfile import read_keys
from consentmilter.subjects import subject_named
from consentmilter.tokens import Purpose, Token, stream_hash
from lab.messages import message
from lab.part import Part

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

SITE: dict[str, Any] = {
    "mode": "enforce",
    "unsubscribe": {"url": "https://u.example.com", "mailto": "unsub@example.com", "bounce": "bounce@example.com"},
    "privacy": {"mail": "privacy@example.com"},
    "milter": {"self_check": "dkim-check@example.com"},
    "organisations": {
        "acme": {
            "title": "Acme Ltd",
            "unsubscribe": {"url": "https://u.acme.example", "mailto": "unsub@acme.example"},
            "privacy": "privacy@acme.example",
        },
        "zenith": {"title": "Zenith"},
    },
    "streams": {
        "acme.newsletter": {"title": "Weekly newsletter"},
        "acme.offers": {"title": "Offers"},
        "zenith.news": {"title": "Zenith news"},
    },
    "intake": {"authserv_ids": "mx.example.com", "sender": "unsub@example.com"},
}

SUPPRESSIONS = "SELECT hex(subject), scope, reason, origin FROM suppression ORDER BY 2, 3"

ALIGNED = "mx.example.com; dkim=pass header.d={domain}"
"""What our own mail server says of mail that is from whom it says."""


@dataclass
class Clock:
    """A clock that stands still until it is set."""

    at: datetime = NOON

    def __call__(self) -> datetime:
        return self.at


@dataclass
class Site:
    """A site in a directory, and its intake once it is started."""

    directory: Path
    overlay: Mapping[str, Any] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)

    @property
    def config(self) -> Config:
        own: dict[str, Any] = {
            "store": {"url": f"sqlite:///{self.directory / 'consent.db'}"},
            "keys": {"file": str(self.directory / "keys.yaml")},
        }
        return Config.model_validate(laid_over({**SITE, **own}, self.overlay))

    @property
    def ring(self) -> KeyRing:
        return read_keys(self.directory / "keys.yaml")

    @property
    def socket(self) -> str:
        return str(self.directory / "intake.sock")

    def key(self, address: str) -> bytes:
        return subject_named(address, self.ring, {}).key

    def token(
        self,
        address: str = "ann@example.org",
        stream: str = "acme.newsletter",
        purpose: Purpose = Purpose.UNSUBSCRIBE,
        issued: date | None = None,
    ) -> str:
        day = issued or NOON.date()
        return tokens.make(Token(purpose, self.key(address), stream_hash(stream), day), self.ring)

    def rows(self, query: str = SUPPRESSIONS) -> list[Any]:
        with closing(connect(self.directory / "consent.db", timeout=5)) as database:
            return database.execute(query).fetchall()

    def held(self) -> list[tuple[str, str, str]]:
        """Every suppression of Ann's: scope, reason, origin. Nobody else's may be there."""
        found = self.rows()
        assert {row[0] for row in found} <= {self.key("ann@example.org").hex().upper()}
        return [row[1:] for row in found]


def laid_over(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with another over it, section by section."""
    both = {**base, **overlay}
    shared = {name for name in base.keys() & overlay.keys() if isinstance(base[name], Mapping)}
    return both | {name: laid_over(base[name], overlay[name]) for name in shared}


class Running(Part):
    """The site's intake on its unix socket, in a thread of its own."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._ready: Future[asyncio.AbstractEventLoop] = Future()
        self._leave = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._ready.result(timeout=20)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._ready.result().call_soon_threadsafe(self._leave.set)
            self._thread.join(timeout=20)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    async def _serve(self) -> None:
        async with build(self._site.config, now=self._site.clock) as factory:
            loop = asyncio.get_running_loop()
            server = await loop.create_unix_server(factory, self._site.socket)
            self._ready.set_result(loop)
            await self._leave.wait()
            server.close()


def copy_of(template: Path, directory: Path) -> Path:
    """A store and its keys as they are after `init`."""
    return Path(shutil.copytree(template, directory))


def letter(
    *,
    sender: str = "Ann <ann@example.org>",
    subject: str = "unsubscribe",
    body: str | bytes = "",
    proven: bool = True,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """A mail from Ann; `proven` puts our mail server's word for her domain above it."""
    domain = sender.strip(">").rpartition("@")[2]
    results = {"Authentication-Results": ALIGNED.format(domain=domain)} if proven else {}
    fields = {**results, "Received": "from a by mx.example.com; Sun, 1 Mar 2026 12:00:00 +0000", **(headers or {})}
    return message(sender=sender, to="unsub@example.com", subject=subject, headers=fields, body=body)


def report(kind: str, *parts: tuple[str, str], headers: Mapping[str, str] | None = None) -> bytes:
    """A multipart/report (RFC 6522) with a text for people and these parts: type and content."""
    texts = [("text/plain", "This is a report.\r\n"), *parts]
    body = "".join(f"--b\r\nContent-Type: {media}\r\n\r\n{content}\r\n" for media, content in texts)
    fields = {
        "MIME-Version": "1.0",
        "Content-Type": f'multipart/report; report-type={kind}; boundary="b"',
        "Auto-Submitted": "auto-replied",
        **(headers or {}),
    }
    return message(sender="MAILER-DAEMON@mx.example.net", headers=fields, body=f"{body}--b--\r\n")


def bounced(status: str, *, action: str = "failed", diagnostic: str = "smtp; 550 no such user") -> bytes:
    """A delivery status notification (RFC 3464)."""
    blocks = (
        "Reporting-MTA: dns; mx.example.net\r\n\r\n"
        f"Final-Recipient: rfc822; victim@example.org\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: {diagnostic}\r\n"
    )
    return report("delivery-status", ("message/delivery-status", blocks), ("text/rfc822-headers", "Subject: x\r\n"))


def complained(link: str, *, kind: str = "abuse") -> bytes:
    """A feedback report (RFC 5965) about a message with this List-Unsubscribe; addresses are blacked out (RFC 6590)."""
    feedback = f"Feedback-Type: {kind}\r\nUser-Agent: fbl/1.0\r\nVersion: 1\r\nOriginal-Rcpt-To: redacted\r\n"
    original = f"From: news@acme.example\r\nTo: redacted@redacted\r\nList-Unsubscribe: {link}\r\n\r\nHello\r\n"
    return report("feedback-report", ("message/feedback-report", feedback), ("message/rfc822", original))
