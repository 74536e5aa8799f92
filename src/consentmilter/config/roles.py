"""The sections of the processes besides the milter: web pages, HTTP API, mail intake."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from consentmilter.config.section import Section
from consentmilter.config.types import (
    Colour,
    Duration,
    EmailAddress,
    FileMode,
    HostPort,
    Listen,
    Networks,
    OneOrMore,
    Sha256,
    UnixSocket,
    networks,
)

Language = Literal["en", "de", "fr", "es", "ro", "nl", "ar"]
Verb = Literal["add", "check", "remove", "changes", "consent", "rights"]


class WebConfig(Section):
    listen: Listen | None = None
    """Where the pages are served, behind a proxy that speaks TLS: 127.0.0.1:8025 or unix:/path; unset, no pages."""
    trusted_proxies: Networks = networks("127.0.0.0/8", "::1/128")
    """Proxies that are believed when they say whom they speak for."""
    pages_per_minute: Annotated[int, Field(ge=1, le=100_000)] = 120
    """How many pages a client network may ask for, failed API calls included; never the one-click button."""
    logo: Path | None = None
    """A PNG, JPEG, WebP or SVG file shown on the pages."""
    accent: Colour = "#1a5fb4"
    """The colour of buttons and links."""
    footer: Annotated[str, Field(max_length=500)] | None = None
    """A line below every page."""
    languages: Annotated[list[Language], Field(min_length=1)] = ["en", "de", "fr", "es", "ro", "nl", "ar"]
    """The languages of the pages; the first is for people who ask for none of them."""


class ApiTokenConfig(Section):
    sha256: Sha256
    """The SHA-256 digest of the token."""
    organisations: OneOrMore
    """The organisations that it speaks for; * for all and what holds for everything."""
    verbs: Annotated[list[Verb], Field(min_length=1)]
    """What it may do: add, check, remove, changes, consent, rights."""


class ApiConfig(Section):
    listen: Listen | None = None
    """Where the API, the health checks and the metrics are served; unset, nowhere."""
    tokens: dict[str, ApiTokenConfig] = {}
    """Who may use the API, by a name for log and ledger."""


class IntakeConfig(Section):
    socket: UnixSocket | None = None
    """Where Postfix delivers mail that comes back, by LMTP: unix:/path; unset, nowhere."""
    socket_mode: FileMode = 0o660
    """The file mode of the socket."""
    socket_group: str | None = "postfix"
    """The group of the socket; empty leaves it to the directory."""
    authserv_ids: OneOrMore = []
    """The names under which our own mail server writes Authentication-Results."""
    submit: HostPort = "127.0.0.1:25"
    """Where our own mail is handed in."""
    sender: EmailAddress | None = None
    """The From of mails that ask whether a request was really made; unset, none are sent."""
    soft_bounces: Annotated[int, Field(ge=1, le=100)] = 5
    """On how many days mail must fail for a passing cause before the mailbox counts as dead."""
    soft_bounce_window: Annotated[Duration, Field(ge=86400, le=365 * 86400)] = 14 * 86400.0
    """Within how long."""
    max_size: Annotated[int, Field(ge=65536, le=100 * 1024 * 1024)] = 10 * 1024 * 1024
    """The largest mail that is taken, in octets."""
