"""The pymilter callbacks of one MTA connection: translate Postfix's events for `Screening`, and its answers back.

The one place that calls setreply, delrcpt, addrcpt, addheader, chgheader, chgfrom and quarantine. State is kept per
message and made anew at MAIL, since libmilter does not call abort after every message (xxfi_abort). Whatever goes wrong
is 451, never 5xx and never silence.
"""

import functools
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeVar, cast

import Milter
import milter

from consentmilter import log, replies
from consentmilter.headers import Add, Delete
from consentmilter.policy.mail import SENDMAIL, Client, Principal
from consentmilter.replies import Reply
from consentmilter.service.ending import Ending
from consentmilter.service.screening import Screening

if TYPE_CHECKING:
    from consentmilter.milter.application import Runtime

Callback = TypeVar("Callback", bound=Callable[..., int])

_NEEDED = {
    "ADDHDRS": milter.ADDHDRS,
    "CHGHDRS": milter.CHGHDRS,
    "DELRCPT": milter.DELRCPT,
    "QUARANTINE": milter.QUARANTINE,
}
"""What an MTA must let us do to a message, since any of these may be the verdict."""

_KNOWN_STEPS = 0x1FFFFF
"""The protocol options that there are in version 6 (SMFIP_*). pymilter would agree to every later one as well."""

MAX_EDITS = 1000
"""Changes to the header of one message. Each makes cleanup(8) walk through the queue file from its beginning, and at
some 10,000 it panics ("too many reverse jump records"), whereupon Postfix takes no mail at all for a minute."""


def guarded(callback: Callback) -> Callback:
    """Turn any fault inside a callback into a deferral of the message, and log it."""

    @functools.wraps(callback)
    def wrapper(self: "Session", *args: Any) -> int:
        try:
            return callback(self, *args)
        except Exception:  # noqa: BLE001 - the callback edge
            # libmilter must get an answer, and the cause must get into the log, but the answer does not wait for that:
            # pymilter would say "tempfail" to an event that needs no reply, whereupon libmilter falls silent.
            self.faulty = True
            with suppress(Exception):
                log.get().exception("fault", ref=self.ref, callback=callback.__name__)
            return Milter.CONTINUE

    return cast(Callback, wrapper)


