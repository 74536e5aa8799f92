"""An MTA's side of a screening, so that tests read as what goes over the wire.

mta = Mta(site)
mta.opted_out("a@example.com")
mail = mta.mail(login="newsletter")
mail.rcpt("<a@example.com>").expects("550")
mail.end().expects()
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from consentmilter.config import Config
from consentmilter.config.check import find_faults
from consentmilter.config.compile import compile_site
from consentmilter.errors import StoreBusyError
from consentmilter.headers import Add, Delete, Edit
from consentmilter.keys import KeyRing
from consentmilter.model import ALL, Consent, ConsentState, Reason, Suppression
from consentmilter.policy.facts import Facts
from consentmilter.policy.mail import SENDMAIL, Client, Principal
from consentmilter.policy.site import Site
from consentmilter.replies import Reply
from consentmilter.service.desk import Desk, Record
from consentmilter.service.ending import Ending
from consentmilter.service.screening import Screening
from tests.unit.making import NOW, RING, consent, suppression

STREAMS: Mapping[str, Mapping[str, Any]] = {
    "acme.newsletter": {"title": "Weekly newsletter"},
    "acme.security": {"category": "security-patch"},
    "acme.whole": {"mixed": "reject"},
    "acme.tagged": {"action": "tag"},
    "acme.held": {"action": "hold"},
    "acme.deferred": {"action": "defer"},
    "acme.removed": {"action": "remove"},
    "acme.split": {"multi_recipient": "split"},
    "acme.single": {"multi_recipient": "reject"},
    "acme.replaced": {"existing": "replace"},
    "acme.linkless": {"existing": "reject"},
}

CONFIG: Mapping[str, Any] = {
    "mode": "enforce",
    "unsubscribe": {"url": "https://u.example.com", "mailto": "unsub@example.com"},
    "organisations": {"acme": {"title": "Acme Ltd"}},
    "streams": STREAMS,
    "classify": [
        *({"login": name, "stream": name} for name in STREAMS),
        *({"header": {"X-Stream": name}, "allow": {"login": "anybody"}, "stream": name} for name in STREAMS),
    ],
}
"""Each stream is known by the login of its name; the login `anybody` may claim each in a header."""


def site(**changes: Any) -> Site:
    """The site of the tests with these top-level keys changed."""
    config = Config.model_validate({**CONFIG, **changes})
    assert find_faults(config) == []
    return compile_site(config)


SITE = site()
CLIENT = ip_address("192.0.2.1")


@dataclass(frozen=True)
class Said:
    """An answer to RCPT."""

    reply: Reply | None

    def expects(self, code: str | None = None, *words: str) -> None:
        """That the answer has this code, or lets the recipient in, and holds these words."""
        assert (self.reply and self.reply.code) == code, self.reply
        for word in words:
            assert self.reply is not None
            assert word in self.reply.text


@dataclass(frozen=True)
class Ended:
    """What the milter does at the end of a message."""

    ending: Ending

    def expects(self, code: str | None = None, *words: str, remove: Sequence[str] = (), hold: bool = False) -> "Ended":
        """That the answer has this code, or lets the message go on, without these recipients."""
        Said(self.ending.reply).expects(code, *words)
        assert self.ending.remove == tuple(remove)
        assert self.ending.quarantine == ("opted out" if hold else None)
        return self

    @property
    def edits(self) -> tuple[Edit, ...]:
        return self.ending.edits

    def added(self, name: str) -> list[str]:
        """The values of the fields of that name that are added."""
        return [edit.value for edit in self.edits if isinstance(edit, Add) and edit.name == name]

    def deleted(self, name: str) -> list[int]:
        """The positions of the fields of that name that are removed, in the order of removal."""
        return [edit.index for edit in self.edits if isinstance(edit, Delete) and edit.name == name]


class Mail:
    """One message, from MAIL to its end."""

    def __init__(self, screening: Screening) -> None:
        self.screening = screening

    def rcpt(self, raw: str, resolved: str | None = None) -> Said:
        return Said(self.screening.rcpt(raw, resolved))

    def header(self, name: str, value: str) -> None:
        self.screening.header(name.lower(), value)

    def end(self) -> Ended:
        self.screening.queue_id = "4Xyz"
        return Ended(self.screening.finish())


class Mta:
    """An MTA with a milter whose store is in memory; `away` makes the store fail, `asked` counts its look-ups."""

    def __init__(self, site: Site = SITE, ring: KeyRing = RING) -> None:
        self.rows: list[Suppression] = []
        self.consents: list[Consent] = []
        self.records: list[Record] = []
        self.notices: list[dict[str, Any]] = []
        self.asked = 0
        self.away = False
        self.now = NOW
        self._refs = 0
        self.desk = Desk(
            site=site,
            ring=ring,
            look_up=self._look_up,
            record=self.records.append,
            notice=lambda event, **fields: self.notices.append({"event": event, **fields}),
            now=lambda: self.now,
            new_ref=self._new_ref,
        )

    def opted_out(self, who: str, scope: str = ALL, reason: Reason = Reason.UNSUBSCRIBE, **changes: Any) -> Suppression:
        """Put a suppression on the list."""
        row = suppression(who, scope, reason, ring=self.desk.ring, **changes)
        self.rows.append(row)
        return row

    def consented(self, who: str, to: str, state: ConsentState = ConsentState.GRANTED, **changes: Any) -> Consent:
        """Have this stand of somebody's consent."""
        row = consent(who, to, state, ring=self.desk.ring, **changes)
        self.consents.append(row)
        return row

    def mail(
        self,
        sender: str = "<news@acme.example>",
        *,
        login: str | None = None,
        client: Client | None = CLIENT,
        listener: str = "submission",
    ) -> Mail:
        """A message from an SMTP client."""
        return Mail(Screening(self.desk, Principal(login, client, listener), sender))

    def sendmail(self, sender: str = "news@acme.example") -> Mail:
        """A message from sendmail(1)."""
        principal = Principal(None, ip_address("127.0.0.1"), SENDMAIL, non_smtp=True)
        return Mail(Screening(self.desk, principal, sender))

    def told(self) -> dict[str, tuple[str, str | None]]:
        """Verdict and reason of each recipient; each was recorded once."""
        assert len({record.recipient for record in self.records}) == len(self.records)
        return {record.recipient: (record.verdict, record.reason) for record in self.records}

    def events(self) -> list[str]:
        return [notice["event"] for notice in self.notices]

    def _look_up(self, subjects: Sequence[bytes], digests: Callable[[], Sequence[bytes]]) -> Facts:
        self.asked += 1
        if self.away:
            raise StoreBusyError("no answer within 2 s")
        asked = {*subjects, *digests()}
        return Facts(
            [row for row in self.rows if row.subject in asked], [row for row in self.consents if row.subject in asked]
        )

    def _new_ref(self) -> str:
        self._refs += 1
        return f"ref{self._refs}"
