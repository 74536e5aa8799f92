"""Every configuration key, its type and its default. Unknown keys are refused; `None` means: not set.

The descriptions are the key's documentation: `config schema`, the sample file and the docs page are held to them by
tests.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from consentmilter.config.roles import ApiConfig, IntakeConfig, WebConfig
from consentmilter.config.section import Section
from consentmilter.config.types import (
    Addresses,
    Description,
    Duration,
    EmailAddress,
    FieldName,
    FieldNames,
    FileMode,
    HelpUrl,
    HttpsUrl,
    ListId,
    Mailto,
    Networks,
    OneOrMore,
    OrganisationName,
    Socket,
    StreamName,
    Title,
)
from consentmilter.model import Basis, Mode, Reason
from consentmilter.policy.rules import OverLimit
from consentmilter.policy.site import Existing, FalseClaim, Mixed, MultiRecipient, Unclassified

Action = Literal["reject", "tag", "remove", "hold", "defer"]
DAY = 86400.0
Kept = Annotated[Duration, Field(ge=DAY)]


class StoreConfig(Section):
    url: str = "sqlite:////var/lib/consentmilter/consent.db"
    """Where the suppression list lives."""
    journal: str | None = None
    """Where the journal of verdicts lives; by default journal.db beside the store."""


class KeysConfig(Section):
    file: Path = Path("/etc/consentmilter/keys.yaml")
    """The key file that `consentmilter init` makes. Losing it loses the list."""


class MilterConfig(Section):
    socket: Socket = "unix:/var/spool/postfix/consentmilter/milter.sock"
    """Where Postfix finds the milter."""
    socket_mode: FileMode = 0o660
    """The file mode of a unix socket."""
    socket_group: str | None = "postfix"
    """The group of a unix socket; empty leaves it to the directory."""
    workers: Annotated[int, Field(ge=1, le=64)] = 2
    """How many worker processes; one for each core that mail may use."""
    deadline: Annotated[Duration, Field(gt=0, le=20)] = 2.0
    """How long a look-up may take before mail is deferred."""
    drain: Annotated[Duration, Field(gt=0, le=3600)] = 300.0
    """How long a worker that is to leave waits for its open sessions."""
    self_check: EmailAddress | None = None
    """Where a copy of one message a stream and hour goes, for the intake to look at its DKIM signature."""


class UnsubscribeConfig(Section):
    url: HttpsUrl | None = None
    """The web address under which unsubscribe links live; /u/TOKEN is added to it."""
    mailto: Mailto | None = None
    """The address that takes unsubscribe mails; +TOKEN is added to its local part."""
    bounce: Mailto | None = None
    """The address that takes bounces of streams with verp; +TOKEN is added to its local part."""


class ReplyConfig(Section):
    help_url: HelpUrl | None = None
    """A page for senders, named in every refusal."""


class PrivacyConfig(Section):
    store_addresses: bool = True
    """Whether addresses are stored beside their keys; without them the list cannot be shown, moved or re-keyed."""
    mail: Addresses = []
    """Addresses whose mail asks for everything on this system to stop."""


class RetentionConfig(Section):
    journal: Kept | None = 365 * DAY
    """Verdicts in the journal; empty keeps them."""
    expired: Kept | None = 30 * DAY
    """Suppressions after their end; empty keeps them."""
    reviews: Kept | None = 90 * DAY
    """What people wrote, after somebody has read it; empty keeps it."""
    bounces: Kept | None = 90 * DAY
    """Counts of failures that may pass; empty keeps them."""
    evidence: Kept | None = None
    """Addresses and evidence in the ledger, which stays verifiable without them; empty keeps them."""


class LogConfig(Section):
    format: Literal["auto", "json", "console"] = "auto"
    """`json`, `console`, or `auto`: console on a terminal."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important events that are logged; debug adds mail that belongs to no stream."""
    addresses: bool = False
    """Whether addresses are logged beside the keys that stand for them."""


class OutboundConfig(Section):
    listeners: OneOrMore = []
    """Listeners (milter_macro_daemon_name) whose mail is outbound."""
    clients: Networks = []
    """Client networks whose mail is outbound."""


class LoopConfig(Section):
    first: OneOrMore = []
    """Listeners whose mail goes through the loop that gives each recipient a message of its own."""
    second: str | None = None
    """The loopback listener behind the loop."""


class AddressConfig(Section):
    sub_address: Annotated[str, Field(max_length=4)] = ""
    """Delimiters from which on the local part is ignored, such as +."""
    ignore_dots: bool = False
    """Whether dots in the local part are ignored, as gmail.com does."""


class CategoryConfig(Section):
    exempt: bool | None = None
    """Whether opt-outs are bypassed."""
    basis: Basis | None = None
    """The legal basis; required for a category of your own."""
    bypasses: list[Reason] | None = None
    """The reasons that an exempt category bypasses."""
    action: Action | None = None
    """What a suppression leads to."""
    unsubscribe_header: bool | None = None
    """Whether mail of this category gets a List-Unsubscribe."""
    requires_consent: bool | None = None
    """Whether only people with a recorded opt-in get it."""