class Session(Milter.Base):
    """One connection of the MTA; many messages may come over it."""

    def __init__(self, current: Callable[[], "Runtime"]) -> None:
        self._current = current
        self._met = False
        self._client: Client | None = None
        self._non_smtp = False
        self._listener = ""
        self._wanted: frozenset[str] = frozenset()
        self._screening: Screening | None = None
        self.faulty = False

    @property
    def ref(self) -> str:
        """The reference of the message at hand."""
        return self._screening.ref if self._screening else "-"

    def negotiate(self, options: list[int]) -> int:
        """Agree with the MTA, unless there is a verdict that it could not carry out."""
        missing = [name for name, action in _NEEDED.items() if not options[0] & action]
        if missing:
            log.get().error("negotiation_failed", reason=f"the MTA does not offer {', '.join(missing)}")
            return Milter.REJECT
        options[1] &= _KNOWN_STEPS
        return int(super().negotiate(options))

    def setsymlist(self, stage: int, *macros: str) -> None:
        """Name the macros of a stage, in text: pymilter's own passes octets, which its C part refuses on Python 3.

        An MTA that does not offer it sends its own choice, and would not understand ours.
        """
        if self._actions & milter.SETSYMLIST:
            self._ctx.setsymlist(stage, " ".join(macros))

    # A refusal from a callback that needs no reply would be lost, so these only take notes.

    @Milter.noreply
    @Milter.symlist("{daemon_name} {client_addr} {client_port}")
    @guarded
    def connect(self, hostname: str, family: int, hostaddr: Any) -> int:
        """Note the client and the listener. At end of message Postfix would tell main.cf's name of it."""
        self._meet(hostaddr)
        return Milter.CONTINUE

    # Postfix sends a login only if there is one, and libmilter keeps the macros of the message before if none come at
    # all. So there is one more that Postfix always sends: j, its own name.

    @Milter.noreply
    @Milter.symlist("{auth_authen} j")
    @guarded
    def envfrom(self, raw_sender: str, *params: str) -> int:
        """Start a new message, under the configuration that holds now."""
        self.faulty = False
        self._screening = None
        if not self._met:
            self._meet(self._client_by_macros())
        runtime = self._current()
        login = self._macro("{auth_authen}")
        principal = Principal(login, self._client, self._listener, self._non_smtp)
        self._screening = Screening(runtime.desk, principal, raw_sender)
        self._wanted = runtime.wanted if self._screening.outbound else frozenset()
        return Milter.CONTINUE

    @Milter.symlist("i {rcpt_addr}")
    def envrcpt(self, raw_rcpt: str, *params: str) -> int:
        """Let the recipient in, or refuse it alone; after a fault, defer it."""
        answer = Milter.CONTINUE if self.faulty else self._answer_rcpt(raw_rcpt)
        return self._fault() if self.faulty else answer

    @guarded
    def _answer_rcpt(self, raw_rcpt: str) -> int:
        screening = self._message()
        screening.queue_id = self._macro("i")
        reply = screening.rcpt(raw_rcpt, self._macro("{rcpt_addr}"))
        return Milter.CONTINUE if reply is None else self._say(reply)

    @Milter.noreply
    def header(self, name: str, value: str) -> int:
        """Keep a header field that the policy asked for. Only declares the event; see `header_bytes`."""
        return Milter.CONTINUE

    def header_bytes(self, name: str, value: bytes) -> int:
        """Keep a header field that the policy asked for: the callback itself, since it runs for every field."""
        lower = name.lower()
        if lower in self._wanted and self._screening is not None:
            self._screening.header(lower, value.decode("utf-8", "surrogateescape"))
        return Milter.NOREPLY if self._protocol & Milter.P_NR_HDR else Milter.CONTINUE

    @Milter.symlist("i")
    def eom(self) -> int:
        """Do what is to be done with the message; after a fault, defer it."""
        answer = Milter.CONTINUE if self.faulty else self._finish()
        self._screening, screening = None, self._screening
        return self._fault(screening) if self.faulty else answer

    @guarded
    def _finish(self) -> int:
        screening = self._message()
        screening.queue_id = self._macro("i")
        ending = screening.finish()
        if ending.reply is not None:
            return self._say(ending.reply)
        self._perform(ending)
        return Milter.CONTINUE

    def abort(self) -> int:
        """Forget the message."""
        self._screening = None
        return Milter.CONTINUE

    def _meet(self, hostaddr: Any) -> None:
        self._client, port = _client(hostaddr)
        # Postfix gives mail from sendmail(1) and QMQP a loopback client with port 0 (MILTER_README).
        self._non_smtp = port == 0 and self._client is not None and self._client.is_loopback
        self._listener = SENDMAIL if self._non_smtp else self._macro("{daemon_name}") or ""
        self._met = True

    def _client_by_macros(self) -> tuple[str, str]:
        # pymilter gives up a connect whose client name is not UTF-8, but the macros that came with it are there.
        address, port = self._macro("{client_addr}"), self._macro("{client_port}")
        if address is None or port is None:
            raise RuntimeError("MAIL came before a connect that tells the client")
        return address, port

    def _macro(self, name: str) -> str | None:
        """The value of a macro; None if it is unset or empty."""
        try:
            return self.getsymval(name) or None
        except UnicodeDecodeError as error:
            # pymilter cannot hand it over otherwise; a login that is not read would be mail without one.
            return error.object.decode("utf-8", "surrogateescape")

    def _message(self) -> Screening:
        if self._screening is None:
            raise RuntimeError("an event of a message came before its MAIL")
        return self._screening

    def _perform(self, ending: Ending) -> None:
        if len(ending.edits) > MAX_EDITS:
            raise RuntimeError(f"the header would need {len(ending.edits)} changes, and may have {MAX_EDITS}")
        for raw_rcpt in ending.remove:
            self.delrcpt(raw_rcpt)
        for edit in ending.edits:
            match edit:
                case Add(name, value):
                    self.addheader(name, value)
                case Delete(name, index):
                    self.chgheader(name, index, None)
        if ending.sender is not None and self._actions & milter.CHGFROM:
            self.chgfrom(f"<{ending.sender}>")
        if ending.copy_to is not None and self._actions & milter.ADDRCPT:
            self.addrcpt(f"<{ending.copy_to}>")
        if ending.quarantine is not None:
            self.quarantine(ending.quarantine)

    def _say(self, reply: Reply) -> int:
        # libmilter reads % as a format; a reply that is not used at once stays armed for a later one.
        self.setreply(reply.code, reply.enhanced, reply.text.replace("%", "%%"))
        return Milter.REJECT if reply.code.startswith("5") else Milter.TEMPFAIL

    def _fault(self, screening: Screening | None = None) -> int:
        about = screening or self._screening
        return self._say(replies.fault(about.ref if about else "-"))


def _client(hostaddr: Any) -> tuple[Client | None, int | None]:
    """The client's address and port, as far as pymilter tells: a pair or more for IP, text or nothing otherwise."""
    if not isinstance(hostaddr, tuple):
        return None, None
    try:
        return ip_address(str(hostaddr[0]).removeprefix("IPv6:")), int(hostaddr[1])
    except ValueError:
        return None, None