class OrganisationConfig(Section):
    title: Title
    """Its name, as people know it."""
    address: str | None = None
    """Its postal address."""
    unsubscribe: UnsubscribeConfig = UnsubscribeConfig()
    """Its own unsubscribe addresses, in place of the site's."""
    privacy: Addresses = []
    """Addresses whose mail asks for everything of this organisation to stop."""


class StreamConfig(Section):
    category: str = "marketing"
    """Its category."""
    title: Title | None = None
    """What a person would call it."""
    description: Description | None = None
    """What it brings and how often, for the page on which people choose."""
    mode: Mode | None = None
    """observe or enforce, in place of the site's mode."""
    action: Action | None = None
    """What a suppression leads to, in place of the category's action."""
    mixed: Mixed = Mixed.REMOVE
    """What happens at end of message if only some recipients are suppressed."""
    multi_recipient: MultiRecipient = MultiRecipient.GENERIC
    """What happens to a message with several recipients."""
    existing: Existing = Existing.KEEP
    """What happens to a List-Unsubscribe that the message brings along."""
    unsubscribe_header: bool | None = None
    """Whether its mail gets a List-Unsubscribe; true adds it in observe mode as well."""
    list_id: ListId | None = None
    """A List-Id for messages that have none."""
    requires_consent: bool | None = None
    """Whether only people with a recorded opt-in to this stream get it, in place of the category's setting."""
    verp: bool = False
    """Whether bounces come to unsubscribe.bounce, so that dead mailboxes are found."""
    help_url: HelpUrl | None = None
    """A page for its senders, in place of the site's."""


class RightConfig(Section):
    login: OneOrMore = []
    """SASL logins that may make the claim."""
    client: Networks = []
    """Client networks that may make the claim."""
    listener: OneOrMore = []
    """Listeners on which the claim may be made."""


class RuleConfig(Section):
    login: OneOrMore = []
    """The SASL login."""
    client: Networks = []
    """The client's network."""
    listener: OneOrMore = []
    """The listener (milter_macro_daemon_name), or sendmail for mail from sendmail(1)."""
    mail_from: OneOrMore = []
    """The envelope sender."""
    header: dict[FieldName, OneOrMore] = {}
    """Header fields and what they must hold."""
    list_id: OneOrMore = []
    """The identifier in List-Id."""
    has_header: FieldNames = []
    """Header fields that must be there."""
    allow: RightConfig | None = None
    """Makes the rule a claim that only these may make."""
    max_per_day: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    """How many recipients a day (UTC) a rule that leads to an exempt stream lets through."""
    over_limit: OverLimit = OverLimit.DEFER
    """What happens to the mail beyond that."""
    stream: str
    """The stream of mail that the rule fits."""


class Config(Section):
    """The whole file."""

    mode: Mode = Mode.OBSERVE
    """observe logs and journals what would happen; enforce does it."""
    store: StoreConfig = StoreConfig()
    """The suppression list and the journal."""
    keys: KeysConfig = KeysConfig()
    """The secrets."""
    milter: MilterConfig = MilterConfig()
    """The mail side."""
    unsubscribe: UnsubscribeConfig = UnsubscribeConfig()
    """Where unsubscribe links and mails go."""
    reply: ReplyConfig = ReplyConfig()
    """What refusals say."""
    web: WebConfig = WebConfig()
    """The pages behind unsubscribe links."""
    api: ApiConfig = ApiConfig()
    """The HTTP API for other systems."""
    intake: IntakeConfig = IntakeConfig()
    """The mail that comes back."""
    privacy: PrivacyConfig = PrivacyConfig()
    """What is kept of people."""
    retention: RetentionConfig = RetentionConfig()
    """How long what is kept; consentmilter prune removes what is older."""
    log: LogConfig = LogConfig()
    """What is logged, and how."""
    outbound: OutboundConfig = OutboundConfig()
    """Which mail the rules apply to, besides logins, loopback and sendmail(1)."""
    loop: LoopConfig = LoopConfig()
    """The two listeners of a site that sends each recipient a message of its own."""
    addresses: dict[str, AddressConfig] = {}
    """What the provider of a domain ignores in an address; * stands for all others."""
    categories: dict[str, CategoryConfig] = {}
    """Categories of your own, and changes to the built-in ones."""
    organisations: dict[OrganisationName, OrganisationConfig] = {}
    """Who mails: the first part of stream names."""
    streams: dict[StreamName, StreamConfig] = {}
    """What people can opt out of."""
    classify: list[RuleConfig] = []
    """Rules that tell the stream of a message; the first that fits wins."""
    bulk: bool = True
    """Whether mail with the marks of bulk mail that no rule fits is the stream bulk."""
    unclassified: Unclassified = Unclassified.PASS
    """What happens to outbound mail that belongs to no stream."""
    false_claim: FalseClaim = FalseClaim.MARKETING
    """What happens to mail that claims a stream without the right to it."""

    def dump(self) -> dict[str, Any]:
        """The whole configuration as plain data, in the form in which it is written."""
        return self.model_dump(mode="json")
